"""
What was lost or may have been, and whether somebody has looked at it: over restarts, by means of the state file.

A gap or a loss is a reason to call the engine degraded until an operator has looked (``salt-run eventsd.status
seen=True``), or for a day.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

from salt_eventsd.bus.gaps import Gap
from salt_eventsd.bus.unanswered import ANSWERED_SECONDS, Unanswered
from salt_eventsd.engine.predecessor import Looked, Predecessor

#: How many gaps are remembered.
_GAPS_KEPT = 20


class Ledger:
    """
    Gaps and losses of this engine and of those before it. Every call is thread-safe.

    :param before: the engine before this one.
    """

    def __init__(self, before: Predecessor | None = None) -> None:
        self._mutex = threading.Lock()
        bus = before.bus if before else None
        #: Gaps of engines before this one, as they were reported.
        self._old: deque[dict[str, Any]] = deque(
            ({**gap, "to": gap.get("to") or gap.get("from")} for gap in (bus.gaps if bus else ())), maxlen=_GAPS_KEPT
        )
        self._losses: dict[str, Looked] = dict(before.losses) if before else {}
        self._counts: dict[str, int] = {}
        #: Gaps of this engine that somebody has looked at, by when they began.
        self._seen: set[float] = set()
        self._harmless: set[str] = set()
        #: When somebody looked last, in seconds since 1970 UTC.
        self.seen_at = 0.0

    def harmless(self, why: str) -> None:
        """
        Note that a gap in which nothing can have happened is no reason to call anybody.

        :param why: its reason.
        """
        self._harmless.add(why)

    def gaps(self, own: list[Gap], unanswered: Unanswered | None = None) -> list[dict[str, Any]]:
        """
        Return all gaps, as they are reported: what may be missing goes by the rate of events before, and by jobs that
        were begun before or meanwhile and have not been answered.

        :param own: those of this engine.
        :param unanswered: answers that are to come.
        """
        with self._mutex:
            told = [
                {
                    "from": gap.since,
                    "to": gap.until,
                    "why": gap.why,
                    "missing": (missing := max(gap.guess(), _unanswered(gap, unanswered))),
                    "seen": gap.since in self._seen or (gap.why in self._harmless and not missing),
                }
                for gap in own
            ]
            return [*self._old, *told][-_GAPS_KEPT:]

    def losses(self, counts: Mapping[str, int]) -> dict[str, dict[str, Any]]:
        """
        Return the losses nobody has looked at, by what was lost.

        :param counts: how many events this engine has lost so far.
        """
        with self._mutex:
            for what, count in counts.items():
                if new := count - self._counts.get(what, 0):
                    self._counts[what] = count
                    before = self._losses.get(what, Looked())
                    self._losses[what] = Looked(before.events + new, time.time())
            return {
                what: {"events": loss.events, "at": loss.at} for what, loss in self._losses.items() if loss.events > 0
            }

    def look(self, own: list[Gap]) -> None:
        """
        Note that somebody has looked.

        :param own: the gaps of this engine.
        """
        with self._mutex:
            self.seen_at = time.time()
            for old in self._old:
                old["seen"] = True
            self._seen.update(gap.since for gap in own if gap.until is not None)
            self._losses.clear()


def _unanswered(gap: Gap, unanswered: Unanswered | None) -> int:
    if unanswered is None:
        return 0
    return unanswered.since(gap.since - ANSWERED_SECONDS, time.time() if gap.until is None else gap.until)
