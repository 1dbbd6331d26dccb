"""
News: what of an engine's report is worth an event. No thread and no bus in here.

This remembers what it has told, and not how the last report was: if something changes to and fro, the next event says
how it is then.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from salt_eventsd.engine.problems import lost_events
from salt_eventsd.engine.report import Report

#: The same thing about the same worker is told no more often than this, in seconds.
EACH_SECONDS = 60.0
#: A spool is nearly full from here on, as a share of ``max_bytes`` ...
_FULL = 0.8
#: ... and no longer is below this.
_EMPTIED = 0.7
#: Longer errors are cut, in characters.
_LONGEST_ERROR = 500


class Told(NamedTuple):
    """
    An event of the engine's own.

    :param what: its tag, without ``salt/eventsd/``.
    :param data: its payload.
    """

    what: str
    data: dict[str, Any]


class News:
    """
    Compares reports with what was told.

    :param clock: returns seconds; those of :func:`time.monotonic` are meant.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next: dict[tuple[str, str], float] = {}
        self._failing: set[str] = set()
        self._is_full = False
        self._gaps: set[float] = set()
        self._lost: dict[str, int] = {}

    def of(self, found: Report) -> Iterator[Told]:
        """
        Yield what there is to tell.

        :param found: the report of a running engine.
        """
        yield from self._workers(found)
        yield from self._spool(found)
        yield from self._missed(found)
        yield from self._losses(found)

    def reloaded(self, workers: list[str], rules: list[str]) -> Iterator[Told]:
        """
        Yield what there is to tell of a reload.

        :param workers: those there are now.
        :param rules: likewise.
        """
        if self._may("reload"):
            yield Told("reload", {"workers": workers, "rules": rules})

    def _may(self, what: str, subject: str = "") -> bool:
        """Say whether something may be told, and take it as told."""
        now = self._clock()
        if now < self._next.get((what, subject), now):
            return False
        self._next[what, subject] = now + EACH_SECONDS
        return True

    def _workers(self, found: Report) -> Iterator[Told]:
        self._failing &= set(found.workers)
        for name, one in found.workers.items():
            fails = one.state != "ok"
            # One limit for both, so that a worker that goes to and fro is told of once a minute.
            if fails is (name in self._failing) or not self._may("worker", name):
                continue
            data: dict[str, Any] = {"worker": name, "waiting": one.count("queued_events")}
            if fails:
                self._failing.add(name)
                yield Told("worker/failing", {**data, "state": one.state, "error": one.last_error[:_LONGEST_ERROR]})
            else:
                self._failing.discard(name)
                yield Told("worker/recovered", data)

    def _spool(self, found: Report) -> Iterator[Told]:
        used, most = found.spool["bytes"], max(found.spool["max_bytes"], 1)
        if used < _EMPTIED * most:
            self._is_full = False
        if used >= _FULL * most and not self._is_full and self._may("spool/nearly_full"):
            self._is_full = True
            waiting = {name: one.count("queued_events") for name, one in found.workers.items()}
            data = {"bytes": int(used), "max_bytes": int(most), "percent": int(100 * used / most), "waiting": waiting}
            yield Told("spool/nearly_full", data)

    def _missed(self, found: Report) -> Iterator[Told]:
        # An engine tells its own gaps. Of the engine before, only the gap that this start has ended is told here.
        ended = [gap for gap in found.bus.gaps if gap.until is not None and gap.until > found.started and not gap.seen]
        new = [gap for gap in ended if gap.since not in self._gaps]
        if new and self._may("gap"):
            self._gaps = {gap.since for gap in ended}
            yield Told(
                "gap",
                {
                    "gaps": len(new),
                    "from": min(gap.since for gap in new),
                    "to": max(gap.until or 0.0 for gap in new),
                    "missing": sum(gap.missing or 0 for gap in new),
                    "why": new[-1].why[:_LONGEST_ERROR],
                },
            )

    def _losses(self, found: Report) -> Iterator[Told]:
        for what, total in lost_events(found).items():
            new = total - self._lost.get(what, 0)
            if new > 0 and self._may("loss", what):
                self._lost[what] = total
                kind, _, worker = what.partition(" ")
                yield Told("loss", {"kind": kind, "worker": worker, "events": new, "total": total})
