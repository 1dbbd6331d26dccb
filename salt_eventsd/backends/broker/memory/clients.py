"""What masters and writers have of the broker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from salt_eventsd.backends.broker.interface import Delivered, Depth, Place, Sent

if TYPE_CHECKING:
    from salt_eventsd.backends.broker.memory.broker import Memory

_LARGEST_BYTES = 2**20


class MemoryPublisher:
    """
    See :class:`~salt_eventsd.backends.broker.interface.Publisher`.

    :param broker: its broker.
    """

    def __init__(self, broker: Memory) -> None:
        self._broker = broker
        #: How large the body of a parcel may be, in bytes.
        self.largest = _LARGEST_BYTES

    def prepare(self) -> None:
        """See :class:`~salt_eventsd.backends.broker.interface.Publisher`."""
        self._broker.require_there()

    def resume(self, place: Place) -> None:
        """Memory loses no end of what it holds."""

    def publish(self, parcels: Sequence[Sent]) -> list[Place]:
        """See :class:`~salt_eventsd.backends.broker.interface.Publisher`."""
        return self._broker.publish(parcels)

    def is_waiting(self, place: Place) -> bool:
        """See :class:`~salt_eventsd.backends.broker.interface.Publisher`."""
        return self._broker.is_waiting(place)

    def oldest(self) -> Place:
        """See :class:`~salt_eventsd.backends.broker.interface.Publisher`."""
        return self._broker.oldest()

    def confirmed(self, worker: str, ids: Sequence[str], seconds: float) -> set[str]:
        """See :class:`~salt_eventsd.backends.broker.interface.Publisher`."""
        return self._broker.confirmed(worker, ids, seconds)

    def close(self) -> None:
        """See :class:`~salt_eventsd.backends.broker.interface.Publisher`."""


@dataclass(frozen=True)
class MemoryDelivered(Delivered):
    """
    See :class:`~salt_eventsd.backends.broker.interface.Delivered`.

    :param broker: its broker.
    :param place: where it is.
    """

    broker: Memory
    place: Place

    def working(self) -> None:
        """See :class:`~salt_eventsd.backends.broker.interface.Delivered`."""
        self.broker.due_in(self.place, self.broker.redelivery_seconds)

    def done(self) -> None:
        """See :class:`~salt_eventsd.backends.broker.interface.Delivered`."""
        self.broker.done(self.place)

    def back(self, seconds: float) -> None:
        """See :class:`~salt_eventsd.backends.broker.interface.Delivered`."""
        self.broker.due_in(self.place, seconds)


class MemoryConsumer:
    """
    See :class:`~salt_eventsd.backends.broker.interface.Consumer`.

    :param broker: its broker.
    :param worker: the name of the worker whose parcels it pulls.
    """

    def __init__(self, broker: Memory, worker: str) -> None:
        self._broker = broker
        self._worker = worker

    def prepare(self, lanes: Sequence[str]) -> None:
        """See :class:`~salt_eventsd.backends.broker.interface.Consumer`."""
        self._broker.require_there()

    def pull(self, lane: str, most: int, seconds: float) -> list[Delivered]:
        """See :class:`~salt_eventsd.backends.broker.interface.Consumer`."""
        return self._broker.pull(self._worker, lane, most, seconds)

    def depth(self) -> Depth:
        """See :class:`~salt_eventsd.backends.broker.interface.Consumer`."""
        return self._broker.depth(self._worker)

    def close(self) -> None:
        """See :class:`~salt_eventsd.backends.broker.interface.Consumer`."""
