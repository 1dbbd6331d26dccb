"""
What ``salt-run eventsd.status`` tells, from the engine's side (a report written now and then) and the runner's.

The report alone proves nothing: a living engine is known by the lock it holds on its spool, which the system takes from
it when it dies, and by how old its last report is.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from salt_eventsd import __version__
from salt_eventsd.spool_file import is_locked

if TYPE_CHECKING:
    from salt_eventsd.lane import Lane
    from salt_eventsd.service import Service

log = logging.getLogger(__name__)

#: A report older than this many state_timers is a sign of a hanging engine.
_STALE_TIMERS = 4
#: A batch that has been in flight for so long is named in the status.
_HANGING_SECONDS = 60.0

Report = dict[str, Any]


class Reporter(threading.Thread):
    """
    Writes a report into a file every so often, until :meth:`stop`.

    :param path: the file; replaced as a whole, so that a reader never sees half of one.
    :param seconds: how often.
    :param make: returns the report.
    """

    def __init__(self, path: Path, seconds: float, make: Callable[[], Report]) -> None:
        super().__init__(name="eventsd-status", daemon=True)
        self._path = path
        self._seconds = seconds
        self._make = make
        self._stopping = threading.Event()
        self._failed = ""
        self._rate = (time.monotonic(), 0)

    def run(self) -> None:
        """Write until stopped, and a last time then."""
        while not self._stopping.is_set():
            self._write()
            self._stopping.wait(self._seconds)
        self._write()

    def stop(self) -> None:
        """Write a last report and end."""
        self._stopping.set()
        self.join(0.5)

    def _write(self) -> None:
        try:
            made = {**self._make(), "timer": self._seconds, "ended": self._stopping.is_set()}
            self._measure(made)
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            draft = self._path.with_name(f".{self._path.name}.{os.getpid()}")
            draft.touch(mode=0o600)
            draft.write_bytes(msgspec.json.format(msgspec.json.encode(made)))
            os.replace(draft, self._path)
            self._failed = ""
        except Exception as exc:
            # One line per reason: the status is a convenience, the events go on.
            if str(exc) != self._failed:
                log.error("eventsd: state_file: %s cannot be written: %s", self._path, exc)
                self._failed = str(exc)

    def _measure(self, made: Report) -> None:
        """Turn the count of events into a rate since the last report."""
        if bus := made.get("bus"):
            now, (then, before) = time.monotonic(), self._rate
            bus["events_per_second"] = round((bus["received"] - before) / max(now - then, 1e-3), 1)
            self._rate = (now, bus["received"])


def report(service: Service) -> Report:
    """
    Return what there is to say about a running engine.

    :param service: the engine.
    """
    bus, inbox, intake = service.bus, service.inbox, service.intake
    dead = service.spool.dead_letters()
    return {
        "version": __version__,
        "pid": os.getpid(),
        "started": service.started,
        "written": time.time(),
        "problems": [],
        "bus": {
            "connected": bus.connected,
            "since": bus.connected_since,
            "reconnects": bus.reconnects,
            "gaps": [{"from": gap.since, "to": gap.until, "why": gap.why} for gap in bus.gaps],
            "received": inbox.received,
            "matched": intake.matched,
            "ignored": intake.unmatched + intake.ignored,
            "lost": inbox.dropped + intake.lost,
        },
        "workers": {name: _lane_report(lane, dead.get(name, 0)) for name, lane in service.lanes.items()},
        "spool": {
            "dir": str(service.spool.folder),
            "events": sum(lane.queued_events for lane in service.lanes.values()),
            "bytes": sum(lane.queued_bytes for lane in service.lanes.values()),
            "max_bytes": int(service.config.general.spool.max_bytes),
            "file_bytes": service.spool.file.bytes_on_disk(),
            "full": service.room.full,
            "error": intake.spool_error,
            "orphaned": service.orphaned,
            "letters_dropped": service.spool.letters_dropped,
            "set_aside": list(service.spool.file.set_aside),
        },
    }


def idle_report(started: float, problems: list[str]) -> Report:
    """
    Return what an engine says that cannot work.

    :param started: when it was started, in seconds since 1970 UTC.
    :param problems: why, a line each.
    """
    return {
        "version": __version__,
        "pid": os.getpid(),
        "started": started,
        "written": time.time(),
        "problems": problems,
    }


def _lane_report(lane: Lane, dead: int) -> Report:
    oldest = lane.oldest()
    now = time.time()
    hanging = [round(now - since) for since in lane.running_since.values() if now - since > _HANGING_SECONDS]
    return {
        "state": lane.state,
        "queued_events": lane.queued_events,
        "queued_bytes": lane.queued_bytes,
        "oldest_age": round(max(0.0, now - oldest), 1) if oldest else 0.0,
        "in_flight": lane.running,
        "hanging_seconds": max(hanging, default=0),
        "written": lane.written,
        "failed": lane.buried,
        "dead_letters": dead,
        "dropped": lane.dropped,
        "lost": lane.lost,
        "retries": lane.retries,
        "last_error": lane.last_error,
        "last_write": lane.last_write,
    }


def read(path: Path, spool: Path | None) -> Report:
    """
    Return the status as an operator sees it, with ``retcode`` 0 (well), 1 (degraded) or 2 (down or wrong).

    :param path: the state file.
    :param spool: the spool's folder, None if the config does not tell it.
    """
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Report)
    except FileNotFoundError:
        return _down(f"no engine has run here: there is no {path}")
    except (OSError, msgspec.DecodeError) as exc:
        return _down(f"{path} cannot be read: {exc}")
    age = time.time() - found["written"]
    idle = bool(found["problems"])
    alive = _alive(found["pid"]) if idle else spool is not None and is_locked(spool)
    stale = age > _STALE_TIMERS * found["timer"]
    since = _moment(found["started"])
    if found["ended"] or not alive:
        down = _down(f"not running; it last reported at {_moment(found['written'])}")
        return {**down, **_readable(found)}
    head: Report = {"running": True, "since": since, "version": found["version"], "pid": found["pid"]}
    notes = list(found["problems"])
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
        notes.append(f"{bus['lost']} events were lost before they could be spooled")
    if spool["error"]:
        notes.append(spool["error"])
    if spool["full"]:
        notes.append("the spool is full; events are dropped")
    notes += [f"the spool was broken and set aside: {path}" for path in spool["set_aside"]]
    for name, events in spool["orphaned"].items():
        notes.append(f"{events} events wait for worker {name}, which is no longer under workers")
    for name, worker in found["workers"].items():
        if worker["state"] != "ok":
            notes.append(f"worker {name} is {worker['state']}: {worker['last_error']}")
        if worker["hanging_seconds"]:
            notes.append(f"worker {name} has been writing one batch for {worker['hanging_seconds']} s")
        if worker["dead_letters"]:
            notes.append(f"worker {name}: {worker['dead_letters']} refused events are buried; see eventsd.dead")
        if worker["lost"]:
            notes.append(f"worker {name}: {worker['lost']} events were in a spool that broke")
        if worker["dropped"]:
            notes.append(f"worker {name}: {worker['dropped']} events were dropped because the spool was full")
    return notes


def _readable(found: Report) -> Report:
    """Times as text, for people; counts stay numbers."""
    if "bus" not in found:
        return {}
    bus = {**found["bus"], "since": _moment(found["bus"]["since"])}
    bus["gaps"] = [
        {"from": _moment(gap["from"]), "to": _moment(gap["to"]) if gap["to"] else "now", "why": gap["why"]}
        for gap in bus["gaps"]
    ]
    workers = {
        name: {**worker, "last_write": _moment(worker["last_write"]) if worker["last_write"] else "never"}
        for name, worker in found["workers"].items()
    }
    return {"bus": bus, "workers": workers, "spool": found["spool"]}


def _down(why: str) -> Report:
    return {"state": "down", "running": False, "notes": [why], "retcode": 2}


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
