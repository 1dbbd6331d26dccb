"""
Bury the events of a batch that cannot be written, where the backend or their own content says which they are.

A worker that writes what it can and then tells which events it could not is spared the splitting of its batches, which
would write some of the good events twice. See ``docs/writing_a_worker.rst``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from salt_eventsd.event import Event
from salt_eventsd.exceptions import Doubted, Doubtful, Refused
from salt_eventsd.settle import brief
from salt_eventsd.workers import Batch, Refusal

Made = TypeVar("Made")


def make_each(batch: Batch, make: Callable[[Event], Made]) -> tuple[list[tuple[int, Made]], list[Refusal]]:
    """
    Make something of each event of a batch.

    :param batch: the batch.
    :param make: of one event; it raises :class:`~salt_eventsd.exceptions.Refused` where it cannot be done.
    :returns: what was made, and what could not be, each with its position in the batch.
    """
    made: list[tuple[int, Made]] = []
    refusals: list[Refusal] = []
    for position, event in enumerate(batch.events):
        try:
            made.append((position, make(event)))
        except Refused as exc:
            refusals.append((position, brief(exc)))
    if refusals and is_split(batch):
        # Before anything is written: what is left of the batch comes again in smaller parts.
        raise Refused(refusals[0][1])
    return made, refusals


def bury(batch: Batch, refusals: Sequence[Refusal], answers: Sequence[Refusal] = ()) -> None:
    """
    Bury events; to be called once all others of the batch are safe.

    :param batch: the batch.
    :param refusals: of events that nobody could write, or that are too large for the backend.
    :param answers: of events that the backend refused for another reason. If it has taken none at all, that is no
        event's doing.
    :raises Doubted: it has not.
    """
    # What a server says may be long, and may repeat what it was told.
    everything = sorted((position, brief(Refused(why))) for position, why in (*refusals, *answers))
    if not everything:
        return
    if is_split(batch):
        raise (Doubtful if answers else Refused)(everything[0][1])
    if answers and len(everything) == len(batch.events):
        raise Doubted(f"all events of a batch are refused: {brief(Refused(answers[0][1]))}")
    batch.bury(everything, None)


def is_split(batch: Batch) -> bool:
    """
    Say whether a batch is a part of one.

    :param batch: the batch.
    """
    return len(batch.events) != sum(events for _, events in batch.chunks)
