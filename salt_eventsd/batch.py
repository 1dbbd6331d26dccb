"""
Chunks of the spool become a batch that a worker writes, and what it refuses of it becomes dead letters.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from salt_eventsd.spool import Burial, Kept, Spool
from salt_eventsd.workers import Batch, Refusal

#: How many tries in a row of the batch that begins with a chunk ended without an answer, and how many found that the
#: backend takes none of its events.
Suspicion = tuple[int, int]


def batch_of(
    spool: Spool, chunks: Sequence[Kept], worker: str, replay: bool, suspicion: Suspicion = (0, 0)
) -> tuple[Batch, list[int]]:
    """
    Load a batch, and return it with a list that holds, once it is written, how many of its events were buried.

    :param spool: where the chunks are.
    :param chunks: of the batch, in order.
    :param worker: under whose name refused events are buried.
    :param replay: an earlier try may have written these chunks.
    :param suspicion: what the tries before this one have found.
    """
    loaded = [(chunk.id, spool.read(chunk.id)) for chunk in chunks]
    origin = [(id_, position) for id_, events in loaded for position in range(len(events))]
    events = [event for _, some in loaded for event in some]
    ids = [id_ for id_, _ in loaded]
    buried: list[int] = []

    def bury(refusals: Sequence[Refusal], written: Collection[int] | None = None) -> None:
        tried = ids if written is None else [id_ for id_ in ids if id_ in written]
        if refusals or (replay and tried and spool.noted(tried)):
            spool.bury(worker, tried, [Burial(*origin[at], events[at], why) for at, why in refusals])
        buried[:] = [len(refusals)]

    batch = Batch(
        spool_id=spool.id,
        chunks=tuple((id_, len(some)) for id_, some in loaded),
        events=events,
        oldest_chunk=spool.oldest_id(),
        replay=replay,
        bury=bury,
        cuts=suspicion[0],
        doubts=suspicion[1],
    )
    return batch, buried
