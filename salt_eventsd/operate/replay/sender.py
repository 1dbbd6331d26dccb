"""The batches of a replay: events of adjacent parts of the history, written with the note of which parts they are."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import replace

from salt_eventsd.database.transfer.slices import Span
from salt_eventsd.dispatch.backoff import Backoff
from salt_eventsd.dispatch.settle import Suspicion, write_batch
from salt_eventsd.event.parse import Event
from salt_eventsd.exceptions import Cut, Doubted, Held, Transient
from salt_eventsd.operate.replay.task import Task
from salt_eventsd.workers.write import Batch, Refusal

#: What was read and led to no event is noted at least so often, in seconds.
_NOTE_SECONDS = 5.0
#: How often a batch is tried that the backend cannot take now.
_TRIES = 8
#: So many refusals are told one by one.
_MOST_TOLD = 10


class Sender:
    """
    Sends events of one table of the history.

    :param task: where they go.
    :param table: the table.
    :ivar sent: how many events were written.
    :ivar refused: how many the backend refused.
    :ivar why: the first of them, each with what the backend said.
    """

    def __init__(self, task: Task, table: str) -> None:
        self._task = task
        self._table = table
        self._events: list[Event] = []
        self._bytes = 0
        self._span: Span | None = None
        self._noted = time.monotonic()
        self.sent = 0
        self.refused = 0
        self.why: list[str] = []

    def add(self, span: Span, events: Sequence[Event]) -> None:
        """
        Send the events of a part of the history, with those before or later.

        :param span: the part, which follows the one before.
        :param events: its events, in order.
        :raises WorkerError: they cannot be written.
        """
        limits = self._task.settings.batch
        size = sum(len(event.body) + len(event.returned) for event in events)
        is_full = len(self._events) + len(events) > limits.events or self._bytes + size > limits.bytes
        if self._events and is_full:
            self.flush()
        self._span = Span(self._span.first if self._span else span.first, span.last)
        self._events += events
        self._bytes += size
        if time.monotonic() - self._noted >= _NOTE_SECONDS:
            self.flush()

    def flush(self) -> None:
        """
        Write what is waiting.

        :raises WorkerError: it cannot be written.
        """
        if self._span is None:
            return
        refusals: list[Refusal] = []

        def bury(some: Sequence[Refusal], chunks: Collection[int] | None) -> None:
            refusals[:] = some

        chunk = self._task.done.chunk(self._table, self._span, len(self._events), self._bytes)
        batch = Batch(
            spool_id=chunk.life,
            chunks=((chunk.id, len(self._events)),),
            events=tuple(self._events),
            bury=bury,
            origins={chunk.id: chunk},
        )
        self._write(batch)
        if not self._task.is_noted:
            self._task.done.note(batch)
        self.sent += len(self._events) - len(refusals)
        self.refused += len(refusals)
        for at, why in refusals[: _MOST_TOLD - len(self.why)]:
            self.why.append(f"{self._events[at].tag}: {why}")
        self._events, self._bytes, self._span = [], 0, None
        self._noted = time.monotonic()

    def _write(self, batch: Batch) -> None:
        if not batch.events and not self._task.is_noted:
            return
        backoff = Backoff()
        suspicion = Suspicion()
        for tried in range(1, _TRIES + 1):
            try:
                if batch.events:
                    write_batch(self._task.worker, replace(batch, **suspicion._asdict()))
                else:
                    # Nothing in it but that there is nothing.
                    self._task.worker.write(batch)
                return
            except (Transient, Doubted) as exc:
                if tried == _TRIES:
                    raise Held(f"{exc}; the same command goes on from here") from exc
                suspicion = Suspicion(
                    suspicion.cuts + 1 if isinstance(exc, Cut) else 0,
                    suspicion.doubts + 1 if isinstance(exc, Doubted) else 0,
                )
                self._task.pace.wait(backoff.seconds(tried))
