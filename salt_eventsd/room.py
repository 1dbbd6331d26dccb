"""
Keep the spool within ``max_bytes``: what gives way when it is full, and that it is counted.

What is dropped is the operator's choice: the oldest events (the default, the newest are the ones asked for) or the
newest (nothing that was kept is lost).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping

from salt_eventsd.config import SpoolConfig
from salt_eventsd.exceptions import SpoolError
from salt_eventsd.lane import Lane
from salt_eventsd.spool import Chunk, Spool

log = logging.getLogger(__name__)

#: Room is made for more than is needed, so that a full spool is not searched at every commit.
_HEADROOM = 0.02


class Room:
    """
    Decides which chunks may be kept.

    :param config: the spool's.
    :param spool: the spool.
    :param lanes: by worker name; they count what is dropped.
    """

    def __init__(self, config: SpoolConfig, spool: Spool, lanes: Mapping[str, Lane]) -> None:
        self._spool = spool
        self._lanes = lanes
        self.config = config
        self.full = False

    @property
    def config(self) -> SpoolConfig:
        """The spool's; may be changed while it is used."""
        return self._config

    @config.setter
    def config(self, config: SpoolConfig) -> None:
        self._config = config
        self._spool.file.max_bytes = int(config.max_bytes)

    @property
    def used(self) -> int:
        """What counts against ``max_bytes``: what waits to be written, and dead letters."""
        return sum(lane.queued_bytes for lane in self._lanes.values()) + self._spool.letter_bytes

    @property
    def is_full(self) -> bool:
        """Whether events had to be dropped, and what is queued has not gone down since."""
        return self.full and self.used > int(self.config.max_bytes) * (1 - 2 * _HEADROOM)

    def admit(self, chunks: list[Chunk]) -> list[Chunk]:
        """
        Return the chunks that may be kept, room made for them within ``max_bytes``; the others are dropped and counted.

        :param chunks: what is about to be kept.
        """
        most = int(self.config.max_bytes)
        needed = self.used + sum(len(chunk.payload) for chunk in chunks) - most
        self._tell(needed > 0)
        if needed <= 0:
            return chunks
        if self.config.when_full == "drop_oldest":
            needed -= self._drop_oldest(needed + int(most * _HEADROOM))
        return self._drop_newest(chunks, needed) if needed > 0 else chunks

    def fitting(self, chunks: list[Chunk]) -> int:
        """
        Return how many of the chunks, from the first on, the disk has room for.

        :param chunks: what is about to be kept.
        :raises SpoolError: the disk cannot be asked.
        """
        try:
            room = self._spool.file.room_bytes()
        except OSError as exc:
            raise SpoolError(f"eventsd: spool.dir: {self._spool.folder}: {exc.strerror}") from exc
        for number, chunk in enumerate(chunks):
            room -= len(chunk.payload)
            if room < 0:
                return number
        return len(chunks)

    def _drop_oldest(self, needed: int) -> int:
        """Drop from the longest queue, so that one dead backend does not cost another its events."""
        freed = 0
        for lane in sorted(self._lanes.values(), key=lambda one: one.queued_bytes, reverse=True):
            if freed >= needed:
                break
            freed += lane.drop_oldest(needed - freed)
        return freed

    def _drop_newest(self, chunks: list[Chunk], needed: int) -> list[Chunk]:
        admitted = list(chunks)
        while admitted and needed > 0:
            gone = admitted.pop()
            needed -= len(gone.payload)
            lane = self._lanes[gone.worker]
            lane.dropped += gone.events
            lane.last_drop = time.time()
        return admitted

    def _tell(self, full: bool) -> None:
        if full and not self.full:
            log.error(
                "eventsd: the spool is full (spool.max_bytes %d): events are dropped (%s) and counted",
                self.config.max_bytes,
                self.config.when_full,
            )
        elif self.full and not full:
            log.warning("eventsd: the spool has room again")
        self.full = full
