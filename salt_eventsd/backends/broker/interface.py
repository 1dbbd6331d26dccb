"""
What a broker has to do. :mod:`~salt_eventsd.backends.broker.jetstream` does it with NATS JetStream; Redis Streams or
Kafka would be one more folder beside it.

A broker delivers at least once, in any order unless asked for more: receipts in the database make it exactly once. All
methods wait, for no longer than the broker's ``timeout``, and raise what workers raise:
:class:`~salt_eventsd.exceptions.Transient` (away, busy, full), :class:`~salt_eventsd.exceptions.Cut` (no answer),
:class:`~salt_eventsd.exceptions.Held` (an operator has to act: credentials, no permission, a stream with other
settings). Several threads may call them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Sent:
    """
    A parcel to publish.

    :param id: the same for the same parcel, however often it is published; a broker may drop doubles by it.
    :param worker: the name of the worker it is for.
    :param lane: its lane's name; see :func:`~salt_eventsd.event.chunk.lane_of`.
    :param prio: whether it goes before others.
    :param master: the id of the master that sends it.
    :param body: from :func:`~salt_eventsd.backends.broker.parcel.encode`.
    """

    id: str
    worker: str
    lane: str
    prio: bool
    master: str
    body: bytes


@dataclass(frozen=True)
class Place:
    """
    Where a parcel was kept.

    :param life: another one where the stream was made anew; what was kept in another life is gone.
    :param sequence: its number there.
    :param is_double: whether the broker had it already.
    :param is_reused: whether its number had been another parcel's before: the stream has lost its end.
    """

    life: str
    sequence: int
    is_double: bool = False
    is_reused: bool = False


class Publisher(Protocol):
    """What a master needs of a broker."""

    @property
    def largest(self) -> int:
        """How large the body of a parcel may be, in bytes; right after :meth:`prepare`."""

    def prepare(self) -> None:
        """Make the stream, or check the one there is."""

    def resume(self, place: Place) -> None:
        """
        Note where the newest parcel is that an earlier process had kept: newer ones stand behind it, or the stream has
        lost its end.

        :param place: where.
        """

    def publish(self, parcels: Sequence[Sent]) -> list[Place]:
        """
        Have parcels kept; return where, in the same order, once all are as safe as they are asked to be.

        :param parcels: to keep.
        """

    def is_waiting(self, place: Place) -> bool:
        """
        Say whether a parcel is still there: no writer has acknowledged it, and the stream has not lost it.

        :param place: where it was kept.
        """

    def oldest(self) -> Place:
        """Return where the oldest parcel is that is there, whoever sent it; where the next one goes if none is."""

    def confirmed(self, worker: str, ids: Sequence[str], seconds: float) -> set[str]:
        """
        Wait until writers have said of parcels that they are committed, and return of which they have.

        :param worker: the name of the worker they are for.
        :param ids: of parcels this master has published.
        :param seconds: how long to wait at most.
        """

    def close(self) -> None:
        """Close the connection."""


@dataclass(frozen=True)
class Delivered:
    """
    A parcel that a writer has pulled. It comes again, to any writer, unless it is acknowledged in time. What is only a
    copy of one, in another process, has nobody to tell.

    :param id: of the parcel, as it was published.
    :param lane: the lane it was pulled from.
    :param prio: whether it goes before others.
    :param master: the id of the master that sent it.
    :param body: see :func:`~salt_eventsd.backends.broker.parcel.decode`; anybody may have sent it.
    :param deliveries: how often it was delivered, this time included.
    :param kept: when the broker took it, in seconds since 1970 UTC.
    """

    id: str
    lane: str
    prio: bool
    master: str
    body: bytes
    deliveries: int
    kept: float

    def working(self) -> None:
        """Ask for more time."""

    def done(self) -> None:
        """Acknowledge it: it is committed; the master that waits for that is told."""

    def back(self, seconds: float) -> None:
        """
        Give it back.

        :param seconds: after how long it is delivered again.
        """


@dataclass(frozen=True)
class Depth:
    """
    What waits for a worker.

    :param waiting: parcels that no writer has.
    :param unacknowledged: parcels that writers have.
    :param redelivered: of these, how many were delivered before.
    :param oldest_seconds: how long the oldest has waited; 0 if none waits.
    """

    waiting: int = 0
    unacknowledged: int = 0
    redelivered: int = 0
    oldest_seconds: float = 0.0


@dataclass(frozen=True)
class Letter:
    """
    A dead letter of writers: an event that was refused, or a whole parcel.

    :param id: its number.
    :param worker: the worker that could not write it.
    :param lane: its lane's name.
    :param master: who sent it.
    :param error: why.
    :param buried: when, in seconds since 1970 UTC.
    :param tag: of the event; "" for a parcel.
    :param rule: of the event; "" for a parcel.
    :param body: the event (:func:`~salt_eventsd.event.chunk.encode_event`), or the parcel as it came.
    :param is_parcel: which of the two.
    """

    id: int
    worker: str
    lane: str
    master: str
    error: str
    buried: float
    tag: str
    rule: str
    body: bytes
    is_parcel: bool = False


class Letters(Protocol):
    """Dead letters of all writers, as masters and writers list, requeue and discard them."""

    def bury(self, id_: str, letter: Letter) -> None:
        """
        Keep a dead letter, once.

        :param id_: the same for the same event of the same chunk.
        :param letter: its ``id`` is given by the broker.
        """

    def letters(self, worker: str = "") -> Iterator[Letter]:
        """
        Yield dead letters, oldest first.

        :param worker: only those of this worker.
        """

    def discard(self, id_: int) -> bool:
        """
        Delete a dead letter, and say whether it was there.

        :param id_: its number.
        """


class Consumer(Protocol):
    """What a writer needs of a broker, for one worker."""

    def prepare(self, lanes: Sequence[str]) -> None:
        """
        Make what is needed to pull, or check what there is.

        :param lanes: lanes besides the worker's own whose parcels are handed out one at a time, in their order.
        """

    def pull(self, lane: str, most: int, seconds: float) -> list[Delivered]:
        """
        Return parcels, those that go before others first; none if none came in time.

        :param lane: the worker's name, or one of its lanes whose order matters.
        :param most: how many at most.
        :param seconds: how long to wait at most.
        """

    def depth(self) -> Depth:
        """Return what waits."""

    def close(self) -> None:
        """Close the connection; what was pulled and not acknowledged comes again."""
