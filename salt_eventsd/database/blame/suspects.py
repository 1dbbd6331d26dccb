"""
Find the events that no connection survives: a packet too large, a bug that ends the server, an endless statement.

A lost connection does not say why it was lost. When two are lost over the same batch, the search tries parts of the
batch, each over a new connection and undone, until such events stand alone. The server may also come and go by itself.
So an event is only found bad after two connections were lost over it alone, while a plain row went in in between.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from salt_eventsd.exceptions import Lost, Transient
from salt_eventsd.redact.error_text import one_line
from salt_eventsd.workers.write import Batch, ChunkName

#: How often the connection is lost over a batch before parts of it are tried.
_LOSSES = 2
#: How many connections and how much time one search may cost; the next try goes on with it.
_MOST_LOSSES = 40
_SEARCH_SECONDS = 120.0
#: At most so many chunks are remembered.
_MOST_CHUNKS = 10_000
#: A batch that is too much at once is sent in so many pieces.
_PIECES = 16
Where = tuple[ChunkName, int]


class Verdict(NamedTuple):
    """
    What a search has found.

    :param bad: the positions of events that no connection survives, each with why.
    :param pieces: in how many pieces the others are to be sent.
    """

    bad: Mapping[int, str]
    pieces: int


class Suspects:
    """
    Remembers the batches over which connections were lost, and searches them.

    :param attempt: inserts the events at some positions of a batch and undoes it; with none of them, a plain row.
    """

    def __init__(self, attempt: Callable[[Batch, Sequence[int]], None]) -> None:
        self._attempt = attempt
        self._mutex = threading.Lock()
        #: How long a server may take to come back after an event has ended it, in seconds.
        self.patience_seconds = 10.0
        #: How often the connection was lost over a chunk.
        self._losses: dict[ChunkName, int] = {}
        #: Why events are bad, by chunk and position in it; "" where one connection was lost so far.
        self._bad: dict[Where, str] = {}
        #: The parts that a search had no time for, by their chunks.
        self._left: dict[tuple[ChunkName, ...], list[list[Where]]] = {}

    def note(self, batch: Batch) -> None:
        """Note that the connection was lost over a batch."""
        with self._mutex:
            for chunk in _names(batch):
                self._losses[chunk] = self._losses.get(chunk, 0) + 1
            while len(self._losses) > _MOST_CHUNKS:
                del self._losses[next(iter(self._losses))]

    def forget(self, batch: Batch) -> None:
        """Note that a batch is written."""
        if not self._losses:
            return
        with self._mutex:
            chunks = set(_names(batch))
            self._losses = {chunk: times for chunk, times in self._losses.items() if chunk not in chunks}
            self._bad = {where: why for where, why in self._bad.items() if where[0] not in chunks}
            self._left = {key: parts for key, parts in self._left.items() if chunks.isdisjoint(key)}

    def of(self, batch: Batch) -> Verdict:
        """
        Return the events that no connection survives, and how the others are to be written.

        :raises Transient: the database is away, or it takes longer to find them.
        """
        suspicious = tuple(chunk for chunk in _names(batch) if self._losses.get(chunk, 0) >= _LOSSES)
        if not suspicious:
            return Verdict({}, 1)
        places = [(batch.name_of(chunk), at) for chunk, events in batch.chunks for at in range(events)]
        positions = {where: position for position, where in enumerate(places)}
        some = [where for where in places if where[0] in suspicious and not self._bad.get(where)]
        self._search(batch, self._left.pop(suspicious, [some]), positions, suspicious)
        bad = {positions[where]: why for where, why in self._bad.items() if why and where in positions}
        # If each part went in by itself, it was too much at once.
        return Verdict(bad, 1 if bad else _PIECES)

    def _search(
        self, batch: Batch, parts: list[list[Where]], positions: Mapping[Where, int], key: tuple[ChunkName, ...]
    ) -> None:
        self._must_be_up(batch)
        until, lost = time.monotonic() + _SEARCH_SECONDS, 0
        while parts:
            part = parts.pop()
            try:
                if part:
                    self._attempt(batch, [positions[where] for where in part])
                continue
            except Lost as exc:
                why = one_line(exc)
            lost += 1
            if len(part) > 1:
                half = len(part) // 2
                parts += [part[half:], part[:half]]
            elif part[0] in self._bad:
                self._bad[part[0]] = f"no connection survives it: {why}"
            else:
                self._bad[part[0]] = ""
                parts.append(part)
            self._left[key] = parts
            self._must_be_up(batch)
            if lost >= _MOST_LOSSES or time.monotonic() > until:
                raise Transient(f"{why}; looking for the events that cause it")
        self._left.pop(key, None)

    def _must_be_up(self, batch: Batch) -> None:
        """Wait until a plain row goes in."""
        until = time.monotonic() + self.patience_seconds
        while True:
            try:
                self._attempt(batch, [])
                return
            except Transient:
                if time.monotonic() > until:
                    raise
            time.sleep(min(0.5, self.patience_seconds))


def _names(batch: Batch) -> list[ChunkName]:
    return [batch.name_of(chunk) for chunk, _ in batch.chunks]
