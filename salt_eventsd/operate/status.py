"""
What ``salt-run eventsd.status`` tells: the engine's last report, and whether to believe it.

A report alone proves nothing. A living engine holds the lock on its spool, which the system takes from it when it dies,
and its last report is young.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from salt_eventsd import __version__
from salt_eventsd.common import moments
from salt_eventsd.common.machine import is_alive
from salt_eventsd.engine.problems import problems as problems_of
from salt_eventsd.engine.report import Report
from salt_eventsd.engine.state_file import Head, IdleReport, decode, decode_head, to_data
from salt_eventsd.spool.lock import holder, is_locked

#: An older report is late: a healthy engine writes one every other second. So a stalled engine is noticed in 5 s.
_LATE_SECONDS = 4.5
#: If a report is older than this, and than so many ``state_timer``, its engine is as good as down.
_HANGING_SECONDS = 15.0
_STALE_TIMERS = 4

#: How notes begin that do not come from the report.
LATE = "the engine stands still"
WRONG_ON_DISK = "the configuration on disk is wrong"

#: The status as data.
Told = dict[str, Any]


def read(path: Path, problems: Sequence[str] = ()) -> Told:
    """
    Return the status as an operator sees it, with ``retcode`` 0 (well), 1 (degraded) or 2 (down or wrong).

    :param path: the state file.
    :param problems: what is wrong with the configuration on disk.
    """
    return read_both(path, problems)[0]


def read_both(path: Path, problems: Sequence[str] = ()) -> tuple[Told, Report | IdleReport | None]:
    """
    Return the status, and the engine's report that it was made of; None if there is no report that can be read.

    :param path: the state file.
    :param problems: what is wrong with the configuration on disk.
    """
    wrong = [f"{WRONG_ON_DISK}: {problem}" for problem in problems]
    try:
        raw = path.read_bytes()
        head = decode_head(raw)
    except FileNotFoundError:
        return _down(f"no engine has run here: there is no {path}", *wrong), None
    except OSError as exc:
        return _down(f"eventsd: state_file: {path} cannot be read: {exc}"), None
    except msgspec.ValidationError as exc:
        return _down(f"{path} is not of this version of salt-eventsd: {exc}"), None
    except msgspec.DecodeError as exc:
        return _down(f"eventsd: state_file: {path} cannot be read: {exc}"), None
    try:
        found = decode(raw)
    except msgspec.ValidationError as exc:
        return _unreadable(path, head, exc, wrong), None
    return _told(found, _look(head), wrong), found


class _Seen(msgspec.Struct, frozen=True):
    """
    What the system tells of an engine.

    :param alive: whether it runs.
    :param age: of its last report, in seconds.
    :param locked: whether an engine, this or another one, holds the spool's lock.
    :param gone: its spool's folder, if that is no longer there.
    """

    alive: bool
    age: float
    locked: bool
    gone: Path | None = None

    @property
    def is_late(self) -> bool:
        """Whether its last report is so old that it stands still."""
        return self.age > _LATE_SECONDS

    def hangs(self, timer: float) -> bool:
        """
        Return whether its last report is so old that it is as good as down.

        :param timer: its ``state_timer``, in seconds.
        """
        return self.age > max(_STALE_TIMERS * timer, _HANGING_SECONDS)


def _look(head: Head) -> _Seen:
    age = head.clock.age
    if age is None:
        age = time.time() - head.written
    if head.problems or not head.spool.dir:
        # An idle engine has no spool, and so no lock.
        return _Seen(is_alive(head.pid), age, locked=False)
    # The spool it has open, whatever the configuration says by now.
    folder = Path(head.spool.dir)
    locked = is_locked(folder)
    if not folder.is_dir():
        # Nobody can tell by a lock that was deleted. An engine that still reports is alive, and has events in memory.
        return _Seen(age <= _LATE_SECONDS, age, locked, gone=folder)
    # Not by asking the system for the process: this one may be in another container.
    return _Seen(locked and holder(folder) in (0, head.pid), age, locked)


def _told(found: Report | IdleReport, seen: _Seen, notes: list[str]) -> Told:
    if found.ended or not seen.alive:
        return _told_of_then(found, seen, notes)
    head: Told = {"running": True, "since": _moment(found.started), "version": found.version, "pid": found.pid}
    late = [f"{LATE}: its last report is {seen.age:.0f} s old"] if seen.is_late else []
    if isinstance(found, IdleReport):
        return {"state": "idle, the config is wrong", **head, "notes": [*found.problems, *late], "retcode": 2}
    if seen.gone:
        notes = [f"spool.dir: {seen.gone} is not there: nothing can be kept, and events wait in memory", *notes]
    notes = [*late, *(problem.text for problem in problems_of(found)), *notes]
    return {
        "state": ("hanging" if seen.is_late else "degraded") if notes else "well",
        **head,
        "notes": notes,
        **_readable(found),
        "retcode": 2 if seen.hangs(found.timer) else 1 if notes else 0,
    }


def _told_of_then(found: Report | IdleReport, seen: _Seen, notes: list[str]) -> Told:
    """The status of an engine that does not run, with what it reported last."""
    then = f"not running; it last reported at {_moment(found.written)}, and what is told below is of then"
    starting = ["another engine has just been started, and has not reported yet"] if seen.locked else []
    told = _readable(found) if isinstance(found, Report) else {}
    if told:
        told["bus"]["connected"] = False
    return {**_down(*starting, then, *notes), **told}


def _unreadable(path: Path, head: Head, exc: Exception, notes: list[str]) -> Told:
    """The status where the report is of another version, or damaged; whether the engine runs is known all the same."""
    seen = _look(head)
    if head.version == __version__:
        why = f"{path} is damaged: {exc}"
    else:
        why = f"{path} is of salt-eventsd {head.version}, and this is {__version__}, which cannot read it: {exc}"
    if head.ended or not seen.alive:
        return _down(f"not running; it last reported at {_moment(head.written)}", why, *notes)
    return {
        "state": "hanging" if seen.is_late else "degraded",
        "running": True,
        "since": _moment(head.started),
        "version": head.version,
        "pid": head.pid,
        "notes": [f"{why}; restart the master", *notes],
        "retcode": 2 if seen.hangs(head.timer) or head.version == __version__ else 1,
    }


def _readable(found: Report) -> Told:
    """Times as text, for people; counts stay numbers."""
    data = to_data(found)
    bus = {**_moments(data["bus"], "since", "last")}
    bus["gaps"] = [
        {**_moments(gap, "from"), "to": _moment(gap["to"]) if gap["to"] else "now"} for gap in data["bus"]["gaps"]
    ]
    bus["peers"] = {name: _moments(peer, "heard") for name, peer in data["bus"]["peers"].items()}
    return {
        "bus": bus,
        "workers": {name: _moments(worker, "last_write", "last_drop") for name, worker in data["workers"].items()},
        "spool": data["spool"],
        "threads": data["threads"],
        "losses": {what: _moments(loss, "at") for what, loss in data["losses"].items()},
        "seen": _moment(found.seen),
    }


def _moments(part: Mapping[str, Any], *keys: str) -> Told:
    return {**part, **{key: _moment(part[key]) for key in keys}}


def _down(*notes: str) -> Told:
    return {"state": "down", "running": False, "notes": list(notes), "retcode": 2}


def _moment(seconds: float) -> str:
    return moments.told(seconds) if seconds else "never"
