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

from salt_eventsd.english import counted
from salt_eventsd.spool_lock import holder, is_locked

#: A report older than this many state_timers is a sign of a hanging engine.
_STALE_TIMERS = 4

#: How long events that were dropped are a reason to call an engine degraded.
_REMEMBERED_SECONDS = 86_400.0

Report = dict[str, Any]


def read(path: Path, problems: Sequence[str] = ()) -> Report:
    """
    Return the status as an operator sees it, with ``retcode`` 0 (well), 1 (degraded) or 2 (down or wrong).

    :param path: the state file.
    :param problems: what is wrong with the configuration on disk.
    """
    wrong = [f"the configuration on disk is wrong: {problem}" for problem in problems]
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Report)
    except FileNotFoundError:
        return _down(f"no engine has run here: there is no {path}", *wrong)
    except (OSError, msgspec.DecodeError) as exc:
        return _down(f"eventsd: state_file: {path} cannot be read: {exc}")
    try:
        return _told(found, wrong)
    except (KeyError, TypeError, AttributeError) as exc:
        return _down(f"{path} is not of this version of salt-eventsd: {type(exc).__name__} {exc}")


def crashed_at(path: Path, spool: Path) -> float:
    """
    Return when the last engine on a spool reported last, if it did not end in order; else 0. In seconds since 1970 UTC.

    :param path: the state file.
    :param spool: the spool's folder.
    """
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Report)
        crashed = not found["ended"] and not found["problems"] and found["spool"]["dir"] == str(spool)
        return float(found["written"]) if crashed else 0.0
    except (OSError, msgspec.DecodeError, KeyError, TypeError, ValueError):
        return 0.0


def _told(found: Report, notes: list[str]) -> Report:
    age = time.time() - found["written"]
    idle = bool(found["problems"])
    # The spool it has open, whatever the configuration says by now.
    folder = None if idle else Path(found["spool"]["dir"])
    locked = folder is not None and is_locked(folder)
    # Not by asking the system for the process: this one may be in another container.
    alive = _alive(found["pid"]) if folder is None else locked and holder(folder) in (0, found["pid"])
    stale = age > _STALE_TIMERS * found["timer"]
    since = _moment(found["started"])
    if found["ended"] or not alive:
        then = f"not running; it last reported at {_moment(found['written'])}, and what is told below is of then"
        starting = ["another engine has just been started, and has not reported yet"] if locked else []
        told = _readable(found)
        if told:
            told["bus"]["connected"] = False
        return {**_down(*starting, then, *notes), **told}
    head: Report = {"running": True, "since": since, "version": found["version"], "pid": found["pid"]}
    notes = list(found["problems"]) or notes
    if stale:
        notes.append(f"the engine hangs: its last report is {age:.0f} s old, it reports every {found['timer']:g} s")
    if idle:
        return {"state": "idle, the config is wrong", **head, "notes": notes, "retcode": 2}
    notes += _degraded(found)
    retcode = 2 if stale else 1 if notes else 0
    return {
        "state": ("hanging" if stale else "degraded") if notes else "well",
        **head,
        "notes": notes,
        **_readable(found),
        "retcode": retcode,
    }


def _degraded(found: Report) -> list[str]:
    bus, spool = found["bus"], found["spool"]
    notes = []
    if not bus["connected"]:
        notes.append("the event bus is not connected")
    if bus["lost"]:
        they = "it" if bus["lost"] == 1 else "they"
        notes.append(f"{counted(bus['lost'], verb='was')} lost before {they} could be spooled")
    if error := found.get("dispatch", {}).get("error"):
        notes.append(f"batches cannot be given out: {error}")
    if spool["error"]:
        notes.append(spool["error"])
    if spool["unkept_events"]:
        notes.append(f"{counted(spool['unkept_events'], verb='waits')} in memory for the spool")
    if spool["full"]:
        notes.append("the spool is full; events are dropped")
    notes += [f"the spool was broken and set aside: {path}" for path in spool["set_aside"]]
    if deleted := spool.get("set_aside_deleted"):
        notes.append(f"{counted(deleted, 'older spool', 'was')} deleted that had been set aside")
    for name, events in spool["orphaned"].items():
        worker, _, rule = name.partition(":")
        gone = (
            f"rule {rule} of worker {worker}, which is no longer under events"
            if rule
            else (f"worker {worker}, which is no longer under workers")
        )
        notes.append(f"{counted(events, verb='waits')} for {gone}; see eventsd.drop_orphaned")
    for name, letters in spool.get("orphaned_letters", {}).items():
        buried = counted(letters, "refused event", "is")
        notes.append(f"{buried} buried of worker {name}, which is no longer under workers; see eventsd.dead")
    if spool["orphaned_gone"]:
        gone = counted(spool["orphaned_gone"], verb="was")
        notes.append(f"{gone} dropped or lost that waited for workers and rules no longer configured")
    for name, worker in found["workers"].items():
        parts = {f"{name}, rule {rule}": one for rule, one in worker.get("rules", {}).items()} or {name: worker}
        for part, one in parts.items():
            if one["state"] != "ok":
                notes.append(f"worker {part} is {one['state']}: {one['last_error']}")
        if worker["hanging_seconds"]:
            notes.append(f"worker {name} has been writing one batch for {worker['hanging_seconds']} s")
        if dead := worker["dead_letters"]:
            notes.append(f"worker {name}: {counted(dead, 'refused event', 'is')} buried; see eventsd.dead")
        if lost := worker["lost"]:
            notes.append(f"worker {name}: {counted(lost, verb='was')} in a spool that broke")
        if given_way := worker.get("letters_dropped"):
            notes.append(
                f"worker {name}: {counted(given_way, 'refused event')} gave way to newer ones (spool.max_bytes)"
            )
        if renamed := worker.get("renamed"):
            notes.append(
                f"worker {name}: the database had receipts of other events under the names of {counted(renamed)}, "
                "written all the same; was this machine put back in time?"
            )
        if elsewhere := worker.get("elsewhere"):
            notes.append(
                f"worker {name}: {counted(elsewhere)} had been written by another engine: it runs on a copy of this"
                " spool"
            )
        if worker["dropped"] and found["written"] - worker["last_drop"] < _REMEMBERED_SECONDS:
            notes.append(f"worker {name}: {counted(worker['dropped'], verb='was')} dropped because the spool was full")
    return notes


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
    return {"bus": bus, "workers": workers, "spool": found["spool"]}


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
