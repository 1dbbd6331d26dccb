"""
Wait until what was published is in the database. A confirmation that is lost on its way, or a stream that is lost, only
has parcels sent again: receipts in the database make that harmless.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from salt_eventsd.backends.broker.interface import Place, Publisher
from salt_eventsd.backends.broker.parcel import Parcel, Part
from salt_eventsd.backends.central.packing import Packed, PartName, name_of
from salt_eventsd.exceptions import Transient
from salt_eventsd.workers.write import Refusal

#: How often it is asked whether what is not confirmed is still there.
_LOOK_SECONDS = 5.0
#: How long a confirmation may take from the moment on in which a parcel has gone.
_GRACE_SECONDS = 1.0
#: For how many parts their place is remembered from one try to the next.
_MOST_PARTS = 50_000
#: How often a parcel gets another id because the broker knows the one before, and no longer has the parcel.
_MOST_NAMES = 1000

#: What the parcels of some parts have in common, and these parts, each with the position of its first event.
Group = tuple[Parcel, list[tuple[Part, int]]]
Pack = Callable[[Parcel, list[tuple[Part, int]]], tuple[list[Packed], list[Refusal]]]


class _Published(NamedTuple):
    id: str
    place: Place
    tries: int


class Committed:
    """
    The parts that were published and are not known to be in the database.

    :param publisher: the broker.
    :param worker: the worker's name.
    :param seconds: how long a batch waits for writers.
    """

    def __init__(self, publisher: Publisher, worker: str, seconds: float) -> None:
        self._publisher = publisher
        self._worker = worker
        self._seconds = seconds
        self._mutex = threading.Lock()
        self._published: dict[PartName, _Published] = {}

    def commit(self, groups: Sequence[Group], pack: Pack) -> list[Refusal]:
        """
        Publish parts, and wait until writers have committed them; return which events no parcel has room for.

        :param groups: the parts.
        :param pack: makes parcels of some parts.
        :raises Transient: not all are committed yet; what waits is not published again by the next try.
        """
        refusals: list[Refusal] = []
        until = time.monotonic() + self._seconds
        names = {name_of(part) for _, parts in groups for part, _ in parts}
        left = set(names)
        while left:
            self._wait(left, 0.0)
            lost = self._not_waiting(left)
            if lost & self._published.keys():
                # A writer acknowledges a parcel first, and confirms it then.
                self._wait(left, _GRACE_SECONDS)
                lost &= left
            for head, parts in groups:
                if some := [(part, at) for part, at in parts if name_of(part) in lost]:
                    packed, refused = pack(head, some)
                    refusals += refused
                    self._publish(packed)
                    left -= {name_of(part) for part, _ in some}.difference(*(one.parts for one in packed))
            self._wait(left, min(_LOOK_SECONDS, max(0.0, until - time.monotonic())))
            if left and time.monotonic() >= until:
                raise Transient(f"no writer has committed it in {self._seconds:g} s; it waits in the broker")
        with self._mutex:
            for name in names:
                self._published.pop(name, None)
        return refusals

    def _wait(self, left: set[PartName], seconds: float) -> None:
        """Take out of the parts what is confirmed."""
        with self._mutex:
            known = {name: self._published[name].id for name in left if name in self._published}
        if known:
            ids = list(dict.fromkeys(known.values()))
            done = self._publisher.confirmed(self._worker, ids, seconds)
            left -= {name for name, id_ in known.items() if id_ in done}

    def _not_waiting(self, left: Iterable[PartName]) -> set[PartName]:
        """Return the parts that are not in the broker: never published, or gone without a confirmation."""
        with self._mutex:
            known = {name: self._published.get(name) for name in left}
        is_there: dict[Place, bool] = {}
        for one in known.values():
            if one is not None and one.place not in is_there:
                is_there[one.place] = self._publisher.is_waiting(one.place)
        return {name for name, one in known.items() if one is None or not is_there[one.place]}

    def _publish(self, packed: Sequence[Packed]) -> None:
        with self._mutex:
            before = [max((self._tries(name) for name in one.parts), default=0) for one in packed]
        todo = list(zip(packed, before, strict=True))
        while todo:
            sent = [replace(one.sent, id=_named(one.sent.id, tries)) for one, tries in todo]
            places = self._publisher.publish(sent)
            again = []
            for (one, tries), what, place in zip(todo, sent, places, strict=True):
                with self._mutex:
                    self._published.update(dict.fromkeys(one.parts, _Published(what.id, place, tries + 1)))
                # The broker remembers ids for longer than parcels: a writer was through with it, or it was purged.
                if place.is_double and tries < _MOST_NAMES and not self._publisher.is_waiting(place):
                    again.append((one, tries + 1))
            todo = again
        with self._mutex:
            while len(self._published) > _MOST_PARTS:
                del self._published[next(iter(self._published))]

    def _tries(self, name: PartName) -> int:
        known = self._published.get(name)
        return known.tries if known else 0


def _named(id_: str, tries: int) -> str:
    """The broker would drop a second copy of the same id."""
    return f"{id_}~{tries}" if tries else id_
