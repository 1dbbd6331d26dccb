"""
The backlog of one lane: how much waits for it in the spool, and which of that is in flight.

The chunks themselves stay on disk. In memory are two counts and the ids of the chunks that are in flight, were tried in
vain, or are passed by for a while.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Sequence

from salt_eventsd.config.structs import BatchLimits
from salt_eventsd.dispatch.batching import Enough, companion, next_batch
from salt_eventsd.event.chunk import StoredChunk, Totals
from salt_eventsd.spool.keep import Spool

#: How many chunks may be passed by at a time.
_MOST_PASSED_BY = 2000
#: How much one transaction drops when an operator has a backlog dropped.
_DROPPED_AT_ONCE_BYTES = 4 * 2**20


class Backlog:
    """
    The chunks that wait for one lane. Every call is thread-safe.

    :param name: the lane's name.
    :param spool: where the chunks are.
    """

    def __init__(self, name: str, spool: Spool) -> None:
        self.name = name
        #: How many events wait, those in flight included, and how many bytes they have.
        self.events = 0
        self.bytes = 0
        #: Events that were dropped because the spool was full, or because an operator wanted it.
        self.dropped = 0
        #: Those of the dropped events that an operator wanted dropped.
        self.removed = 0
        #: Events that were lost in a spool file that broke.
        self.lost = 0
        self.last_drop = 0.0
        self._spool = spool
        self._mutex = threading.Lock()
        # Held while chunks are chosen, for a batch or to be dropped, so that no chunk is chosen for both.
        self._choosing = threading.Lock()
        self._claimed: set[int] = set()
        # Chunks of tries that failed: the backend may have committed them all the same.
        self._tried: set[int] = set()
        # An engine that died before it could forget them may have written chunks with lower ids than this.
        self._replay_below = 0
        # Chunks that wait while those behind them are written, and until when by the monotonic clock.
        self._passed_by: dict[int, float] = {}
        self._first_id = spool.first_id

    @property
    def claimed(self) -> set[int]:
        """Ids of the chunks in flight."""
        with self._mutex:
            return set(self._claimed)

    @property
    def passes_by(self) -> bool:
        """Whether some chunks wait while those behind them are written."""
        return bool(self._passed_by)

    def exceeds(self, limits: BatchLimits, batches: int, last: BatchLimits | None = None) -> bool:
        """
        Say whether more waits than some batches take.

        :param limits: of a batch.
        :param batches: how many.
        :param last: the limits of the last of them, if they are others.
        """
        before, last = batches - 1, last or limits
        return self.events > limits.events * before + last.events or self.bytes > limits.bytes * before + last.bytes

    def oldest(self) -> float:
        """
        Return when the oldest waiting event was read, in seconds since 1970 UTC; 0 if none waits.

        :raises SpoolError: the spool cannot be read at once.
        """
        return self._spool.oldest(self.name)

    # What comes and goes.

    def restore(self, there: Totals, newest: int) -> None:
        """
        Count what is in the spool: an earlier engine left it, or the file was put back in time under this engine.

        :param there: what waits for this lane.
        :param newest: the highest chunk id given so far.
        """
        with self._mutex:
            self.events, self.bytes = there.events, there.bytes
            self.may_be_written(newest)

    def add(self, new: StoredChunk | Totals) -> None:
        """
        Count what has come into the spool.

        :param new: a chunk that the intake has just put, or dead letters that an operator has put back.
        """
        with self._mutex:
            self.events += new.events
            self.bytes += new.bytes

    def gone(self, chunks: Sequence[StoredChunk], *, dropped: bool = False) -> None:
        """
        Count chunks that have left the spool.

        :param chunks: which.
        :param dropped: whether they were dropped, and not written.
        """
        with self._mutex:
            self._claimed.difference_update(chunk.id for chunk in chunks)
            self._tried.difference_update(chunk.id for chunk in chunks)
            for chunk in chunks if self._passed_by else ():
                self._passed_by.pop(chunk.id, None)
            # Those of a file that broke meanwhile are counted as lost already.
            counted = [chunk for chunk in chunks if chunk.id >= self._first_id]
            events = sum(chunk.events for chunk in counted)
            self.events -= events
            self.bytes -= sum(chunk.bytes for chunk in counted)
        if dropped:
            self.count_dropped(events)

    def count_dropped(self, events: int) -> None:
        """
        Count events that were dropped.

        :param events: how many; they need not have been in the spool.
        """
        with self._mutex:
            self.dropped += events
            self.last_drop = time.time()

    def spool_broke(self, first_id: int) -> None:
        """
        Count what waited in a spool file that broke as lost, unless that has been done.

        :param first_id: the lowest chunk id of the new file.
        """
        with self._mutex:
            if first_id > self._first_id:
                self._first_id = first_id
                self.lost += self.events
                self.events = self.bytes = 0

    def drop_oldest(self, at_least_bytes: int) -> int:
        """
        Drop the oldest chunks that are not in flight, count them, and return how many bytes they had.

        :param at_least_bytes: how many are needed.
        :raises SpoolError: nothing was dropped.
        """
        with self._choosing:
            dropped = self._spool.drop_oldest(self.name, at_least_bytes, self.claimed)
            self.gone(dropped, dropped=True)
        return sum(chunk.bytes for chunk in dropped)

    def remove_all(self) -> int:
        """
        Drop all chunks that are not in flight, a few at a time, and return how many events they had.

        :raises SpoolError: not all were dropped.
        """
        before = self.dropped
        try:
            while self.drop_oldest(_DROPPED_AT_ONCE_BYTES):
                pass
        finally:
            removed = self.dropped - before
            self.removed += removed
        return removed

    # What may have been written already.

    def may_be_written(self, newest: int) -> None:
        """
        Treat everything that waits so far as possibly written: by an engine that died, or by a worker that was swapped.

        :param newest: the highest chunk id given so far.
        """
        self._replay_below = newest + 1

    def is_replay(self, chunk_ids: Collection[int]) -> bool:
        """
        Say whether any of these chunks may have been written already.

        :param chunk_ids: of a batch.
        """
        return min(chunk_ids) < self._replay_below or not self._tried.isdisjoint(chunk_ids)

    # What is written next.

    def claim(
        self, limits: BatchLimits, prio: bool, now: float, enough: Enough | None = None
    ) -> tuple[list[StoredChunk], float]:
        """
        Take the chunks of the next batch, if one is due; no other batch gets them, and they are not dropped.

        :param limits: of a batch.
        :param prio: whether the batch is of prio chunks, or of the others.
        :param now: seconds since 1970 UTC.
        :param enough: less than the limits that a batch may have, too.
        :returns: the chunks, none if no batch is due, and the seconds until one may be.
        """
        with self._choosing:
            spared = self.claimed | self._not_now()
            chunks, wait = next_batch(self._spool, self.name, limits, prio=prio, now=now, spared=spared, enough=enough)
            self._claim(chunks)
        return chunks, wait

    def claim_companion(self, batch: Sequence[StoredChunk], turn: int) -> list[StoredChunk]:
        """
        Take a chunk that waits behind a batch, if there is one, to see whether the backend takes anything at all.

        :param batch: of which the backend takes nothing.
        :param turn: another number takes another chunk.
        """
        with self._choosing:
            chunks = companion(self._spool, self.name, batch, turn, self.claimed)
            self._claim(chunks)
        return chunks

    def _claim(self, chunks: Sequence[StoredChunk]) -> None:
        with self._mutex:
            self._claimed.update(chunk.id for chunk in chunks)

    def give_back(self, chunk_ids: Collection[int], *, tried: bool) -> None:
        """
        Let others have chunks that were claimed and not written.

        :param chunk_ids: of a batch.
        :param tried: whether a worker has tried to write them.
        """
        with self._mutex:
            if tried:
                self._tried.update(chunk_ids)
            self._claimed.difference_update(chunk_ids)

    def pass_by(self, chunk_ids: Collection[int], seconds: float) -> bool:
        """
        Have some chunks wait while those behind them are written; return whether that many may.

        :param chunk_ids: which.
        :param seconds: how long they wait.
        """
        with self._mutex:
            if len(self._passed_by.keys() | chunk_ids) > _MOST_PASSED_BY:
                return False
            self._passed_by.update(dict.fromkeys(chunk_ids, time.monotonic() + seconds))
            return True

    def pass_by_none(self) -> None:
        """Write all chunks in their order again."""
        with self._mutex:
            self._passed_by = {}

    def _not_now(self) -> set[int]:
        with self._mutex:
            now = time.monotonic()
            return {chunk for chunk, until in self._passed_by.items() if until > now}
