"""
What a lane has in hand: parcels that were pulled and are not settled. Some are being written, the others wait.
"""

from __future__ import annotations

import threading
from collections import deque
from contextlib import suppress

from salt_eventsd.backends.broker.interface import Delivered
from salt_eventsd.backends.broker.parcel import TooNew
from salt_eventsd.exceptions import WorkerError
from salt_eventsd.writer.carry.counts import Counts
from salt_eventsd.writer.carry.pulled import Pulled
from salt_eventsd.writer.carry.source import Source
from salt_eventsd.writer.carry.strangers import Strangers

#: How many parcels are pulled at once, and so wait in hand besides those that are being written.
AHEAD = 2
#: After how long the broker hands a parcel of a newer version out again, perhaps to another writer.
TOO_NEW_SECONDS = 60.0


class Hand:
    """
    The parcels in hand. Every call is thread-safe.

    :param lane: the lane's name.
    :param worker: the worker's name.
    :param source: where parcels come from.
    :param strangers: notes what comes from others.
    :param counts: of the lane.
    """

    def __init__(self, lane: str, worker: str, source: Source, strangers: Strangers, counts: Counts) -> None:
        self._lane, self._worker = lane, worker
        self._source, self._strangers, self._counts = source, strangers, counts
        self._pulling = threading.Lock()
        self._ahead: deque[Pulled] = deque()
        self._held: dict[int, Delivered] = {}

    @property
    def delivered(self) -> list[Delivered]:
        """All of them, as the broker has delivered them."""
        return list(self._held.values())

    def has(self, pulled: Pulled) -> bool:
        """
        Say whether a parcel is still in hand.

        :param pulled: the parcel.
        """
        return id(pulled.delivered) in self._held

    def waiting(self) -> Pulled | None:
        """Return the next one that waits in hand, if there is one."""
        with suppress(IndexError):
            return self._ahead.popleft()
        return None

    def pull(self, seconds: float) -> Pulled | None:
        """
        Return the next one, from the broker if none waits; None if none came.

        :param seconds: how long to wait.
        """
        if not self._pulling.acquire(timeout=seconds):
            return None
        try:
            if not self._ahead:
                self._pull(1 if self._lane != self._worker else AHEAD, seconds)
            return self.waiting()
        finally:
            self._pulling.release()

    def another(self) -> Pulled | None:
        """Return one that waits, or one that the broker has now, if there is any."""
        with self._pulling:
            if not self._ahead and not self._source.wait_seconds:
                self._pull(1, 0.0)
            return self.waiting()

    def put(self, pulled: Pulled, *, first: bool) -> None:
        """
        Have a parcel wait.

        :param pulled: the parcel.
        :param first: before the others.
        """
        (self._ahead.appendleft if first else self._ahead.append)(pulled)

    def settled(self, pulled: Pulled) -> None:
        """
        Note that a parcel is acknowledged.

        :param pulled: the parcel.
        """
        self._held.pop(id(pulled.delivered), None)

    def give_back(self, delivered: Delivered, seconds: float) -> None:
        """
        Give a parcel back to the broker.

        :param delivered: the parcel.
        :param seconds: after how long it is to come again.
        """
        self._held.pop(id(delivered), None)
        # If the broker is away, it hands the parcel out again later by itself.
        with suppress(WorkerError):
            delivered.back(seconds)

    def _pull(self, most: int, seconds: float) -> None:
        try:
            self._source.prepare()
            found = self._source.consumer.pull(self._lane, most, seconds)
        except WorkerError as exc:
            self._source.failed(exc)
            return
        self._source.works()
        for delivered in found:
            self._held[id(delivered)] = delivered
            try:
                pulled = Pulled(delivered, self._worker)
            except TooNew as exc:
                self._counts.too_new += 1
                self._strangers.too_new(str(exc))
                self.give_back(delivered, TOO_NEW_SECONDS)
            else:
                self._strangers.look(pulled.rules)
                self._ahead.append(pulled)
