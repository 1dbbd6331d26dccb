"""
Settle: from a batch and a worker to what has become of each event. No thread, no clock and no spool in here.

The splitting is the same for every backend: a refused batch is cut in halves until the bad events stand alone, so one
bad event costs about ``2 * log2(batch)`` extra writes and no other event.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import TypeVar

from salt_eventsd.errors import brief as brief
from salt_eventsd.event import Event
from salt_eventsd.exceptions import Held, Refused, SpoolError, WorkerError
from salt_eventsd.workers import Batch, Refusal, Worker

Item = TypeVar("Item")


def isolate(items: Sequence[Item], write: Callable[[Sequence[Item]], None], offset: int = 0) -> list[Refusal]:
    """
    Write items, splitting on refusal, and return which of them were refused and why.

    :param items: what to write.
    :param write: writes some of them whole or raises :class:`~salt_eventsd.exceptions.Refused`.
    :param offset: the position of the first item.
    """
    try:
        write(items)
    except Refused as exc:
        if len(items) == 1:
            return [(offset, brief(exc))]
        half = len(items) // 2
        return isolate(items[:half], write, offset) + isolate(items[half:], write, offset + half)
    return []


class Unexpected(Refused):
    """A worker raised what the contract does not name: its own bug, or an event it cannot digest."""


def write_batch(worker: Worker, batch: Batch) -> None:
    """
    Have a worker write a batch; events it refuses are buried.

    If part of a batch makes a worker raise what the contract does not name, that is the events' doing; if all of it
    does, it is the worker's, and nothing is buried.

    :param worker: who writes.
    :param batch: what.
    :raises WorkerError: nothing is settled, and why: the batch is to be tried again.
    :raises SpoolError: the same; the refused events could not be noted.
    """
    odd: list[str] = []
    buries_itself = False

    def bury(refusals: Sequence[Refusal], chunks: Collection[int] | None = None) -> None:
        nonlocal buries_itself
        buries_itself = True
        batch.bury(refusals, chunks)

    def write(events: Sequence[Event]) -> None:
        try:
            worker.write(replace(batch, events=events, bury=bury))
        except (WorkerError, SpoolError, OSError):
            raise
        except Exception as exc:
            if len(events) == 1:
                odd.append(brief(exc))
            raise Unexpected(brief(exc)) from exc

    refusals = isolate(batch.events, write)
    if odd and len(odd) == len(batch.events):
        raise Held(odd[0])
    if refusals or (batch.replay and not buries_itself):
        batch.bury(refusals, None)
