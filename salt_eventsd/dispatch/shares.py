"""
Who may have a thread: workers independently of each other, and within a worker one lane not at the others' cost.

A worker's lanes share its database. So the threads are the worker's: it has its ``concurrency``, one more for what is
urgent, and ``BESIDE`` more where rules have lanes of their own. It never has more, whatever
the number of rules, and it has as many connections.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable

from salt_eventsd.dispatch.lane import Lane
from salt_eventsd.workers.load import BESIDE


class Shares:
    """
    How threads are shared at one moment.

    Each worker is sure of a thread, and of two if it has several lanes: what another one has in flight, or what one of
    its own rules hangs in, leaves it that. There are more threads than ``max_workers`` only where they are needed for
    that.

    :param lanes: all lanes.
    :param max_workers: threads, as configured.
    :param running: the lane of each batch in flight.
    """

    def __init__(self, lanes: Iterable[Lane], max_workers: int, running: Collection[Lane] = ()) -> None:
        self._lanes = Counter(lane.owner for lane in lanes if lane.worker is not None)
        self._sure = {owner: min(2, count) for owner, count in self._lanes.items()}
        self.threads = max(max_workers, sum(self._sure.values()))
        self._held = Counter(lane.owner for lane in running)
        # One that hangs in its try, of a worker without a time-out, keeps the others that failed from theirs no longer.
        self._failing = Counter(lane.owner for lane in running if lane.fails and not lane.flights.hangs)

    def may_start(self, lane: Lane) -> bool:
        """
        Say whether a lane may have a thread for one more batch.

        :param lane: which one.
        """
        owner, held = lane.owner, self._held[lane.owner]
        siblings = self._lanes[owner] - 1
        most = lane.config.concurrency + 1 + min(BESIDE, max(0, siblings))
        free = self.threads - sum(self._held.values())
        kept_for_others = sum(max(0, sure - self._held[other]) for other, sure in self._sure.items() if other != owner)
        if held >= most or free <= kept_for_others:
            return False
        if not siblings > 0:
            return True
        if lane.fails and self._failing[owner]:
            # Those that fail, and may hang before they do, try one after the other; the rest is for who can write.
            return False
        return not lane.flights.busy or min(most - held, free - kept_for_others) > 1

    def started(self, lane: Lane) -> None:
        """Note that a lane has got one."""
        self._held[lane.owner] += 1
        self._failing[lane.owner] += lane.fails
