"""
What a running engine reports, and the thread that writes it into the state file: every ``state_timer`` seconds, and at
least every other second.

:mod:`salt_eventsd.operate.status` reads it.
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
from salt_eventsd.bus.inbox import Inbox
from salt_eventsd.bus.link import Link
from salt_eventsd.bus.unanswered import ANSWERED_SECONDS
from salt_eventsd.config.folders import make_private
from salt_eventsd.dispatch.lane import Lane
from salt_eventsd.dispatch.quota import Quota
from salt_eventsd.dispatch.run import Dispatcher
from salt_eventsd.engine.ledger import Ledger
from salt_eventsd.engine.predecessor import Predecessor, now
from salt_eventsd.engine.problems import lost_events
from salt_eventsd.engine.report_workers import orphaned_letters, worker_reports
from salt_eventsd.engine.watch import Growth, Pace, Watch
from salt_eventsd.exceptions import SpoolError
from salt_eventsd.intake.thread import Intake
from salt_eventsd.redact.error_text import location, traceback_text
from salt_eventsd.spool.keep import Spool

log = logging.getLogger(__name__)

#: How soon after something has happened a report is written.
_NEWS_SECONDS = 1.0
#: A report is written at least so often: one that is much older is that of an engine that stands still.
_LEAST_SECONDS = 2.0

Report = dict[str, Any]


@dataclass(frozen=True)
class Parts:
    """
    The parts of an engine that have something to report.

    :param started: when the engine was started, in seconds since 1970 UTC.
    """

    started: float
    link: Link
    ledger: Ledger
    watch: Watch
    inbox: Inbox
    intake: Intake
    lanes: Mapping[str, Lane]
    spool: Spool
    quota: Quota
    dispatcher: Dispatcher
    #: What the spool last told, for the times when its disk stalls.
    told: dict[str, Any] = field(default_factory=dict)
    growth: Growth = field(default_factory=Growth)
    pace: Pace = field(default_factory=Pace)

    def ask(self, key: str, question: Callable[[], Any], otherwise: Any) -> Any:
        """Ask the spool; while it does not answer, return what it last told."""
        with suppress(SpoolError):
            self.told[key] = question()
        return self.told.get(key, otherwise)


class Reporter(threading.Thread):
    """
    Writes a report into a file every so often, and soon after something has happened, until :meth:`stop`.

    :param path: the file; replaced as a whole, so that a reader never sees half of one.
    :param seconds: returns how often a report is to be written at least; asked each time.
    :param make: returns the report.
    :param told: is given a report every so often.
    """

    def __init__(
        self,
        path: Path,
        seconds: Callable[[], float],
        make: Callable[[], Report],
        told: Callable[[Report], None] = lambda _report: None,
    ) -> None:
        super().__init__(name="eventsd-status", daemon=True)
        self._path = path
        self._seconds = seconds
        self._told = told
        self._make = make
        self._stopping = threading.Event()
        self._mutex = threading.Lock()
        self._failed = ""
        self._news: Any = None
        self._due_at = 0.0
        self._tell_at = time.monotonic() + seconds()

    def run(self) -> None:
        """Write until stopped, and a last time then."""
        while not self._stopping.is_set():
            self.report(due=False)
            self._stopping.wait(min(self._seconds(), _NEWS_SECONDS))
        self.report()

    def stop(self) -> None:
        """Write a last report and end."""
        self._stopping.set()
        self.join(0.5)

    def report(self, *, due: bool = True) -> None:
        """
        Write a report.

        :param due: write it in any case, and not only if there is news, or it is time.
        """
        with self._mutex:
            if due:
                self._due_at = 0.0
            self._report()

    def _report(self) -> None:
        """One line in the log for each reason: the status is a convenience, the events go on."""
        try:
            made = {**self._make(), "timer": self._seconds(), "ended": self._stopping.is_set()}
            self._tell(made)
        except Exception as exc:
            self._complain(f"eventsd: the report could not be made, which is a bug: {location(exc)}", exc)
            return
        try:
            if self._is_due(made):
                self._write(made)
            self._failed = ""
        except OSError as exc:
            self._complain(f"eventsd: state_file: {self._path} cannot be written: {exc}", exc)
        except Exception as exc:
            self._complain(f"eventsd: the report could not be told, which is a bug: {location(exc)}", exc)

    def _complain(self, text: str, exc: Exception) -> None:
        if text != self._failed:
            log.error("%s", text)
            log.debug("eventsd: %s", traceback_text(exc))
            self._failed = text

    def _write(self, made: Report) -> None:
        make_private(self._path.parent)
        draft = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            draft.touch(mode=0o600)
            draft.write_bytes(msgspec.json.format(msgspec.json.encode(made)))
            os.replace(draft, self._path)
        finally:
            draft.unlink(missing_ok=True)

    def _tell(self, made: Report) -> None:
        if time.monotonic() >= self._tell_at and not made["ended"]:
            self._tell_at = time.monotonic() + self._seconds()
            self._told(made)

    def _is_due(self, made: Report) -> bool:
        """
        Someone who asks right after a job wants to see it, and the next engine where this one ended. An idle engine
        need not write each second, but so often that a report that is older means something.
        """
        news: list[Any] = [
            (lane["state"], lane["written"], lane["failed"], lane["dropped"], lane["hanging_seconds"] > 0)
            for lane in made.get("workers", {}).values()
        ]
        if bus := made.get("bus"):
            news += [bus["connected"], bus["received"], bus["lost"], len(bus["gaps"])]
        due = news != self._news or time.monotonic() >= self._due_at or made["ended"]
        if due:
            self._news, self._due_at = news, time.monotonic() + min(self._seconds(), _LEAST_SECONDS)
        return bool(due)


def report(parts: Parts) -> Report:
    """
    Return what there is to say about a running engine.

    :param parts: of the engine.
    """
    link, intake, lanes, spool = parts.link, parts.intake, dict(parts.lanes), parts.spool
    reader, gaps = link.state, link.gaps
    dead = parts.ask("dead", spool.dead_letters, {})
    oldest = {name: parts.ask(f"oldest.{name}", lane.backlog.oldest, 0.0) for name, lane in lanes.items()}
    growing = parts.growth.look((lane.name, lane.backlog.events) for lane in lanes.values())
    made: Report = {
        "version": __version__,
        "pid": os.getpid(),
        "parent": os.getppid(),
        "started": parts.started,
        "written": time.time(),
        "clock": now(),
        "problems": [],
        "threads": parts.watch.look(),
        "bus": {
            "connected": reader.connected,
            "since": reader.since,
            "reconnects": link.reconnects,
            "last": reader.last,
            "rate": reader.rate,
            "events_per_second": round(reader.rate, 1),
            "reader": {"pid": reader.pid, "waiting_bytes": reader.waiting_bytes, "dropped": reader.dropped},
            "gaps": parts.ledger.gaps(gaps, intake.unanswered),
            "unanswered": intake.unanswered.since(time.time() - ANSWERED_SECONDS, time.time()),
            "received": link.received,
            "matched": intake.matched,
            "ignored": intake.unmatched + intake.ignored,
            "lost": link.lost + parts.inbox.dropped + intake.lost,
            "forged": intake.forged,
            "withheld": intake.withheld,
            "undecided": sum(intake.policy.rules.undecided.events.values()),
            "masked_unread": intake.policy.redactor.tally.texts,
        },
        "dispatch": {"error": parts.dispatcher.problem},
        "workers": worker_reports(lanes.values(), dead, oldest, growing, spool.letters_given_way),
        "spool": {
            "dir": str(spool.folder),
            "events": sum(lane.backlog.events for lane in lanes.values()),
            "bytes": sum(lane.backlog.bytes for lane in lanes.values()),
            "max_bytes": int(parts.quota.config.max_bytes),
            "file_bytes": spool.file.bytes_on_disk(),
            "full": parts.quota.is_full,
            "error": intake.spool_error,
            "unkept_events": intake.unkept_events,
            "orphaned": _orphaned(parts),
            "orphaned_gone": sum(
                lane.backlog.dropped + lane.backlog.lost - lane.backlog.removed
                for lane in lanes.values()
                if lane.retired
            ),
            "orphaned_dropped": sum(lane.backlog.removed for lane in lanes.values()),
            "orphaned_letters": orphaned_letters(lanes.values(), dead),
            "letters_bytes": spool.letter_bytes,
            "letters_dropped": spool.letters_dropped,
            "set_aside": list(spool.file.set_aside),
            "set_aside_deleted": spool.file.set_aside_deleted,
        },
    }
    rates = parts.pace.look((name, worker["written"]) for name, worker in made["workers"].items())
    for name, worker in made["workers"].items():
        worker["written_per_second"] = rates[name]
    made["losses"] = parts.ledger.losses(lost_events(made))
    made["seen"] = parts.ledger.seen_at
    return made


def _orphaned(parts: Parts) -> dict[str, int]:
    """What waits for nobody: from before the start, and since a reload took its worker away."""
    return {name: lane.backlog.events for name, lane in parts.lanes.items() if lane.retired and lane.backlog.events}


def idle_report(started: float, problems: list[str], before: Predecessor | None = None) -> Report:
    """
    Return what an engine says that cannot work.

    :param started: when it was started, in seconds since 1970 UTC.
    :param problems: why, a line each.
    :param before: the last engine that worked.
    """
    return {
        "version": __version__,
        "pid": os.getpid(),
        "started": started,
        "written": time.time(),
        "clock": now(),
        "before": before,
        "problems": problems,
    }
