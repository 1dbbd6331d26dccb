"""
The desk of one configured worker: its lanes, what writes the events of each master, and what waits in the broker.
"""

from __future__ import annotations

import time

from salt_eventsd.backends.broker.interface import Consumer, Delivered, Depth, Letters
from salt_eventsd.dispatch.backoff import Backoff
from salt_eventsd.event.chunk import OWN, lane_of
from salt_eventsd.exceptions import WorkerError
from salt_eventsd.writer.carry.lane import Alone, Lane, Means
from salt_eventsd.writer.carry.source import Source
from salt_eventsd.writer.carry.strangers import Strangers
from salt_eventsd.writer.carry.tries import Tries
from salt_eventsd.writer.plan import Planned


class Desk:
    """
    A configured worker at work.

    :param planned: the worker.
    :param consumer: pulls its parcels.
    :param letters: where refused events go.
    :param alone: see :data:`~salt_eventsd.writer.carry.lane.Alone`.
    :param threads: how many parcels without order are written at once.
    :param backoff: how long to wait after a failure.
    :param before: the desk of this worker before a reload, whose numbers go on.
    """

    def __init__(
        self,
        planned: Planned,
        consumer: Consumer,
        letters: Letters,
        alone: Alone,
        threads: int = 1,
        backoff: Backoff | None = None,
        before: Desk | None = None,
    ) -> None:
        self.name = name = planned.name
        self.planned = planned
        self.writers = planned.writers
        self.strangers = Strangers(name, planned.rules)
        own = [lane_of(name, rule, OWN) for rule in planned.rules]
        backoff = backoff or Backoff()
        self.source = Source(consumer, own, backoff)
        means = Means(self.source, letters, self.writers.of, self.strangers, alone)
        #: By their names, the worker's own first.
        self.lanes: dict[str, Lane] = {
            lane: Lane(
                lane,
                name,
                means,
                Tries(lane, name, backoff),
                threads if lane == name else 1,
                before.lanes.get(lane) if before else None,
            )
            for lane in (name, *own)
        }
        #: What waited when the broker was last asked.
        self.depth = Depth()
        #: When that was, by the monotonic clock; 0 if it never answered.
        self.depth_at = 0.0
        # Since when more waits than the lanes find, on the monotonic clock.
        self._unfound_since = 0.0

    @property
    def in_hand(self) -> list[Delivered]:
        """What was pulled and is not settled."""
        return [delivered for lane in self.lanes.values() for delivered in lane.in_hand]

    @property
    def unfound(self) -> tuple[int, float]:
        """How many parcels wait that no lane here pulls, and for how many seconds they have."""
        if not self._unfound_since:
            return 0, 0.0
        return self.depth.waiting, time.monotonic() - self._unfound_since

    def start(self) -> None:
        """Begin."""
        self.writers.start()
        for lane in self.lanes.values():
            lane.start()

    def ask_depth(self) -> None:
        """Ask the broker what waits; while it does not answer, what is known stays."""
        if self.source.wait_seconds:
            return
        try:
            self.source.prepare()
            self.depth = self.source.consumer.depth()
        except WorkerError as exc:
            self.source.failed(exc)
            return
        self.depth_at = time.monotonic()
        lanes = self.lanes.values()
        waits_elsewhere = self.depth.waiting > sum(lane.tries.passed_by for lane in lanes) and not (
            self.in_hand or any(lane.tries.state != "ok" for lane in lanes)
        )
        if not waits_elsewhere:
            self._unfound_since = 0.0
        else:
            self._unfound_since = self._unfound_since or time.monotonic()

    def halt(self) -> None:
        """Begin nothing more; may be called from a signal handler."""
        for lane in self.lanes.values():
            lane.halt()

    def close(self, until: float) -> bool:
        """
        Let tries in flight end, give back the rest, and say whether all have ended.

        :param until: how long, by the monotonic clock.
        """
        # All of them, also where one has not ended.
        ended = [lane.join(until) for lane in self.lanes.values()]
        if all(ended):
            self.writers.close()
        self.source.consumer.close()
        return all(ended)
