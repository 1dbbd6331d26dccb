"""
What was lost, or may have been, and whether an operator has looked at it. The state file carries it over restarts.

A gap or a loss makes the engine degraded for a day, or until an operator has looked (``salt-run eventsd.status
seen=True``).
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping

import msgspec

from salt_eventsd.bus.gaps import Gap
from salt_eventsd.bus.unanswered import ANSWERED_SECONDS, Unanswered
from salt_eventsd.engine.predecessor import Predecessor
from salt_eventsd.engine.report import Loss, ReportedGap

#: How many gaps are remembered.
_GAPS_KEPT = 20


class Ledger:
    """
    Gaps and losses of this engine and of those before it. Every call is thread-safe.

    :param before: the engine before this one.
    :param beside: returns which part of the events is taken by rules and no job cache has it; None if nobody knows.
    """

    def __init__(self, before: Predecessor | None = None, beside: Callable[[], float | None] = lambda: None) -> None:
        self._mutex = threading.Lock()
        bus = before.bus if before else None
        #: Gaps of engines before this one, as they were reported.
        self._old: deque[ReportedGap] = deque(
            (msgspec.structs.replace(gap, until=gap.until or gap.since) for gap in (bus.gaps if bus else ())),
            maxlen=_GAPS_KEPT,
        )
        self._losses: dict[str, Loss] = dict(before.losses) if before else {}
        self._counts: dict[str, int] = {}
        #: How many gaps this engine has had.
        self.noticed: int = 0
        #: When those of them began that the bus still tells of.
        self._known: set[float] = set()
        #: When those gaps of this engine began that an operator has looked at.
        self._seen: set[float] = set()
        #: By when they began: how many events of gaps of this engine Salt's job cache has had, and how many of all it
        #: should have are missing still; None if nobody knows.
        self._repaired: dict[float, tuple[int, int | None]] = {}
        self._beside = beside
        #: What that was when those gaps were noticed.
        self._parts: dict[float, float | None] = {}
        self._harmless: set[str] = set()
        #: When an operator looked last, in seconds since 1970 UTC; 0 if nobody has.
        self.seen_at = 0.0

    def harmless(self, why: str) -> None:
        """
        Note that gaps with this reason, in which nothing can have been missed, need nobody's attention.

        :param why: the reason.
        """
        self._harmless.add(why)

    def gaps(self, own: list[Gap], unanswered: Unanswered | None = None) -> list[ReportedGap]:
        """
        Return the latest gaps, as they are reported. How many events may be missing is estimated from the rate of
        events before the gap, and from jobs that began before or in it and have not been answered.

        :param own: those of this engine.
        :param unanswered: answers that are to come.
        """
        with self._mutex:
            began = {gap.since for gap in own}
            self.noticed += len(began - self._known)
            self._known = began
            self._repaired = {since: found for since, found in self._repaired.items() if since in began}
            self._parts = {gap.since: self._part(gap) for gap in own}
            told = [self._reported(gap, unanswered) for gap in own]
            return [*self._old, *told][-_GAPS_KEPT:]

    def _reported(self, gap: Gap, unanswered: Unanswered | None) -> ReportedGap:
        repaired, left = self._repaired.get(gap.since, (None, None))
        part = self._parts[gap.since]
        beside = None if part is None else round(gap.guess() * part)
        if repaired is None:
            missing = max(gap.guess(), _unanswered(gap, unanswered))
        elif left is None or beside is None:
            # The job cache has told all answers there were, so those that were still to come are accounted for.
            missing = max(0, gap.guess() - max(repaired, gap.open))
        else:
            missing = beside + left
        seen = gap.since in self._seen or (not missing and (gap.why in self._harmless or repaired is not None))
        return ReportedGap(gap.since, gap.until, gap.why, missing, seen, repaired, beside)

    def _part(self, gap: Gap) -> float | None:
        """Which part of the events of a gap no job cache has, as far as that was known when it was noticed."""
        if gap.beside is not None:
            return gap.beside
        return self._parts[gap.since] if gap.since in self._parts else self._beside()

    def repaired(self, since: float, events: int, left: int | None = None) -> None:
        """
        Note that Salt's job cache has been asked for all that came in a gap.

        :param since: when the gap began.
        :param events: how many events were missing and are there now, besides those of earlier such notes.
        :param left: how many starts of jobs and returns are missing still; None if the job cache does not have all.
        """
        with self._mutex:
            before, still = self._repaired.get(since, (0, None))
            if left is None and still is not None:
                left = max(0, still - events)
            self._repaired[since] = before + events, left
            self._old = deque((_repaired(old, since, events, left) for old in self._old), maxlen=_GAPS_KEPT)

    def losses(self, counts: Mapping[str, int]) -> dict[str, Loss]:
        """
        Return the losses nobody has looked at, by what was lost.

        :param counts: how many events this engine has lost so far.
        """
        with self._mutex:
            for what, count in counts.items():
                if new := count - self._counts.get(what, 0):
                    self._counts[what] = count
                    before = self._losses.get(what, Loss())
                    self._losses[what] = Loss(before.events + new, time.time())
            return {what: loss for what, loss in self._losses.items() if loss.events > 0}

    def look(self, own: list[Gap]) -> None:
        """
        Note that an operator has looked at all gaps and losses.

        :param own: the gaps of this engine.
        """
        with self._mutex:
            self.seen_at = time.time()
            self._old = deque((msgspec.structs.replace(old, seen=True) for old in self._old), maxlen=_GAPS_KEPT)
            self._seen.update(gap.since for gap in own if gap.until is not None)
            self._losses.clear()


def _repaired(gap: ReportedGap, since: float, events: int, left: int | None) -> ReportedGap:
    if gap.since != since:
        return gap
    # What no job cache has, none can bring.
    floor = min(gap.missing or 0, gap.beside_jobs or 0)
    missing = None if gap.missing is None else max(floor, gap.missing - events)
    if left is not None and gap.beside_jobs is not None:
        missing = gap.beside_jobs + left
    return msgspec.structs.replace(
        gap, missing=missing, seen=gap.seen or not missing, repaired=(gap.repaired or 0) + events
    )


def _unanswered(gap: Gap, unanswered: Unanswered | None) -> int:
    if unanswered is None:
        return 0
    return unanswered.since(gap.since - ANSWERED_SECONDS, time.time() if gap.until is None else gap.until)
