"""
Settle: have a worker write a batch, and find out which events it refuses. No thread, no clock and no spool in here.

The splitting is the same for every backend: a refused batch is cut in halves until the bad events stand alone, so one
bad event costs about ``2 * log2(batch)`` extra writes and no other event.

Only another event can tell whether an event is to blame or the backend. If the backend takes another event of the
batch, the events that it refused are buried, even if nobody knows the reason. If it takes none, the batch waits. The
next try of such a batch begins with a few of its events before it splits all of them again, and the lane adds a chunk
that has not been tried.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple

from salt_eventsd.event.parse import Event
from salt_eventsd.exceptions import Cut, Doubted, Doubtful, Refused, SpoolError, WorkerError
from salt_eventsd.redact.error_text import one_line
from salt_eventsd.workers.isolate import Sieve
from salt_eventsd.workers.write import Batch, Refusal, Worker

#: How many tries of a batch may end without an answer before events are tried alone.
CUTS = 2
#: How many events of a batch that was refused whole are tried alone before all of them are, once more.
_PROBES = 8
#: More tries in a row than this without an answer mean that the backend is away, even if it has taken an event before.
_MOST_CUTS = 24
#: How many times in a row an event that is tried alone gets no answer before it is the one to blame.
_ALONE = 4


class Suspicion(NamedTuple):
    """
    What the tries of a batch in a row have found.

    :param cuts: how many ended without an answer.
    :param doubts: how many found that the backend takes none of its events.
    """

    cuts: int = 0
    doubts: int = 0

    @property
    def asks_others(self) -> bool:
        """Whether only events of other chunks can tell what is to blame: one of these events, or the backend."""
        return self.cuts >= CUTS or self.doubts > 0


class Unexpected(Doubtful):
    """A worker raised what the contract does not name: a bug of its own, or an event that it cannot handle."""


def write_batch(worker: Worker, batch: Batch) -> None:
    """
    Have a worker write a batch, and bury the events that it refuses.

    If part of a batch makes a worker raise what the contract does not name, the events are to blame. If all of it does,
    the worker is, and nothing is buried.

    :param worker: who writes.
    :param batch: what is written.
    :raises WorkerError: why nothing is settled; the batch has to be tried again.
    :raises SpoolError: the refused events could not be noted, so nothing is settled either.
    """
    attempt = _Attempt(worker, batch)
    sieve = Sieve(attempt.write)
    events = batch.events
    written: set[int] = set()
    if len(events) > 1 and batch.cuts >= CUTS:
        # The batch has ended the connection more than once. Is there an event that does not? Begin with the last one,
        # which the lane may have added: then it is the one that was not tried.
        written = attempt.probe([(CUTS - 1 - batch.cuts) % len(events)])
        attempt.splits_cuts = True
    elif len(events) > 1 and batch.doubts:
        try:
            attempt.write(events)
            written = set(range(len(events)))
        except Refused as exc:
            # All were tried alone before. A few of them, each time other ones, tell whether anything has changed.
            last = -(batch.doubts - 1) * _PROBES - 1
            written = attempt.probe((last - number) % len(events) for number in range(_PROBES))
            if not written and isinstance(exc, Doubtful):
                raise Doubted(one_line(exc)) from exc
    for start, end in _gaps(len(events), written):
        sieve.put(events[start:end], start)
    sieve.taken += len(written)
    refusals = sieve.found()
    if refusals or (batch.replay and not attempt.buries_itself):
        batch.bury(refusals, None)


class _Attempt:
    """
    A try to write a batch, in whole or in parts.

    :param worker: who writes.
    :param batch: what.
    """

    def __init__(self, worker: Worker, batch: Batch) -> None:
        self._worker = worker
        self._batch = batch
        self._unanswered = 0
        #: Whether a part that gets no answer is split like one that is refused.
        self.splits_cuts = False
        #: Whether the worker says for itself which events are refused.
        self.buries_itself = False

    def write(self, events: Sequence[Event]) -> None:
        """
        Write a part of the batch.

        :param events: of the part.
        """
        # Connections also end by chance.
        tries = _ALONE if len(events) == 1 and self.splits_cuts else 1
        for left in reversed(range(tries)):
            try:
                self._try(events)
                return
            except Cut as exc:
                if not self.splits_cuts or self._unanswered > _MOST_CUTS:
                    raise
                if not left:
                    raise Doubtful(one_line(exc)) from exc

    def probe(self, positions: Iterable[int]) -> set[int]:
        """
        Write a few events alone, and return which of them were written.

        :param positions: theirs.
        """
        written = set()
        for at in dict.fromkeys(positions):
            with suppress(Refused):
                self._try(self._batch.events[at : at + 1])
                written.add(at)
        return written

    def _try(self, events: Sequence[Event]) -> None:
        try:
            self._worker.write(replace(self._batch, events=events, bury=self._bury))
        except Cut:
            self._unanswered += 1
            raise
        except (WorkerError, SpoolError, OSError):
            raise
        except Exception as exc:
            raise Unexpected(one_line(exc)) from exc
        self._unanswered = 0

    def _bury(self, refusals: Sequence[Refusal], chunks: Collection[int] | None = None) -> None:
        self.buries_itself = True
        self._batch.bury(refusals, chunks)


def _gaps(count: int, written: Collection[int]) -> Iterator[tuple[int, int]]:
    """Yield the beginning and the end of each run of positions that are not among those written."""
    start = 0
    for at in [*sorted(written), count]:
        if at > start:
            yield start, at
        start = at + 1
