"""What the broker has and no writer has confirmed: lost with a stream that is made anew, and told."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from salt_eventsd.backends.broker.interface import Place, Publisher
from salt_eventsd.backends.central.packing import Packed
from salt_eventsd.backends.central.remembered import Kept, Remembered
from salt_eventsd.common.english import counted
from salt_eventsd.exceptions import WorkerError

log = logging.getLogger(__name__)

#: How many parcels are remembered; mostly those are a few gigabytes of events.
_MOST_PARCELS = 10_000
#: How often the broker is asked which parcels it still has: confirmations may be lost on their way.
_LOOK_SECONDS = 10.0
#: What was counted as lost is in the engine's status so soon; until then a killed one would have told nobody.
_TOLD_SECONDS = 6.0


class Unconfirmed:
    """
    The parcels that a master has published, for as long as no writer has said that they are committed.

    :param publisher: the broker.
    :param worker: the worker's name.
    :param stream: the stream's name.
    :param path: a file that has them over restarts; None to have them in memory alone.
    """

    def __init__(self, publisher: Publisher, worker: str, stream: str, path: Path | None = None) -> None:
        self._publisher = publisher
        self._worker = worker
        self._stream = stream
        self._mutex = threading.Lock()
        self._file = Remembered(path)
        self._kept: dict[str, Kept] = {}
        self._is_loaded = False
        # Of which all that is kept is; "" until the first was published.
        self._life = ""
        # By the monotonic clock: when the broker was last asked, and when those were counted that are lost.
        self._looked_at = float("-inf")
        self._counted: dict[str, float] = {}
        #: How many events were in streams that are gone, and had not been confirmed, as far as this start has seen it.
        self.lost = 0

    def load(self) -> None:
        """Take up what an earlier start has left; call it before anything is published."""
        with self._mutex:
            if self._is_loaded:
                return
            self._kept, self._is_loaded = self._file.load(), True
            if self._kept:
                newest = list(self._kept.values())[-1]
                most = max(kept.sequence for kept in self._kept.values() if kept.life == newest.life)
                self._publisher.resume(Place(newest.life, most))

    def note(self, packed: Sequence[Packed], places: Sequence[Place]) -> None:
        """
        Note what was published.

        :param packed: the parcels.
        :param places: where they were kept.
        """
        with self._mutex:
            new = {
                one.sent.id: Kept(place.life, place.sequence, one.events)
                for one, place in zip(packed, places, strict=True)
                if one.sent.id not in self._kept
            }
            lost = self._tell_lost(places)
            self._kept.update({id_: kept for id_, kept in new.items() if kept.life == self._life})
            gone = self._publisher.confirmed(self._worker, list(self._kept), 0)
            for id_ in gone:
                del self._kept[id_]
            gone |= self._forget_what_has_gone()
            while len(self._kept) > _MOST_PARCELS:
                gone.add(oldest := next(iter(self._kept)))
                del self._kept[oldest]
            # What is lost is in the file until it is certain that the status has told it.
            self._file.change(
                {id_: kept for id_, kept in new.items() if id_ in self._kept}, [*(gone - lost), *self._told()]
            )

    def close(self) -> None:
        """Note that the status tells what was lost, and close the file."""
        with self._mutex:
            self._file.change({}, list(self._counted))
            self._file.close()

    def _tell_lost(self, places: Sequence[Place]) -> set[str]:
        gone: dict[str, Kept] = {}
        if self._life != places[-1].life:
            self._life = places[-1].life
            gone = {id_: kept for id_, kept in self._kept.items() if kept.life != self._life}
        how = "was made anew"
        if reused := [place.sequence for place in places if place.is_reused]:
            how = "has lost its end"
            gone |= {id_: kept for id_, kept in self._kept.items() if kept.sequence >= min(reused)}
        if gone:
            now = time.monotonic()
            self._counted.update(dict.fromkeys(gone, now))
            for id_ in gone:
                del self._kept[id_]
            events = sum(kept.events for kept in gone.values())
            self.lost += events
            log.error(
                "eventsd: workers.%s.stream: %s %s; up to %s that no writer had confirmed went with it;"
                " confirm: database would have sent them again",
                self._worker,
                self._stream,
                how,
                counted(events, "event"),
            )
        return set(gone)

    def _forget_what_has_gone(self) -> set[str]:
        """What stood before the oldest parcel in the stream was acknowledged, whether or not that was heard here."""
        now = time.monotonic()
        if now < self._looked_at + _LOOK_SECONDS or not self._kept:
            return set()
        self._looked_at = now
        try:
            oldest = self._publisher.oldest()
        except WorkerError:
            return set()
        gone = {id_ for id_, kept in self._kept.items() if kept.life == oldest.life and kept.sequence < oldest.sequence}
        for id_ in gone:
            del self._kept[id_]
        return gone

    def _told(self) -> list[str]:
        """Return what need not be counted once more by the next start."""
        now = time.monotonic()
        told = [id_ for id_, at in self._counted.items() if now > at + _TOLD_SECONDS]
        for id_ in told:
            del self._counted[id_]
        return told
