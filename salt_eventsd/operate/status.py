"""
What ``salt-run eventsd.status`` tells: the engine's last report, and whether to believe it.

The report alone proves nothing: a living engine is known by the lock it holds on its spool, which the system takes from
it when it dies, and by how old its last report is.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import msgspec

from salt_eventsd.engine.predecessor import Clock
from salt_eventsd.engine.problems import problems as problems_of
from salt_eventsd.spool.lock import holder, is_locked

#: A report so old is late: an engine that is well writes one every other second. What stands still is told in 5 s.
_LATE_SECONDS = 4.5
#: A report so old, and older than so many state_timers, is that of an engine that is as good as down.
_HANGING_SECONDS = 15.0
_STALE_TIMERS = 4

#: How notes begin that do not come from the report.
LATE = "the engine stands still"
WRONG_ON_DISK = "the configuration on disk is wrong"

Report = dict[str, Any]


def read(path: Path, problems: Sequence[str] = ()) -> Report:
    """
    Return the status as an operator sees it, with ``retcode`` 0 (well), 1 (degraded) or 2 (down or wrong).

    :param path: the state file.
    :param problems: what is wrong with the configuration on disk.
    """
    return read_both(path, problems)[0]


def read_both(path: Path, problems: Sequence[str] = ()) -> tuple[Report, Report]:
    """
    Return the status, and the engine's report that it was made of, {} if there is none.

    :param path: the state file.
    :param problems: what is wrong with the configuration on disk.
    """
    wrong = [f"{WRONG_ON_DISK}: {problem}" for problem in problems]
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Report)
    except FileNotFoundError:
        return _down(f"no engine has run here: there is no {path}", *wrong), {}
    except (OSError, msgspec.DecodeError) as exc:
        return _down(f"eventsd: state_file: {path} cannot be read: {exc}"), {}
    try:
        return _told(found, wrong), found
    except (KeyError, TypeError, AttributeError, msgspec.ValidationError) as exc:
        return _down(f"{path} is not of this version of salt-eventsd: {type(exc).__name__} {exc}"), {}


def _told(found: Report, notes: list[str]) -> Report:
    age = msgspec.convert(found.get("clock", {}), Clock).age
    if age is None:
        age = time.time() - found["written"]
    idle = bool(found["problems"])
    # The spool it has open, whatever the configuration says by now.
    folder = None if idle else Path(found["spool"]["dir"])
    locked = folder is not None and is_locked(folder)
    # Not by asking the system for the process: this one may be in another container.
    alive = _alive(found["pid"]) if folder is None else locked and holder(folder) in (0, found["pid"])
    stale = age > _LATE_SECONDS
    gone = folder is not None and not folder.is_dir()
    if gone:
        # Nobody can tell by a lock that was deleted. An engine that still reports is alive, and has events in memory.
        alive = not stale
    hangs = age > max(_STALE_TIMERS * found["timer"], _HANGING_SECONDS)
    since = _moment(found["started"])
    if found["ended"] or not alive:
        then = f"not running; it last reported at {_moment(found['written'])}, and what is told below is of then"
        starting = ["another engine has just been started, and has not reported yet"] if locked else []
        told = _readable(found)
        if told:
            told["bus"]["connected"] = False
        return {**_down(*starting, then, *notes), **told}
    head: Report = {"running": True, "since": since, "version": found["version"], "pid": found["pid"]}
    late = [f"{LATE}: its last report is {age:.0f} s old"] if stale else []
    if idle:
        return {"state": "idle, the config is wrong", **head, "notes": [*found["problems"], *late], "retcode": 2}
    if gone:
        notes = [f"spool.dir: {folder} is not there: nothing can be kept, and events wait in memory", *notes]
    notes = [*late, *(problem.text for problem in problems_of(found)), *notes]
    retcode = 2 if hangs else 1 if notes else 0
    return {
        "state": ("hanging" if stale else "degraded") if notes else "well",
        **head,
        "notes": notes,
        **_readable(found),
        "retcode": retcode,
    }


def _readable(found: Report) -> Report:
    """Times as text, for people; counts stay numbers."""
    if "bus" not in found:
        return {}
    bus = {**found["bus"], "since": _moment(found["bus"]["since"])}
    bus["gaps"] = [
        {**gap, "from": _moment(gap["from"]), "to": _moment(gap["to"]) if gap["to"] else "now"} for gap in bus["gaps"]
    ]
    workers = {
        name: {**worker, **{key: _moment(worker[key]) for key in ("last_write", "last_drop")}}
        for name, worker in found["workers"].items()
    }
    bus["last"] = _moment(bus["last"]) if "last" in bus else "never"
    told = {"bus": bus, "workers": workers, "spool": found["spool"]}
    told["threads"] = found.get("threads", {})
    told["losses"] = {what: {**loss, "at": _moment(loss["at"])} for what, loss in found.get("losses", {}).items()}
    return {**told, "seen": _moment(found.get("seen", 0.0))}


def _down(*notes: str) -> Report:
    return {"state": "down", "running": False, "notes": list(notes), "retcode": 2}


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC") if seconds else "never"
