"""
Chunks of the spool become a batch that a worker writes, and what it refuses of it becomes dead letters.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from salt_eventsd.spool import Burial, Kept, Spool
from salt_eventsd.workers import Batch, Refusal

#: How many tries in a row of the batch that begins with a chunk ended without an answer, and how many found that the
#: backend takes none of its events.
Suspicion = tuple[int, int]


@dataclass
class Fate:
    """
    What has become of a batch, once it is written.

    :param buried: how many events were refused.
    :param unreadable: how many events were in chunks that a disk has changed.
    :param remains: how many events stand for those, and were not refused.
    :param elsewhere: how many events an engine on a copy of this spool had written before this one tried.
    """

    buried: int = 0
    unreadable: int = 0
    remains: int = 0
    elsewhere: int = 0


def batch_of(
    spool: Spool, chunks: Sequence[Kept], worker: str, replay: bool, suspicion: Suspicion = (0, 0)
) -> tuple[Batch, Fate]:
    """
    Load a batch, and return it with what tells, once it is written, what has become of it.

    :param spool: where the chunks are.
    :param chunks: of the batch, in order.
    :param worker: under whose name refused events are buried.
    :param replay: an earlier try may have written these chunks.
    :param suspicion: what the tries before this one have found.
    """
    loaded = [(chunk, *spool.read_whole(chunk.id)) for chunk in chunks]
    origin = [(chunk.id, position) for chunk, events, _ in loaded for position in range(len(events))]
    events = [event for _, some, _ in loaded for event in some]
    torn = {chunk.id for chunk, _, is_whole in loaded if not is_whole}
    fate = Fate(unreadable=sum(chunk.events for chunk in chunks if chunk.id in torn), remains=len(torn))

    def bury(refusals: Sequence[Refusal], written: Collection[int] | None = None) -> None:
        tried = [chunk.id for chunk in chunks if written is None or chunk.id in written]
        if refusals or (replay and tried and spool.noted(tried)):
            spool.bury(worker, tried, [Burial(*origin[at], events[at], why) for at, why in refusals])
        fate.buried = len(refusals)
        fate.remains = len(torn.difference(origin[at][0] for at, _ in refusals))
        fate.elsewhere = 0 if replay else sum(chunk.events for chunk in chunks if chunk.id not in tried)

    batch = Batch(
        spool_id=chunks[0].life or spool.id,
        chunks=tuple((chunk.id, len(some)) for chunk, some, _ in loaded),
        events=events,
        oldest_chunk=spool.oldest_id(),
        replay=replay,
        bury=bury,
        cuts=suspicion[0],
        doubts=suspicion[1],
        origins={chunk.id: chunk for chunk in chunks},
    )
    return batch, fate
