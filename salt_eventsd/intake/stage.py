"""
Stage: events in memory, on their way into chunks. At the next commit all events of one lane and priority become one
chunk, or several if they are more than a batch of their worker may hold.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from salt_eventsd.config.structs import BatchLimits
from salt_eventsd.event.chunk import Chunk, encode_events
from salt_eventsd.event.parse import Event
from salt_eventsd.rules.rule import Route

#: What an event takes in a chunk besides its body, roughly: tag, ids, times, names; in bytes.
_ENVELOPE_BYTES = 200
#: So many events, or bytes, are committed at once, however long ``commit_seconds`` is.
_MOST_EVENTS = 10_000
MOST_BYTES = 16 * 2**20


@dataclass
class _Part:
    """Events that become one chunk."""

    events: list[Event] = field(default_factory=list)
    bytes: int = 0


class Stage:
    """
    Collects events until they are committed.

    :param left_out: is told of an error for which events could not be encoded, and how many events it concerns.
    :ivar since: when the oldest event came, as :func:`time.monotonic` says.
    :ivar bytes: how much memory the events take, roughly.
    :ivar is_urgent: whether the events must be committed at once.
    """

    def __init__(self, left_out: Callable[[Exception, int], None]) -> None:
        self.since = 0.0
        self.bytes = 0
        self.is_urgent = False
        self._events = 0
        self._left_out = left_out
        self._parts: dict[tuple[str, bool], _Part] = {}
        self._full: list[Chunk] = []

    def __len__(self) -> int:
        """How many events are waiting."""
        return self._events

    def add(self, to: Route, event: Event, limits: BatchLimits) -> None:
        """
        Add an event.

        :param to: where it goes.
        :param event: as it is kept there.
        :param limits: those of the worker's batches. No chunk is larger, so a batch is made of whole chunks.
        """
        if not self._events:
            self.since = time.monotonic()
        key = (to.lane, to.prio)
        part = self._parts.get(key)
        if part is None:
            part = self._parts[key] = _Part()
        size = len(event.body) + len(event.returned) + _ENVELOPE_BYTES
        if part.events and (len(part.events) >= limits.events or part.bytes + size > limits.bytes):
            self._cut(key)
            part = self._parts[key] = _Part()
        part.events.append(event)
        part.bytes += size
        self._events += 1
        self.bytes += size
        if to.prio or self._events >= _MOST_EVENTS or self.bytes >= MOST_BYTES:
            self.is_urgent = True

    def take(self) -> list[Chunk]:
        """Return all events as chunks, and begin anew."""
        for key in list(self._parts):
            self._cut(key)
        chunks, self._full = self._full, []
        self._events = self.bytes = 0
        self.is_urgent = False
        return chunks

    def _cut(self, key: tuple[str, bool]) -> None:
        events = self._parts.pop(key).events
        try:
            self._full.append(Chunk(key[0], key[1], len(events), events[0].received, encode_events(events)))
        except Exception as exc:
            self._left_out(exc, len(events))
