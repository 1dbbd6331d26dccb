"""
What a running engine reports, and the thread that writes it into the state file every ``state_timer`` seconds.

:mod:`salt_eventsd.status` reads it.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from salt_eventsd import __version__
from salt_eventsd.dispatch import Dispatcher
from salt_eventsd.exceptions import SpoolError
from salt_eventsd.inbox import Inbox
from salt_eventsd.intake import Intake
from salt_eventsd.lane import Lane
from salt_eventsd.link import Link
from salt_eventsd.report_workers import orphaned_letters, worker_reports
from salt_eventsd.room import Room
from salt_eventsd.spool import Spool

log = logging.getLogger(__name__)

#: How soon after something has happened a report is written.
_NEWS_SECONDS = 1.0

Report = dict[str, Any]


@dataclass(frozen=True)
class Parts:
    """
    The parts of an engine that have something to report.

    :param started: when the engine was started, in seconds since 1970 UTC.
    """

    started: float
    link: Link
    inbox: Inbox
    intake: Intake
    lanes: Mapping[str, Lane]
    spool: Spool
    room: Room
    dispatcher: Dispatcher
    #: What the spool last told, for the times when its disk stalls.
    told: dict[str, Any] = field(default_factory=dict)

    def ask(self, key: str, question: Callable[[], Any], otherwise: Any) -> Any:
        """Ask the spool; while it does not answer, return what it last told."""
        with suppress(SpoolError):
            self.told[key] = question()
        return self.told.get(key, otherwise)


class Reporter(threading.Thread):
    """
    Writes a report into a file every so often, and soon after something has happened, until :meth:`stop`.

    :param path: the file; replaced as a whole, so that a reader never sees half of one.
    :param seconds: how often at least.
    :param make: returns the report.
    :param told: is given a report every so often.
    """

    def __init__(
        self,
        path: Path,
        seconds: float,
        make: Callable[[], Report],
        told: Callable[[Report], None] = lambda _report: None,
    ) -> None:
        super().__init__(name="eventsd-status", daemon=True)
        self._path = path
        #: May be changed while it runs.
        self.seconds = seconds
        self._told = told
        self._make = make
        self._stopping = threading.Event()
        self._failed = ""
        self._rate = (time.monotonic(), 0)
        self._news: Any = None
        self._due_at = 0.0
        self._tell_at = time.monotonic() + seconds

    def run(self) -> None:
        """Write until stopped, and a last time then."""
        while not self._stopping.is_set():
            self._write()
            self._stopping.wait(min(self.seconds, _NEWS_SECONDS))
        self._write()

    def stop(self) -> None:
        """Write a last report and end."""
        self._stopping.set()
        self.join(0.5)

    def _write(self) -> None:
        try:
            made = {**self._make(), "timer": self.seconds, "ended": self._stopping.is_set()}
            self._measure(made)
            self._tell(made)
            if not self._is_due(made):
                return
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            draft = self._path.with_name(f".{self._path.name}.{os.getpid()}")
            try:
                draft.touch(mode=0o600)
                draft.write_bytes(msgspec.json.format(msgspec.json.encode(made)))
                os.replace(draft, self._path)
            finally:
                draft.unlink(missing_ok=True)
            self._failed = ""
        except Exception as exc:
            # One line per reason: the status is a convenience, the events go on.
            if str(exc) != self._failed:
                log.error("eventsd: state_file: %s cannot be written: %s", self._path, exc)
                self._failed = str(exc)

    def _tell(self, made: Report) -> None:
        if time.monotonic() >= self._tell_at and not made["ended"]:
            self._tell_at = time.monotonic() + self.seconds
            self._told(made)

    def _is_due(self, made: Report) -> bool:
        """Someone who asks right after a job wants to see it; an idle engine need not write each second."""
        news = [
            (lane["state"], lane["written"], lane["failed"], lane["dropped"])
            for lane in made.get("workers", {}).values()
        ]
        due = news != self._news or time.monotonic() >= self._due_at or made["ended"]
        if due:
            self._news, self._due_at = news, time.monotonic() + self.seconds
        return bool(due)

    def _measure(self, made: Report) -> None:
        """Turn the count of events into a rate since the last report."""
        if bus := made.get("bus"):
            now, (then, before) = time.monotonic(), self._rate
            bus["events_per_second"] = round((bus["received"] - before) / max(now - then, 1e-3), 1)
            self._rate = (now, bus["received"])


def report(parts: Parts) -> Report:
    """
    Return what there is to say about a running engine.

    :param parts: of the engine.
    """
    link, intake, lanes, spool = parts.link, parts.intake, parts.lanes, parts.spool
    reader = link.state
    dead = parts.ask("dead", spool.dead_letters, {})
    oldest = {name: parts.ask(f"oldest.{name}", lane.oldest, 0.0) for name, lane in lanes.items()}
    return {
        "version": __version__,
        "pid": os.getpid(),
        "started": parts.started,
        "written": time.time(),
        "problems": [],
        "bus": {
            "connected": reader.connected,
            "since": reader.since,
            "reconnects": link.reconnects,
            "gaps": [{"from": gap.since, "to": gap.until, "why": gap.why, "missing": gap.guess()} for gap in link.gaps],
            "received": link.received,
            "matched": intake.matched,
            "ignored": intake.unmatched + intake.ignored,
            "lost": link.lost + parts.inbox.dropped + intake.lost,
            "forged": intake.forged,
            "withheld": intake.withheld,
            "undecided": sum(intake.policy.rules.undecided.events.values()),
        },
        "dispatch": {"error": parts.dispatcher.problem},
        "workers": worker_reports(lanes.values(), dead, oldest, spool.letters_given_way),
        "spool": {
            "dir": str(spool.folder),
            "events": sum(lane.queued_events for lane in lanes.values()),
            "bytes": sum(lane.queued_bytes for lane in lanes.values()),
            "max_bytes": int(parts.room.config.max_bytes),
            "file_bytes": spool.file.bytes_on_disk(),
            "full": parts.room.is_full,
            "error": intake.spool_error,
            "unkept_events": intake.unkept_events,
            "orphaned": _orphaned(parts),
            "orphaned_gone": sum(lane.dropped + lane.lost - lane.removed for lane in lanes.values() if lane.retired),
            "orphaned_dropped": sum(lane.removed for lane in lanes.values()),
            "orphaned_letters": orphaned_letters(lanes.values(), dead),
            "letters_bytes": spool.letter_bytes,
            "letters_dropped": spool.letters_dropped,
            "set_aside": list(spool.file.set_aside),
            "set_aside_deleted": spool.file.set_aside_deleted,
        },
    }


def _orphaned(parts: Parts) -> dict[str, int]:
    """What waits for nobody: from before the start, and since a reload took its worker away."""
    return {name: lane.queued_events for name, lane in parts.lanes.items() if lane.retired and lane.queued_events}


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
