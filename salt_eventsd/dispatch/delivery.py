"""A batch on its way from the spool to a worker, and what has become of its events."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Sequence
from itertools import accumulate

from salt_eventsd.common.grouping import grouped
from salt_eventsd.dispatch.settle import Suspicion
from salt_eventsd.event.chunk import StoredChunk
from salt_eventsd.spool.burial import Burial
from salt_eventsd.spool.keep import Spool
from salt_eventsd.workers.write import Batch, Refusal

#: What is read from the spool at once, in bytes and in chunks.
_READ_AT_ONCE_BYTES = 2**20
_READ_AT_ONCE = 200


class Delivery:
    """
    The events of some chunks. Once their batch is written, the counts are right.

    :param spool: where the chunks are.
    :param chunks: of the batch, in order.
    :param worker: under whose name refused events are buried.
    :param replay: whether an earlier try may have written these chunks.
    :raises SpoolError: the chunks cannot be read.
    """

    def __init__(self, spool: Spool, chunks: Sequence[StoredChunk], worker: str, *, replay: bool) -> None:
        self._spool = spool
        self._chunks = chunks
        self._worker = worker
        self._replay = replay
        loaded = [
            (chunk, *contents)
            for some in grouped(chunks, lambda chunk: chunk.bytes, _READ_AT_ONCE_BYTES, _READ_AT_ONCE)
            for chunk, contents in zip(some, spool.read_all([chunk.id for chunk in some]), strict=True)
        ]
        #: The events.
        self.events = [event for _, events, _ in loaded for event in events]
        #: The id of each chunk, and how many of the events are its own.
        self.chunks = tuple((chunk.id, len(events)) for chunk, events, _ in loaded)
        # At which of the events each chunk begins.
        self._starts = [0, *accumulate(count for _, count in self.chunks)][:-1]
        # Chunks that a disk has changed. One event stands for each: what is left of it, as text.
        self._torn = {chunk.id for chunk, _, is_whole in loaded if not is_whole}
        #: How many events the worker refused.
        self.buried = 0
        #: How many events were in chunks that a disk has changed.
        self.unreadable = sum(chunk.events for chunk in chunks if chunk.id in self._torn)
        #: How many events stand for such chunks, and were not refused.
        self.remains = len(self._torn)
        #: How many events an engine on a copy of this spool had written before this one tried.
        self.elsewhere = 0

    @property
    def written(self) -> int:
        """How many of the events the worker has taken."""
        return len(self.events) - self.buried - self.remains

    def batch(self, suspicion: Suspicion) -> Batch:
        """
        Return the batch to write.

        It is not kept: it knows this object, and a circle of the two would hold the events until Python's collector
        comes by.

        :param suspicion: what the tries before this one have found.
        :raises SpoolError: the spool cannot be read.
        """
        return Batch(
            spool_id=self._chunks[0].life or self._spool.id,
            chunks=self.chunks,
            events=self.events,
            oldest_chunk=self._spool.oldest_id(self._chunks[0].lane),
            replay=self._replay,
            bury=self._bury,
            cuts=suspicion.cuts,
            doubts=suspicion.doubts,
            origins={chunk.id: chunk for chunk in self._chunks},
        )

    def _bury(self, refusals: Sequence[Refusal], written: Collection[int] | None = None) -> None:
        """
        Note which events the worker refuses, and count.

        :param refusals: the refused events.
        :param written: the ids of the chunks that this try writes, None for all: others may be written already.
        """
        tried = [chunk.id for chunk in self._chunks if written is None or chunk.id in written]
        burials = [Burial(*self._origin(at), self.events[at], why) for at, why in refusals]
        if burials or (self._replay and tried and self._spool.burials.noted(tried)):
            self._spool.burials.note(self._worker, tried, burials)
        self.buried = len(burials)
        self.remains = len(self._torn.difference(one.chunk for one in burials))
        self.elsewhere = 0 if self._replay else sum(chunk.events for chunk in self._chunks if chunk.id not in tried)

    def _origin(self, at: int) -> tuple[int, int]:
        """Return the chunk that an event of the batch comes from, and its position there."""
        number = bisect_right(self._starts, at) - 1
        return self.chunks[number][0], at - self._starts[number]
