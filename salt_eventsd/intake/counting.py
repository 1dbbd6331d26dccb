"""
Counting: which of the events that come through the intake are counted for metrics. What they are counted as is in
:mod:`salt_eventsd.intake.job_counts`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from salt_eventsd.config.structs import MetricsConfig
from salt_eventsd.event.frame import read_tag
from salt_eventsd.event.parse import Event
from salt_eventsd.intake.job_counts import BEACON, JobCounts, Told
from salt_eventsd.intake.pipeline import Pipeline
from salt_eventsd.intake.result import Result
from salt_eventsd.redact.error_text import location

log = logging.getLogger(__name__)

#: How the frames begin in which the sign of life of a minion may be.
_BEATING = (BEACON.encode(), b"syndic/")


class Counting:
    """Counts what metrics tell of jobs. Should that fail, no event is lost for it."""

    def __init__(self) -> None:
        self.counts = JobCounts()
        self._odd: set[str] = set()

    def kept(self, found: Result, metrics: MetricsConfig, *, from_bus: bool = True) -> None:
        """
        Count an event that some rule takes.

        :param found: what became of it.
        :param metrics: how jobs are counted.
        :param from_bus: whether it has come over the bus just now. What was missed there comes later, and may be older
            than what has come since.
        """
        event = found.event
        try:
            if event is not None and not found.forged:
                if event.kind:
                    moment = event.received if from_bus else min(event.received, event.stamp)
                    self.counts.note(event, found.data, found.returned, metrics.minion_label, moment)
                else:
                    self.counts.beat(event.tag, event.received)
        except Exception as exc:
            self._complain(exc)

    def again(self, returns: Iterable[tuple[Told, Event]], metrics: MetricsConfig) -> None:
        """
        Count returns that have just come over the bus.

        :param returns: each with what it is counted as.
        :param metrics: how jobs are counted.
        """
        try:
            self.counts.again(returns, metrics.minion_label)
        except Exception as exc:
            self._complain(exc)

    def ignored(self, raw: bytes, received: float, pipeline: Pipeline) -> None:
        """
        Look for the sign of life of a minion in an event that no rule takes.

        :param raw: its frame.
        :param received: when it was read, in seconds since 1970 UTC.
        :param pipeline: tells whether the event is forged.
        """
        if not raw.startswith(_BEATING):
            return
        try:
            frame = read_tag(raw, received)
            if frame.tag.startswith(BEACON) and pipeline.believes(frame):
                self.counts.beat(frame.tag, received)
        except Exception as exc:
            self._complain(exc)

    def _complain(self, exc: Exception) -> None:
        """Log each kind of error once, and nothing of the event."""
        if (where := location(exc)) not in self._odd:
            self._odd.add(where)
            log.error("eventsd: an event could not be counted for metrics: %s", where)
