"""
Isolate: which events of a batch a backend refuses.

:class:`Sieve` splits a batch, for backends that only refuse it as a whole. :func:`make_each` and :func:`bury` are for
workers that can tell which events were refused: their batches need not be split, which would write some good events
twice. See ``docs/writing_a_worker.rst``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from salt_eventsd.event.parse import Event
from salt_eventsd.exceptions import Doubted, Doubtful, Refused
from salt_eventsd.redact.error_text import one_line
from salt_eventsd.workers.write import Batch, Refusal

Item = TypeVar("Item")

#: How many tries an operator has to mend what makes a backend refuse everything, see :func:`has_waited`.
PATIENCE = 5


class Sieve(Generic[Item]):
    """
    Writes items, and splits what is refused until the bad ones stand alone.

    :param write: writes all items it is given or raises :class:`~salt_eventsd.exceptions.Refused`.
    """

    def __init__(self, write: Callable[[Sequence[Item]], None]) -> None:
        self._write = write
        #: What was refused for what is in it ...
        self.refusals: list[Refusal] = []
        #: ... and for a reason that nobody knows.
        self.doubts: list[Refusal] = []
        #: All refusals, each with its error.
        self.errors: list[tuple[int, Refused]] = []
        #: How many were written.
        self.taken = 0

    def put(self, items: Sequence[Item], offset: int = 0) -> None:
        """
        Write items.

        :param items: one or more.
        :param offset: the position of the first one.
        """
        try:
            self._write(items)
        except Refused as exc:
            if len(items) > 1:
                half = len(items) // 2
                self.put(items[:half], offset)
                self.put(items[half:], offset + half)
            else:
                self.errors.append((offset, exc))
                (self.doubts if isinstance(exc, Doubtful) else self.refusals).append((offset, one_line(exc)))
        else:
            self.taken += len(items)

    def found(self) -> list[Refusal]:
        """
        Return what to bury, in order.

        :raises Doubted: nothing was written, so nobody knows whether the events are to blame.
        """
        if self.doubts and not self.taken:
            raise Doubted(self.doubts[0][1])
        return sorted([*self.refusals, *self.doubts])


def isolate(items: Sequence[Item], write: Callable[[Sequence[Item]], None], offset: int = 0) -> list[Refusal]:
    """
    Write items, splitting them on refusal, and return which of them were refused and why.

    :param items: what to write.
    :param write: writes all items it is given or raises :class:`~salt_eventsd.exceptions.Refused`.
    :param offset: the position of the first item.
    """
    sieve = Sieve(write)
    sieve.put(items, offset)
    return sorted([*sieve.refusals, *sieve.doubts])


Made = TypeVar("Made")


def make_each(batch: Batch, make: Callable[[Event], Made]) -> tuple[list[tuple[int, Made]], list[Refusal]]:
    """
    Make something of each event of a batch.

    :param batch: the batch.
    :param make: makes it of one event, or raises :class:`~salt_eventsd.exceptions.Refused`.
    :returns: what was made, and the refusals, each with the event's position in the batch.
    :raises Refused: an event was refused, and the batch is a part of one.
    """
    made: list[tuple[int, Made]] = []
    refusals: list[Refusal] = []
    for position, event in enumerate(batch.events):
        try:
            made.append((position, make(event)))
        except Refused as exc:
            refusals.append((position, one_line(exc)))
    if refusals and is_split(batch):
        # Nothing is written yet, and the engine goes on splitting.
        raise Refused(refusals[0][1])
    return made, refusals


def bury(batch: Batch, refusals: Sequence[Refusal], answers: Sequence[Refusal] = ()) -> None:
    """
    Bury events. Call this once all other events of the batch are safe.

    :param batch: the batch.
    :param refusals: events that nobody could write, or that are too large for the backend.
    :param answers: events that the backend refused for another reason. If it has taken no event at all, they are not to
        blame.
    :raises Doubted: the backend has taken no event at all.
    :raises Refused: an event was refused, and the batch is a part of one.
    """
    # A server's answer may be long, and may repeat what it was sent.
    everything = sorted((position, one_line(Refused(why))) for position, why in (*refusals, *answers))
    if not everything:
        return
    if is_split(batch):
        raise (Doubtful if answers else Refused)(everything[0][1])
    if answers and len(everything) == len(batch.events):
        raise Doubted(f"all events of a batch are refused: {one_line(Refused(answers[0][1]))}")
    batch.bury(everything, None)


def is_split(batch: Batch) -> bool:
    """
    Say whether a batch is only a part of one.

    :param batch: the batch.
    """
    return len(batch.events) != sum(events for _, events in batch.chunks)


def has_waited(batch: Batch) -> bool:
    """
    Say whether a refusal that an operator could mend (a missing index, a permission) is the event's fault by now: the
    operator has had :data:`PATIENCE` tries, or the batch is being split.

    :param batch: the batch.
    """
    return batch.doubts >= PATIENCE or is_split(batch)
