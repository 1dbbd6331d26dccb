"""
Which lane may have a thread. Workers are independent of each other, and no lane of a worker is served at the cost of
another one.

A worker's lanes share its database, so they share its threads: its ``concurrency``, one more for prio batches, one more
where batches overlap while it is behind, and ``BESIDE`` more where rules have lanes of their own. A worker never has
more, whatever the number of its rules, and it has as many connections.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable

from salt_eventsd.dispatch.lane import Lane
from salt_eventsd.workers.load import BESIDE


class Shares:
    """
    How threads are shared at one moment.

    Each worker is sure of a thread, and of two if it has several lanes: whatever other workers have in flight, and
    whatever one of its own rules hangs in. There are more threads than ``max_workers`` only if that takes more.

    :param lanes: all lanes.
    :param max_workers: threads, as configured.
    :param running: the lane of each batch in flight.
    """

    def __init__(self, lanes: Iterable[Lane], max_workers: int, running: Collection[Lane] = ()) -> None:
        self._lanes = Counter(lane.owner for lane in lanes if lane.worker is not None)
        self._sure = {owner: min(2, count) for owner, count in self._lanes.items()}
        #: How many threads there are to be.
        self.threads = max(max_workers, sum(self._sure.values()))
        self._held = Counter(lane.owner for lane in running)
        # A lane whose last try failed may hang in the next, for ever if its worker has no time-out. From then on it
        # does not count, so that others that failed can try, too.
        self._failing = Counter(lane.owner for lane in running if lane.fails and not lane.flights.hangs)

    def may_start(self, lane: Lane) -> bool:
        """
        Say whether a lane may have a thread for one more batch.

        :param lane: which one.
        """
        owner, held = lane.owner, self._held[lane.owner]
        siblings = self._lanes[owner] - 1
        behind = getattr(lane.worker, "behind", None)
        overlap = behind.overlap if behind else 0
        most = lane.config.concurrency + overlap + 1 + min(BESIDE, max(0, siblings))
        free = self.threads - sum(self._held.values())
        kept_for_others = sum(max(0, sure - self._held[other]) for other, sure in self._sure.items() if other != owner)
        if held >= most or free <= kept_for_others:
            return False
        if not siblings > 0:
            return True
        if lane.fails and self._failing[owner]:
            # Lanes that fail may hang before they do, so they try one after the other. The other threads are for lanes
            # that can write.
            return False
        return not lane.flights.busy or min(most - held, free - kept_for_others) > 1

    def started(self, lane: Lane) -> None:
        """
        Note that a lane has been given a thread.

        :param lane: which one.
        """
        self._held[lane.owner] += 1
        self._failing[lane.owner] += lane.fails
