"""
Check a writer's configuration, from the file to the backends it names. The check leaves nothing behind.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from salt_eventsd.config.folders import why_file_unwritable
from salt_eventsd.exceptions import ConfigError, Transient, WorkerError
from salt_eventsd.redact.error_text import one_line
from salt_eventsd.writer.carry.source import said
from salt_eventsd.writer.carry.writers import Writers
from salt_eventsd.writer.config import WriterConfig, read
from salt_eventsd.writer.jetstream import Servers
from salt_eventsd.writer.plan import plan


def check(path: str) -> dict[str, Any]:
    """
    Return what is right and what is wrong, with ``retcode`` 0 (all well), 1 (a backend or the source cannot be reached)
    or 2 (wrong).

    :param path: the configuration's file.
    """
    problems: list[str] = []
    away: list[str] = []
    told: dict[str, Any] = {"notes": []}
    try:
        config = read(path)
        if what := why_file_unwritable(Path(config.config.general.state_file)):
            problems.append(f"eventsd: state_file: {what}")
        plans = plan(config)
    except ConfigError as exc:
        problems += exc.problems
    else:
        told["notes"] = list(config.notes)
        told["source"] = _source(config, problems, away)
        told["workers"] = {one.name: _worker(one.name, one.writers, problems, away) for one in plans}
    return {
        "config": "wrong" if problems else "right",
        "problems": [*problems, *away],
        **told,
        "retcode": 2 if problems else 1 if away else 0,
    }


def _source(config: WriterConfig, problems: list[str], away: list[str]) -> str:
    broker = Servers(config.source)
    letters = broker.dead_letters()
    try:
        next(iter(letters.letters()), None)
    except WorkerError as exc:
        line = f"eventsd: {said(exc)}"
        (away if isinstance(exc, Transient) else problems).append(line)
        return "not reachable" if isinstance(exc, Transient) else "refuses"
    finally:
        broker.close()
    return "reachable"


def _worker(name: str, writers: Writers, problems: list[str], away: list[str]) -> str:
    try:
        return writers.shared.check()
    except ConfigError as exc:
        problems += exc.problems
        return "not usable"
    except Transient as exc:
        away.append(f"eventsd: workers.{name}: {one_line(exc)}")
        return "not reachable"
    except Exception as exc:
        problems.append(f"eventsd: workers.{name}: {one_line(exc)}")
        return "refuses"
    finally:
        writers.close()
