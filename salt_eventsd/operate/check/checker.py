"""
Check the configuration, from the files it comes from to the backends it names. Whatever is tried is undone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from salt_eventsd.config import sources
from salt_eventsd.config.load import load
from salt_eventsd.config.options import pillar_key
from salt_eventsd.config.pillar import look_at_pillar
from salt_eventsd.config.structs import Config
from salt_eventsd.config.switch import switch
from salt_eventsd.engine.plan import make_plan
from salt_eventsd.exceptions import ConfigError, EventsdError, Transient
from salt_eventsd.operate.check.places import places
from salt_eventsd.operate.check.running import running
from salt_eventsd.operate.given import path_of
from salt_eventsd.redact.error_text import one_line
from salt_eventsd.rules.compile import named
from salt_eventsd.workers.load import close


@dataclass
class _Found:
    """
    What the check has found so far.

    :param problems: what is wrong: the engine would not keep events, or not as the configuration says.
    :param away: backends that cannot be reached at the moment.
    :param notes: what an operator should look at.
    :param off: why Salt does not start the engine, "" if it does.
    :param told: further keys of the answer.
    """

    problems: list[str] = field(default_factory=list)
    away: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    off: str = ""
    told: dict[str, Any] = field(default_factory=dict)

    def answer(self) -> dict[str, Any]:
        """Return what the runner shows."""
        return {
            "config": "wrong" if self.problems else "without effect" if self.off else "right",
            "problems": self.problems + self.away,
            "notes": self.notes,
            **self.told,
            "retcode": 2 if self.problems or self.off else 1 if self.away or self.notes else 0,
        }


def check(
    opts: Mapping[str, Any],
    functions: Any = None,
    runners: Any = None,
    config: str | None = None,
    replaces: str | None = None,
) -> dict[str, Any]:
    """
    Return what is right and what is wrong, with ``retcode`` 0 (all well), 1 (an operator should look at something, or a
    backend cannot be reached) or 2 (wrong).

    :param opts: Salt's options.
    :param functions: Salt's execution modules, for workers that want them.
    :param runners: Salt's runners, likewise.
    :param config: a file that is not in place yet: its ``engines`` and ``eventsd`` take the place of those of Salt's
        configuration.
    :param replaces: the file of Salt's configuration that ``config`` would replace; its keys are left out.
    """
    found = _Found()
    try:
        opts = _read(opts, config, replaces, found)
        if opts:
            _look(opts, found, functions, runners, is_in_place=config is None)
    except ConfigError as exc:
        found.problems += exc.problems
    except EventsdError as exc:
        found.problems.append(str(exc))
    except Exception as exc:
        # An operator can do nothing with a runner's traceback.
        found.problems.append(f"eventsd: the check itself failed: {one_line(exc)}")
    return found.answer()


def _read(opts: Mapping[str, Any], config: str | None, replaces: str | None, found: _Found) -> Mapping[str, Any]:
    """Look at the files, and return the options that would be in force; {} if the file given cannot be read."""
    files, notes = sources.read_sources(opts)
    if config is not None:
        given = sources.read_file(str(path_of("check", "config", config)))
        if given.problem:
            found.told["looked_at"] = {"files": {config: given.told}}
            found.problems.append(f"eventsd: {config}: {given.problem}")
            return {}
        if replaces is not None:
            files = [one for one in files if one.path != replaces]
            opts = {**opts, **dict.fromkeys(sources.OURS), **sources.effective(files)}
        opts = {**opts, **{key: given.data[key] for key in sources.OURS if key in given.data}}
        if not any(key in given.data for key in sources.OURS):
            found.problems.append(f"eventsd: {config}: neither engines nor eventsd is in it")
        wrong, odd = sources.misplaced([given])
        files = [given]
    else:
        wrong, odd = sources.misplaced(files)
        odd += notes + sources.replaced(files)
    found.told["looked_at"] = {"files": {one.path: one.told for one in files}}
    found.problems += wrong
    found.notes += odd
    for one in files:
        if one.problem:
            (found.problems if one.concerns_us else found.notes).append(one.fault)
    return opts


def _look(opts: Mapping[str, Any], found: _Found, functions: Any, runners: Any, *, is_in_place: bool) -> None:
    found.off, wrong = switch(opts.get("engines"))
    if found.off and not is_in_place:
        wrong.append(found.off)
    found.told["engine"] = f"not switched on: {found.off}" if found.off else "switched on"
    found.problems += wrong
    try:
        _pillar(opts, found)
        config = load(opts)
    finally:
        # An operator with a wrong configuration wants to know whether an engine still runs with the one before it.
        if is_in_place:
            found.told["engine"] += running(opts)
    plan = make_plan(config, opts, functions, runners)
    found.problems += plan.problems
    found.notes += plan.strays
    wrong, odd = places(opts, config)
    found.problems += wrong
    found.notes += odd
    found.told["workers"] = {name: _worker(name, planned.worker, found) for name, planned in plan.workers.items()}
    found.told["events"] = _rules(config)


def _worker(name: str, worker: Any, found: _Found) -> str:
    if worker is None:
        return "not usable"
    try:
        return str(worker.check())
    except ConfigError as exc:
        found.problems += exc.problems
        return "not usable"
    except Transient as exc:
        found.away.append(f"eventsd: workers.{name}: {one_line(exc)}")
        return "not reachable"
    except Exception as exc:
        found.problems.append(f"eventsd: workers.{name}: {one_line(exc)}")
        return "refuses"
    finally:
        close(worker)


def _pillar(opts: Mapping[str, Any], found: _Found) -> None:
    which = pillar_key(opts)
    if which is None or which is False:
        return
    told, wrong, odd = look_at_pillar(opts, which)
    found.told["looked_at"]["pillar"] = told
    found.problems += wrong
    found.notes += odd


def _rules(config: Config) -> dict[str, list[str]]:
    return {name: list(rule.workers) for name, rule in named(config.events)}
