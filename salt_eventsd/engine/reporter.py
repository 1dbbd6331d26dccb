"""
The thread that writes an engine's report into the state file: every ``state_timer`` seconds, at least every other
second, and soon after something has happened.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from salt_eventsd.config.folders import make_private
from salt_eventsd.engine.report import Report
from salt_eventsd.engine.state_file import IdleReport, encode
from salt_eventsd.redact.error_text import location, traceback_text

log = logging.getLogger(__name__)

#: How soon after something has happened a report is written.
_NEWS_SECONDS = 1.0
#: A report is written at least so often: if the last one is much older, the engine stands still.
_LEAST_SECONDS = 2.0
#: The counters are told once in so many intervals, every minute by default: each time they make 100 rows and more.
_TOLD_ONCE_IN = 12


class Reporter(threading.Thread):
    """
    Writes reports into a file until :meth:`stop`.

    :param path: the file. It is replaced as a whole, so that a reader never sees half of one.
    :param seconds: returns how often a report is to be written at least; asked each time.
    :param make: returns the report.
    :param told: is given a report once in twelve times ``seconds``, the first time after one.
    :param looked: is given each report, about one a second.
    """

    def __init__(
        self,
        path: Path,
        seconds: Callable[[], float],
        make: Callable[[], Report | IdleReport],
        told: Callable[[Report], None] = lambda _report: None,
        looked: Callable[[Report], None] = lambda _report: None,
    ) -> None:
        super().__init__(name="eventsd-status", daemon=True)
        self._path = path
        self._seconds = seconds
        self._told = told
        self._looked = looked
        self._make = make
        self._stopping = threading.Event()
        self._mutex = threading.Lock()
        self._failed = ""
        #: The last report of an engine that works; None while there is none.
        self.latest: Report | None = None
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

        :param due: write it now; if false, only if something has happened or it is time.
        """
        with self._mutex:
            if due:
                self._due_at = 0.0
            self._report()

    def _report(self) -> None:
        """Log each failure once and go on: events matter more than the status."""
        try:
            made = msgspec.structs.replace(self._make(), timer=self._seconds(), ended=self._stopping.is_set())
            if isinstance(made, Report):
                self.latest = made
            self._tell(made)
        except Exception as exc:
            self._complain(f"eventsd: the report could not be made, which is a bug: {location(exc)}", exc)
            return
        try:
            if self._is_due(made):
                self._write(made)
            if isinstance(made, Report) and not made.ended:
                self._looked(made)
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

    def _write(self, made: Report | IdleReport) -> None:
        make_private(self._path.parent)
        draft = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            draft.touch(mode=0o600)
            draft.write_bytes(encode(made))
            os.replace(draft, self._path)
        finally:
            draft.unlink(missing_ok=True)

    def _tell(self, made: Report | IdleReport) -> None:
        if time.monotonic() >= self._tell_at and isinstance(made, Report) and not made.ended:
            self._tell_at = time.monotonic() + _TOLD_ONCE_IN * self._seconds()
            self._told(made)

    def _is_due(self, made: Report | IdleReport) -> bool:
        """
        An operator who asks right after a job wants to see it, and the next engine wants to know where this one ended.
        An idle engine need not write each second, but so often that an old report means that it stands still.
        """
        news = _news(made)
        due = news != self._news or time.monotonic() >= self._due_at or made.ended
        if due:
            self._news, self._due_at = news, time.monotonic() + min(self._seconds(), _LEAST_SECONDS)
        return due


def _news(made: Report | IdleReport) -> list[Any]:
    """What of a report is worth writing it at once when it changes."""
    if isinstance(made, IdleReport):
        return []
    bus = made.bus
    return [
        (bus.connected, bus["received"], bus["lost"], len(bus.gaps)),
        *(
            (one.state, one["written"], one["buried"], one["dropped"], one["hanging_seconds"] > 0)
            for one in made.workers.values()
        ),
    ]
