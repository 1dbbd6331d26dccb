"""
Handed: how much of each gap only the job cache has handed over, where that is our own returner.

The drain puts all of it on the path of all events. What an engine that was killed had read shortly before, and kept, is
handed over once more, so the history is asked which of it is new.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from salt_eventsd.database.questions.read import Reader
from salt_eventsd.engine.plan import Plan
from salt_eventsd.engine.repair.asking import SLACK_SECONDS, asking
from salt_eventsd.engine.report import ReportedGap
from salt_eventsd.exceptions import EventsdError
from salt_eventsd.intake.past.missing import Portion, look
from salt_eventsd.intake.past.told import Told
from salt_eventsd.spool.doorstep import Doorstep

#: With so many changed jobs on the doorstep, it is not looked whether all of them are younger than a gap.
_MOST_LOADS = 200
#: A history that has not answered is left alone for so long.
_AGAIN_SECONDS = 60.0


class Handed:
    """
    Counts what the job cache hands over. One thread notes, another one asks.

    :param doorstep: where Salt puts it.
    :param gaps: returns the gaps, as they are reported.
    :param plan: returns the plan in force.
    :param node_id: the master's.
    :param refused: how much the doorstep had refused when an engine told of it last; None if none has.
    """

    def __init__(
        self,
        doorstep: Doorstep,
        gaps: Callable[[], list[ReportedGap]],
        plan: Callable[[], Plan],
        node_id: str,
        refused: int | None,
    ) -> None:
        self._doorstep = doorstep
        self._gaps = gaps
        self._plan = plan
        self._node_id = node_id
        self._refused = refused
        self._counts: Counter[float] = Counter()
        self._asked_again_at = 0.0

    def note(self, pieces: Iterable[tuple[Told, float]]) -> None:
        """
        Count what is taken in and has not come over the bus.

        :param pieces: starts of jobs and returns, each with when it came, in seconds since 1970 UTC.
        """
        gaps = [gap for gap in self._gaps() if gap.repaired is None]
        if not gaps:
            # To put the pieces together takes as long as to take them in.
            return
        by_gap: dict[float, list[Told]] = {}
        for told, when in pieces:
            for gap in gaps:
                until = time.time() if gap.until is None else gap.until
                if gap.since - SLACK_SECONDS <= when <= until + SLACK_SECONDS:
                    by_gap.setdefault(gap.since, []).append(told)
                    break
        if not by_gap:
            return
        plan = self._plan()
        for since, some in by_gap.items():
            looked = look(Portion(some), plan.policy.pipeline, plan.config.asked or "", self._node_id, self._ask)
            self._counts[since] += len(looked.lacked) + len(looked.elsewhere)

    def _ask(self, question: Callable[[Reader], Any]) -> Any:
        """Ask the history; while it does not answer, nobody can say that it has anything."""
        config = self._plan().config
        if not config.asked or time.monotonic() < self._asked_again_at:
            return None
        try:
            return asking(config, config.asked)(question)
        except EventsdError:
            # What waits on the doorstep must not wait for a database that is away.
            self._asked_again_at = time.monotonic() + _AGAIN_SECONDS
            return None

    def has_all(self, until: float) -> bool:
        """
        Say whether all that Salt has handed over in a time is in the spool.

        :param until: the end of that time, in seconds since 1970 UTC.
        :raises SpoolError: the doorstep cannot be read.
        """
        queue = self._doorstep.queue()
        if queue.waiting and queue.oldest <= until:
            return False
        loads = self._doorstep.changed(_MOST_LOADS)
        return len(loads) < _MOST_LOADS and all(one.stamp > until for one in loads)

    def take(self, since: float) -> int:
        """
        Return how much of a gap was handed over, and count it no longer.

        :param since: when the gap began.
        """
        return self._counts.pop(since, 0)

    def refused(self) -> int:
        """
        Return how much the doorstep has refused for want of room since this was asked last, or since the engine before
        told of it; 0 if nobody knows.

        :raises SpoolError: the doorstep cannot be read.
        """
        now = self._doorstep.queue().refused
        before, self._refused = self._refused, now
        return now - before if before is not None and before < now else 0
