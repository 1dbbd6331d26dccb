"""A batch on its way from the spool to a worker, and what has become of its events."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from salt_eventsd.dispatch.settle import Suspicion
from salt_eventsd.event.chunk import StoredChunk
from salt_eventsd.spool.burial import Burial
from salt_eventsd.spool.keep import Spool
from salt_eventsd.workers.write import Batch, Refusal

_NO_SUSPICION = Suspicion()


class Delivery:
    """
    The batch of some chunks. Once it is written, the counts are right.

    :param spool: where the chunks are.
    :param chunks: of the batch, in order.
    :param worker: under whose name refused events are buried.
    :param replay: whether an earlier try may have written these chunks.
    :param suspicion: what the tries before this one have found.
    :raises SpoolError: the chunks cannot be read.
    """

    def __init__(
        self,
        spool: Spool,
        chunks: Sequence[StoredChunk],
        worker: str,
        *,
        replay: bool,
        suspicion: Suspicion = _NO_SUSPICION,
    ) -> None:
        self._spool = spool
        self._chunks = chunks
        self._worker = worker
        loaded = [(chunk, *spool.read(chunk.id)) for chunk in chunks]
        # The chunk and the position in it that each event of the batch comes from.
        self._origins = [(chunk.id, position) for chunk, events, _ in loaded for position in range(len(events))]
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
        self.batch = Batch(
            spool_id=chunks[0].life or spool.id,
            chunks=tuple((chunk.id, len(events)) for chunk, events, _ in loaded),
            events=[event for _, events, _ in loaded for event in events],
            oldest_chunk=spool.oldest_id(),
            replay=replay,
            bury=self._bury,
            cuts=suspicion.cuts,
            doubts=suspicion.doubts,
            origins={chunk.id: chunk for chunk in chunks},
        )

    @property
    def written(self) -> int:
        """How many events of the batch the worker has taken."""
        return len(self.batch.events) - self.buried - self.remains

    def _bury(self, refusals: Sequence[Refusal], written: Collection[int] | None = None) -> None:
        """
        Note which events the worker refuses, and count.

        :param refusals: the refused events.
        :param written: the ids of the chunks that this try writes, None for all: others may be written already.
        """
        tried = [chunk.id for chunk in self._chunks if written is None or chunk.id in written]
        replay = self.batch.replay
        if refusals or (replay and tried and self._spool.burials.noted(tried)):
            burials = [Burial(*self._origins[at], self.batch.events[at], why) for at, why in refusals]
            self._spool.burials.note(self._worker, tried, burials)
        self.buried = len(refusals)
        self.remains = len(self._torn.difference(self._origins[at][0] for at, _ in refusals))
        self.elsewhere = 0 if replay else sum(chunk.events for chunk in self._chunks if chunk.id not in tried)
