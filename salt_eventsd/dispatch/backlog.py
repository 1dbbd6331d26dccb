"""
What waits for one lane in the spool: how much it is, what is being written of it, and which chunks are its next batch.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterator, Sequence

from salt_eventsd.config.structs import BatchLimits
from salt_eventsd.event.chunk import StoredChunk, Totals
from salt_eventsd.spool.keep import Spool

#: No more chunks than this go into one batch, however small they are.
_MOST_CHUNKS = 1000
#: So many are looked up at a time.
_PAGE = 200
#: No more chunks than this wait while others are written.
_MOST_ASIDE = 2000
#: So many chunks behind a batch that is refused are asked, one after the other, whether they fare any better.
_COMPANIONS = 1000
#: What an operator wants dropped goes in transactions of this size.
_DROPPED_AT_ONCE_BYTES = 4 * 2**20


class Queue:
    """
    The chunks of one lane.

    :param name: the lane's.
    :param spool: where they are.
    """

    def __init__(self, name: str, spool: Spool) -> None:
        self.name = name
        self.queued_events = 0
        self.queued_bytes = 0
        self.dropped = 0
        #: How many of those dropped an operator wanted dropped.
        self.removed = 0
        self.lost = 0
        self.last_drop = 0.0
        self._spool = spool
        self._mutex = threading.Lock()
        # Held while chunks are chosen, to be written or to be dropped, so that none is chosen for both.
        self._choosing = threading.Lock()
        self._claimed: set[int] = set()
        # Chunks of tries that failed: the backend may have committed them all the same.
        self._tried: set[int] = set()
        # Chunks up to here may have been written by an engine that died before it could forget them.
        self._replay_below = 0
        #: Chunks that wait while others behind them are written, and until when.
        self._aside: dict[int, float] = {}
        self._first_id = spool.file.first_id

    def restore(self, left: Totals, newest: int) -> None:
        """
        Count what an earlier engine left in the spool.

        :param left: what is queued for this worker.
        :param newest: the highest chunk id given so far.
        """
        self.queued_events, self.queued_bytes = left.events, left.bytes
        self.may_be_written(newest)

    def may_be_written(self, newest: int) -> None:
        """
        Take what is queued for written already, perhaps: by an engine that died, or by a worker that was swapped.

        :param newest: the highest chunk id given so far.
        """
        self._replay_below = newest + 1

    def is_replay(self, chunk_ids: Collection[int]) -> bool:
        """
        Say whether any of these chunks may have been written already.

        :param chunk_ids: of a batch.
        """
        return min(chunk_ids) < self._replay_below or not self._tried.isdisjoint(chunk_ids)

    def spool_broke(self, first_id: int) -> None:
        """
        Count out what was queued in a spool file that broke, unless that has been done.

        :param first_id: the lowest chunk id of the new file.
        """
        with self._mutex:
            if first_id > self._first_id:
                self._first_id = first_id
                self.lost += self.queued_events
                self.queued_events = self.queued_bytes = 0

    def requeued(self, back: Totals) -> None:
        """
        Count dead letters that an operator has put back.

        :param back: how much.
        """
        with self._mutex:
            self.queued_events += back.events
            self.queued_bytes += back.bytes

    def oldest(self) -> float:
        """Return when the oldest event queued was read, in seconds since 1970 UTC; 0 if none is queued."""
        return self._spool.oldest(self.name)

    def queued(self, kept: StoredChunk) -> None:
        """Count a chunk that has just been kept."""
        with self._mutex:
            self.queued_events += kept.events
            self.queued_bytes += kept.bytes

    def gone(self, chunks: Sequence[StoredChunk], *, dropped: bool = False) -> None:
        """Count chunks that have left the spool."""
        with self._mutex:
            self._claimed.difference_update(chunk.id for chunk in chunks)
            self._tried.difference_update(chunk.id for chunk in chunks)
            for chunk in chunks if self._aside else ():
                self._aside.pop(chunk.id, None)
            # Those of a file that broke meanwhile have been counted out already.
            counted = [chunk for chunk in chunks if chunk.id >= self._first_id]
            events = sum(chunk.events for chunk in counted)
            self.queued_events -= events
            self.queued_bytes -= sum(chunk.bytes for chunk in counted)
            if dropped:
                self.dropped += events
                self.last_drop = time.time()

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

    def recount(self, there: Totals, newest: int) -> None:
        """
        Count anew what is queued: the spool's file was put back in time under this engine.

        :param there: what is in it.
        :param newest: the highest chunk id given so far.
        """
        with self._mutex:
            self.queued_events, self.queued_bytes = there.events, there.bytes
            self.may_be_written(newest)

    @property
    def claimed(self) -> set[int]:
        """Ids of chunks in flight."""
        with self._mutex:
            return set(self._claimed)

    def next_batch(self, limits: BatchLimits, prio: bool, now: float, flush: bool) -> tuple[list[StoredChunk], float]:
        """
        Return the chunks of the next batch, none if it is not due, and the seconds until something may be.

        :param limits: of a batch.
        :param prio: of the prio chunks, or of the others.
        :param now: seconds since 1970 UTC.
        :param flush: take what there is, whatever its age.
        """
        claimed = self.claimed | self._not_yet()
        batch: list[StoredChunk] = []
        events = size = 0
        full = False
        for chunk in self._waiting(prio):
            if chunk.id in claimed:
                continue
            if len(batch) >= _MOST_CHUNKS or (
                batch
                and (
                    events + chunk.events > limits.events
                    or size + chunk.bytes > limits.bytes
                    # A batch's receipts are all of one life.
                    or chunk.life != batch[0].life
                )
            ):
                full = True
                break
            batch.append(chunk)
            events, size = events + chunk.events, size + chunk.bytes
        if not batch:
            return [], 60.0
        full = full or events >= limits.events or size >= limits.bytes or len(batch) >= _MOST_CHUNKS
        # A clock that was set back makes an event look younger than it is, never older than a batch may wait.
        age = now - batch[0].oldest
        if full or prio or flush or age >= limits.seconds or age < 0:
            return batch, 0.0
        return [], limits.seconds - age

    def _waiting(self, prio: bool) -> Iterator[StoredChunk]:
        """Yield what waits, oldest first. A batch is mostly full long before the end of a long queue."""
        after = 0
        while page := self._spool.waiting(self.name, prio=prio, after=after, most=_PAGE):
            yield from page
            if len(page) < _PAGE:
                return
            after = page[-1].id

    def set_aside(self, chunks: Collection[int], seconds: float) -> bool:
        """
        Have some chunks wait while others behind them are written; return whether so many may.

        :param chunks: their ids.
        :param seconds: how long they wait.
        """
        with self._mutex:
            if len(self._aside.keys() | chunks) > _MOST_ASIDE:
                return False
            self._aside.update(dict.fromkeys(chunks, time.monotonic() + seconds))
            return True

    def _not_yet(self) -> set[int]:
        with self._mutex:
            now = time.monotonic()
            return {chunk for chunk, until in self._aside.items() if until > now}

    def companion(self, batch: Sequence[StoredChunk], turn: int) -> list[StoredChunk]:
        """
        Return a chunk that waits behind a batch, if there is one, to see whether the backend takes anything at all.

        :param batch: of which it takes nothing.
        :param turn: another number returns another chunk.
        """
        taken = self.claimed.union(chunk.id for chunk in batch)
        most = _COMPANIONS + len(taken)
        for prio in (batch[0].prio, not batch[0].prio):
            waiting = [chunk for chunk in self._spool.waiting(self.name, prio=prio, most=most) if chunk.id not in taken]
            if waiting := [chunk for chunk in waiting if chunk.life == batch[0].life] or waiting:
                return [waiting[turn % len(waiting)]]
        return []
