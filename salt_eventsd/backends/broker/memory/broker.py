"""
The broker itself, which all its clients share. What is written of the interface stands there.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from salt_eventsd.backends.broker.interface import Delivered, Depth, Letter, Place, Sent
from salt_eventsd.backends.broker.memory.clients import MemoryConsumer, MemoryDelivered, MemoryPublisher
from salt_eventsd.exceptions import Transient

_REDELIVERY_SECONDS = 30.0
_LOOK_SECONDS = 0.2


@dataclass
class _Kept:
    sent: Sent
    kept: float
    #: When it may be handed out, on the clock that never goes back; and how often it was.
    due: float = 0.0
    deliveries: int = 0


class Memory:
    """
    The broker; several masters and writers share one.

    :param redelivery_seconds: after how long a parcel that nobody has acknowledged is handed out again.
    :param most_bytes: how much it takes; None for no limit.
    """

    def __init__(self, redelivery_seconds: float = _REDELIVERY_SECONDS, most_bytes: int | None = None) -> None:
        self.redelivery_seconds = redelivery_seconds
        self.most_bytes = most_bytes
        #: Whether it is down: all methods of its clients raise.
        self.away = False
        #: Whether masters are told what is committed.
        self.tells = True
        self._changed = threading.Condition()
        self._letters: dict[int, Letter] = {}
        self._buried: set[str] = set()
        self._begin()

    def _begin(self) -> None:
        self._life = uuid.uuid4().hex
        self._next = 1
        self._kept: dict[int, _Kept] = {}
        self._sequences: dict[str, int] = {}
        self._confirmed: set[tuple[str, str]] = set()

    def wipe(self) -> None:
        """Lose all parcels, and begin another life. Dead letters stay."""
        with self._changed:
            self._begin()
            self._changed.notify_all()

    def publisher(self) -> MemoryPublisher:
        """Return a client for a master."""
        return MemoryPublisher(self)

    def consumer(self, worker: str) -> MemoryConsumer:
        """
        Return a client for a writer.

        :param worker: the name of the worker whose parcels it pulls.
        """
        return MemoryConsumer(self, worker)

    def require_there(self) -> None:
        """
        Do nothing.

        :raises Transient: it is :attr:`away`.
        """
        if self.away:
            raise Transient("the broker is away")

    def publish(self, parcels: Sequence[Sent]) -> list[Place]:
        """
        Keep parcels, and return where.

        :param parcels: of any master.
        """
        with self._changed:
            self.require_there()
            places = []
            for sent in parcels:
                double = self._sequences.get(sent.id)
                if double is None:
                    used = sum(len(one.sent.body) for one in self._kept.values())
                    if self.most_bytes is not None and used + len(sent.body) > self.most_bytes:
                        raise Transient("the broker is full")
                    self._kept[self._next] = _Kept(sent, time.time())
                    self._sequences[sent.id] = self._next
                    self._next += 1
                places.append(Place(self._life, self._sequences[sent.id], is_double=double is not None))
            self._changed.notify_all()
            return places

    def is_waiting(self, place: Place) -> bool:
        """
        Say whether a parcel is still there.

        :param place: where it was kept.
        """
        with self._changed:
            self.require_there()
            return place.life == self._life and place.sequence in self._kept

    def oldest(self) -> Place:
        """Return where the oldest parcel is that is still there; where the next one goes if none is."""
        with self._changed:
            self.require_there()
            return Place(self._life, min(self._kept, default=self._next))

    def confirmed(self, worker: str, ids: Sequence[str], seconds: float) -> set[str]:
        """
        Wait until parcels are acknowledged, and return which are.

        :param worker: the name of the worker they are for.
        :param ids: theirs.
        :param seconds: how long to wait at most.
        """

        def known() -> set[str]:
            return {id_ for id_ in ids if (worker, id_) in self._confirmed}

        with self._changed:
            self.require_there()
            self._changed.wait_for(lambda: len(known()) == len(set(ids)), seconds)
            return known()

    def pull(self, worker: str, lane: str, most: int, seconds: float) -> list[Delivered]:
        """
        Return parcels.

        :param worker: the name of the worker they are for.
        :param lane: see :class:`~salt_eventsd.backends.broker.interface.Consumer`.
        :param most: how many at most.
        :param seconds: how long to wait at most.
        """
        until = time.monotonic() + seconds
        with self._changed:
            while True:
                self.require_there()
                if found := self._take(worker, lane, most):
                    return found
                now = time.monotonic()
                if now >= until:
                    return []
                due = [one.due for one in self._kept.values() if one.due > now]
                # Whoever says that it is away does not wake those that wait.
                self._changed.wait(min([until, now + _LOOK_SECONDS, *due]) - now)

    def _take(self, worker: str, lane: str, most: int) -> list[Delivered]:
        now = time.monotonic()
        mine = [pair for pair in self._kept.items() if (pair[1].sent.worker, pair[1].sent.lane) == (worker, lane)]
        if lane != worker:
            # The next one comes when this one is acknowledged.
            waiting = [pair for pair in mine[:1] if pair[1].due <= now]
        else:
            waiting = sorted(
                (pair for pair in mine if pair[1].due <= now), key=lambda pair: (not pair[1].sent.prio, pair[0])
            )
        found: list[Delivered] = []
        for sequence, one in waiting[:most]:
            one.due = now + self.redelivery_seconds
            one.deliveries += 1
            sent, place = one.sent, Place(self._life, sequence)
            found.append(
                MemoryDelivered(
                    sent.id, sent.lane, sent.prio, sent.master, sent.body, one.deliveries, one.kept, self, place
                )
            )
        return found

    def due_in(self, place: Place, seconds: float) -> None:
        """
        Set when a parcel is handed out again.

        :param place: where it is.
        :param seconds: after how long.
        """
        with self._changed:
            self.require_there()
            if place.life == self._life and place.sequence in self._kept:
                self._kept[place.sequence].due = time.monotonic() + seconds
                self._changed.notify_all()

    def done(self, place: Place) -> None:
        """
        Forget a parcel: it is committed.

        :param place: where it is.
        """
        with self._changed:
            self.require_there()
            one = self._kept.pop(place.sequence, None) if place.life == self._life else None
            if one is not None and self.tells:
                self._confirmed.add((one.sent.worker, one.sent.id))
            self._changed.notify_all()

    def depth(self, worker: str) -> Depth:
        """
        Return what waits for a worker.

        :param worker: its name.
        """
        with self._changed:
            self.require_there()
            mine = [one for one in self._kept.values() if one.sent.worker == worker]
            pulled = [one for one in mine if one.deliveries and one.due > time.monotonic()]
            waiting = [one for one in mine if one not in pulled]
            return Depth(
                len(waiting),
                len(pulled),
                sum(one.deliveries > 1 for one in pulled),
                max(0.0, time.time() - min((one.kept for one in waiting), default=time.time())),
            )

    def bury(self, id_: str, letter: Letter) -> None:
        """See :class:`~salt_eventsd.backends.broker.interface.Letters`."""
        with self._changed:
            self.require_there()
            if id_ not in self._buried:
                self._buried.add(id_)
                self._letters[len(self._buried)] = replace(letter, id=len(self._buried))

    def letters(self, worker: str = "") -> Iterator[Letter]:
        """See :class:`~salt_eventsd.backends.broker.interface.Letters`."""
        with self._changed:
            self.require_there()
            found = [one for one in self._letters.values() if worker in ("", one.worker)]
        yield from found

    def discard(self, id_: int) -> bool:
        """See :class:`~salt_eventsd.backends.broker.interface.Letters`."""
        with self._changed:
            self.require_there()
            return self._letters.pop(id_, None) is not None
