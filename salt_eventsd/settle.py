"""
Settle: from a batch and a worker to what has become of each event. No thread, no clock and no spool in here.

The splitting is the same for every backend: a refused batch is cut in halves until the bad events stand alone, so one
bad event costs about ``2 * log2(batch)`` extra writes and no other event.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from salt_eventsd.event import Event
from salt_eventsd.exceptions import Held, Refused, WorkerError
from salt_eventsd.workers import Batch, Refusal, Worker

Item = TypeVar("Item")

#: What is kept of an error's text with a dead letter or in the status, in characters.
_LONGEST_ERROR = 500


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


def write_batch(worker: Worker, batch: Batch) -> None:
    """
    Have a worker write a batch; events it refuses are buried.

    :param worker: who writes.
    :param batch: what.
    :raises WorkerError: nothing is settled, and why: the batch is to be tried again.
    """
    try:
        worker.write(batch)
    except Refused:
        refusals = isolate(batch.events, lambda events: worker.write(replace(batch, events=events)))
        if refusals or batch.replay:
            batch.bury(refusals)
    except WorkerError:
        raise
    except OSError:
        raise
    except Exception as exc:
        _bury_the_odd_ones(worker, batch, exc)


def _bury_the_odd_ones(worker: Worker, batch: Batch, first: Exception) -> None:
    """
    A worker raised what the contract does not name: its own bug, or an event it cannot digest.

    If part of the batch can be written it is the events; if nothing can, it is the worker, and nothing is buried.
    """

    def write(events: Sequence[Event]) -> None:
        try:
            worker.write(replace(batch, events=events))
        except (WorkerError, OSError):
            raise
        except Exception as exc:
            raise Refused(brief(exc)) from exc

    refusals = isolate(batch.events, write)
    if len(refusals) == len(batch.events):
        raise Held(brief(first)) from first
    batch.bury(refusals)


def brief(error: BaseException) -> str:
    """Return an error's text in one line of bearable length; drivers append whole statements with their values."""
    text = str(error).strip() or type(error).__name__
    if not isinstance(error, WorkerError):
        text = f"{type(error).__name__}: {text}"
    return " ".join(text.split())[:_LONGEST_ERROR]
