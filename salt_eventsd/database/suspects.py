"""
Find the events that a connection does not survive: a packet too large, a bug that ends the server, no end of time.

A connection that is lost tells nothing of why. When it is lost twice over the same batch, parts of the batch are tried,
each over a connection of its own and undone, until the events stand alone that no connection survives. It takes two
connections that are lost over an event alone, and in between one over which a plain row goes in, to tell such an event
from a server that comes and goes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from salt_eventsd.errors import brief
from salt_eventsd.exceptions import Lost, Transient
from salt_eventsd.workers import Batch

#: Connections that may be lost over a batch before parts of it are tried.
_LOSSES = 2
#: How many connections a search may cost; it goes on with the next try.
_MOST_LOSSES = 40
#: No more batches than this are remembered.
_MOST_BATCHES = 1000
Where = tuple[int, int]


class Suspects:
    """
    What is known of batches over which connections were lost.

    :param attempt: inserts the events at some positions of a batch and undoes it; with none of them, a plain row.
    """

    def __init__(self, attempt: Callable[[Batch, Sequence[int]], None]) -> None:
        self._attempt = attempt
        #: How long a server that was brought down has to come back.
        self.patience_seconds = 10.0
        #: How often the connection was lost over a chunk.
        self._losses: dict[int, int] = {}
        #: Events by chunk and position in it, and why they are bad; "" for what was lost over once.
        self._bad: dict[Where, str] = {}

    def note(self, batch: Batch) -> None:
        """Note that the connection was lost over a batch."""
        for chunk, _ in batch.chunks:
            self._losses[chunk] = self._losses.get(chunk, 0) + 1
        while len(self._losses) > _MOST_BATCHES:
            del self._losses[next(iter(self._losses))]

    def forget(self, batch: Batch) -> None:
        """Note that a batch is written."""
        if self._losses:
            chunks = {chunk for chunk, _ in batch.chunks}
            self._losses = {chunk: times for chunk, times in self._losses.items() if chunk not in chunks}
            self._bad = {where: why for where, why in self._bad.items() if where[0] not in chunks}

    def of(self, batch: Batch) -> Mapping[int, str]:
        """
        Return the positions of the events that no connection survives, each with why.

        :raises Transient: the database is away, or it takes longer to find them.
        """
        suspicious = [chunk for chunk, _ in batch.chunks if self._losses.get(chunk, 0) >= _LOSSES]
        if not suspicious:
            return {}
        places = [(chunk, at) for chunk, events in batch.chunks for at in range(events)]
        positions = {where: position for position, where in enumerate(places)}
        self._search(batch, [where for where in places if where[0] in suspicious], positions)
        return {positions[where]: why for where, why in self._bad.items() if why and where in positions}

    def _search(self, batch: Batch, places: list[Where], positions: Mapping[Where, int]) -> None:
        self._must_be_up(batch)
        parts, lost = [[where for where in places if not self._bad.get(where)]], 0
        while parts:
            part = parts.pop()
            try:
                if part:
                    self._attempt(batch, [positions[where] for where in part])
                continue
            except Lost as exc:
                why = brief(exc)
            lost += 1
            self._must_be_up(batch)
            if len(part) > 1:
                half = len(part) // 2
                parts += [part[half:], part[:half]]
            elif part[0] in self._bad:
                self._bad[part[0]] = f"no connection survives it: {why}"
            else:
                self._bad[part[0]] = ""
                parts.append(part)
            if lost >= _MOST_LOSSES:
                raise Transient(f"{why}; looking for the events that cause it")

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
            time.sleep(0.5)
