"""Batches of the suite, and what it notes of events that a worker buries."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence

from salt_eventsd.event.parse import Event
from salt_eventsd.workers.conformance.verdict import Broken
from salt_eventsd.workers.isolate import is_split
from salt_eventsd.workers.write import Batch, Refusal


def batch_of(some: Sequence[Event], first: int = 1, replay: bool = False) -> Batch:
    """
    Return a batch, of two chunks if there are two events.

    :param some: the events.
    :param first: the id of the first chunk.
    :param replay: an earlier try may have written it.
    """
    half = len(some) // 2
    sizes = [size for size in (half, len(some) - half) if size]
    return Batch(f"conformance-{time.time_ns()}", tuple(enumerate(sizes, first)), some, first, replay)


def burier(batch: Batch, buried: list[Refusal]) -> Callable[[Sequence[Refusal], Collection[int] | None], None]:
    """
    Return the ``bury`` of a batch; it raises :class:`Broken` if a worker uses it wrongly.

    :param batch: the batch, or a part of one.
    :param buried: gets what is buried.
    """

    def bury(refusals: Sequence[Refusal], chunks: Collection[int] | None = None) -> None:
        for position, why in refusals:
            if is_split(batch):
                happened = f"bury() was called in a part of {len(batch.events)} events"
                raise _wrong_burial(
                    happened, "in a part of a batch raise Refused: positions are those of the whole batch"
                )
            if not isinstance(why, str) or not 0 <= position < len(batch.events):
                happened = f"bury() was given ({position!r}, {type(why).__name__}) in a batch of {len(batch.events)}"
                raise _wrong_burial(happened, "give it a position in batch.events, from 0 on, and a text that says why")
        buried.extend(refusals)

    return bury


def _wrong_burial(happened: str, right: str) -> Broken:
    return Broken("batch.bury([(position, why), ...], chunks) names events of the batch", happened, right)
