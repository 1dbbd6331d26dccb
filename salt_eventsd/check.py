"""
What ``salt-run eventsd.check`` finds: is this config right, can each worker reach its backend. Nothing is written.
"""

from __future__ import annotations

import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from salt_eventsd.config import Config
from salt_eventsd.config_load import load
from salt_eventsd.errors import brief
from salt_eventsd.exceptions import ConfigError
from salt_eventsd.folders import trouble
from salt_eventsd.plan import make_plan
from salt_eventsd.workers import close


def check(opts: Mapping[str, Any], functions: Any = None, runners: Any = None) -> dict[str, Any]:
    """
    Return what is right and what is wrong, with ``retcode`` 0 (all well), 1 (a backend is away) or 2 (config wrong).

    :param opts: Salt's options.
    :param functions: Salt's execution modules, for workers that want them.
    :param runners: Salt's runners, likewise.
    """
    try:
        config = load(opts)
    except ConfigError as exc:
        return {"config": "wrong", "problems": exc.problems, "retcode": 2}
    plan = make_plan(config, opts, functions, runners)
    problems = _folders(config) + plan.problems
    workers, away = {}, []
    for name, planned in plan.workers.items():
        if planned.worker is None:
            workers[name] = "not usable"
            continue
        try:
            workers[name] = planned.worker.check()
        except ConfigError as exc:
            problems += exc.problems
            workers[name] = "not usable"
        except Exception as exc:
            away.append(f"eventsd: workers.{name}: {brief(exc)}")
            workers[name] = "not reachable"
        finally:
            close(planned.worker)
    return {
        "config": "wrong" if problems else "right",
        "problems": problems + away,
        "notes": plan.strays,
        "workers": workers,
        "events": {name: list(rule.workers) for name, rule in config.events.items()},
        "retcode": 2 if problems else 1 if away else 0,
    }


def _folders(config: Config) -> list[str]:
    """The spool and the state file need folders that are there or can be made."""
    found = {
        "spool.dir": trouble(Path(config.general.spool.dir)),
        "state_file": _of_file(Path(config.general.state_file)),
    }
    return [f"eventsd: {key}: {what}" for key, what in found.items() if what]


def _of_file(path: Path) -> str:
    if why := trouble(path.parent):
        return why
    try:
        return f"{path} is a folder; expected a file in a folder" if stat.S_ISDIR(path.stat().st_mode) else ""
    except FileNotFoundError:
        return ""
    except OSError as exc:
        return f"{path}: {exc.strerror}"
