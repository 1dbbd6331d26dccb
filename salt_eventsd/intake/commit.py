"""
Commit: chunks go into the spool. While the spool cannot be written, they wait in memory, up to a limit; beyond it, the
oldest are given up and counted as lost.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from salt_eventsd.dispatch.quota import Quota
from salt_eventsd.event.chunk import Chunk, StoredChunk
from salt_eventsd.event.sharing import halved, sizes
from salt_eventsd.exceptions import SpoolError
from salt_eventsd.redact.error_text import location
from salt_eventsd.spool.keep import Spool

log = logging.getLogger(__name__)

#: Chunks that have piled up go into the spool in transactions of about this size, in bytes.
_PORTION_BYTES = 4 * 2**20
#: So many chunks of this size, for which a nearly full disk has no room, may be moved behind the others at a time.
_MOST_PUT_OFF = 3
_LARGE_BYTES = 256 * 2**10
#: What may wait in memory while the spool cannot be written, in bytes.
_MOST_UNKEPT_BYTES = 128 * 2**20


class Committer:
    """
    Puts chunks into the spool.

    :param spool: where chunks are kept.
    :param quota: makes room in the spool, and says how much fits.
    :param kept: called with what has been kept.
    :ivar waiting: chunks that could not be kept yet, oldest first.
    :ivar tried_at: when keeping them was last tried, as :func:`time.monotonic` says.
    :ivar error: why they could not be kept; "" if all could.
    :ivar lost: how many events were given up.
    """

    def __init__(self, spool: Spool, quota: Quota, kept: Callable[[list[StoredChunk]], None]) -> None:
        self.waiting: list[Chunk] = []
        self.tried_at = 0.0
        self.error = ""
        self.lost = 0
        self._spool = spool
        self._quota = quota
        self._kept = kept

    @property
    def waiting_events(self) -> int:
        """Events that could not be kept yet."""
        return sum(chunk.events for chunk in list(self.waiting))

    def commit(self, chunks: list[Chunk]) -> None:
        """
        Keep chunks, and before them those that are waiting. Never raises: what cannot be kept waits for the next time.

        :param chunks: from the stage.
        """
        self.waiting += chunks
        if not self.waiting:
            return
        try:
            self.waiting = self._quota.admit(self.waiting)
            while self.waiting and (portion := self._portion()):
                kept = self._spool.put(portion)
                self.waiting = self.waiting[len(portion) :]
                self._kept(kept)
        except SpoolError as exc:
            self._put_off(str(exc))
            return
        except Exception as exc:
            # The intake's thread must not end while the engine lives: nothing would be kept any more.
            self._put_off(f"eventsd: events cannot be kept: {location(exc)}")
            return
        if self.waiting:
            self._put_off(f"eventsd: spool.dir: {self._spool.folder}: the disk is full, but for a reserve")
        elif self.error:
            log.warning("eventsd: the spool can be written again")
            self.error = ""

    def _portion(self) -> list[Chunk]:
        """Return what the next transaction takes: all of a usual commit, part of what has piled up, or what fits."""
        size = number = 0
        for one in sizes(self.waiting):
            if number and size >= _PORTION_BYTES:
                break
            size += one
            number += 1
        for _ in range(_MOST_PUT_OFF):
            while not (fitting := self._quota.fitting(self.waiting[:number])) and self.waiting[0].events > 1:
                self.waiting[:1] = halved(self.waiting[0])
            if fitting or self.waiting[0].bytes < _LARGE_BYTES:
                return self.waiting[:fitting]
            # Move it to the back: its order is lost, but nothing waits behind it.
            self.waiting.append(self.waiting.pop(0))
        return []

    def _put_off(self, error: str) -> None:
        if error != self.error:
            log.error("%s; events wait in memory, up to %d MiB", error, _MOST_UNKEPT_BYTES >> 20)
            self.error = error
        self.tried_at = time.monotonic()
        # What is shared goes with the last chunk that has it.
        taken = list(sizes(reversed(self.waiting)))
        size = sum(taken)
        while size > _MOST_UNKEPT_BYTES:
            size -= taken.pop()
            self.lost += self.waiting.pop(0).events
