"""What the broker has and no writer has confirmed: lost with a stream that is made anew, and told."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from typing import NamedTuple

from salt_eventsd.backends.broker.interface import Place, Publisher
from salt_eventsd.backends.central.packing import Packed
from salt_eventsd.common.english import counted

log = logging.getLogger(__name__)

#: Of so many parcels it is remembered; mostly those are a few gigabytes of events.
_MOST_PARCELS = 10_000


class _Kept(NamedTuple):
    life: str
    events: int


class Unconfirmed:
    """
    The parcels that a master has published, for as long as no writer has said that they are committed.

    :param publisher: the broker.
    :param worker: the worker's name.
    :param stream: the stream's name.
    """

    def __init__(self, publisher: Publisher, worker: str, stream: str) -> None:
        self._publisher = publisher
        self._worker = worker
        self._stream = stream
        self._mutex = threading.Lock()
        self._kept: dict[str, _Kept] = {}
        #: How many events were in streams that are gone, and had not been confirmed.
        self.lost = 0

    def note(self, packed: Sequence[Packed], places: Sequence[Place]) -> None:
        """
        Note what was published.

        :param packed: the parcels.
        :param places: where they were kept.
        """
        with self._mutex:
            for id_ in self._publisher.confirmed(self._worker, list(self._kept), 0):
                del self._kept[id_]
            self._tell_lost(places[-1].life)
            for one, place in zip(packed, places, strict=True):
                if not place.is_double:
                    self._kept[one.sent.id] = _Kept(place.life, one.events)
            while len(self._kept) > _MOST_PARCELS:
                del self._kept[next(iter(self._kept))]

    def _tell_lost(self, life: str) -> None:
        gone = {id_: kept for id_, kept in self._kept.items() if kept.life != life}
        if not gone:
            return
        for id_ in gone:
            del self._kept[id_]
        events = sum(kept.events for kept in gone.values())
        self.lost += events
        log.error(
            "eventsd: workers.%s.stream: %s was made anew; up to %s that no writer had confirmed went with the old one;"
            " confirm: database would have sent them again",
            self._worker,
            self._stream,
            counted(events, "event"),
        )
