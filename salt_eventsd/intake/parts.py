"""
Parts: what the stage has for each lane, and what several of them have in common, until all become chunks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from salt_eventsd.config.structs import BatchLimits
from salt_eventsd.event.chunk import Chunk, Share, Shared, encode_events
from salt_eventsd.event.parse import Event
from salt_eventsd.event.sharing import add_run, as_taken, encode_ordering
from salt_eventsd.rules.rule import Route

#: What is less than this is kept once for each lane: rows of its own would cost more.
_LEAST_SHARED_BYTES = 8 * 1024


#: A lane, and whether its events are written at once.
Place = tuple[str, bool]
#: Where events go that are kept together: the lanes, and what the events name there where that differs.
Group = tuple[tuple[Place, tuple[str, str] | None], ...]


class Common:
    """
    Events that several parts have in common.

    :param group: where they go.
    """

    def __init__(self, group: Group) -> None:
        self.group = group
        self.events: list[Event] = []
        self.bytes = 0
        #: The parts, and the number that this source has in each.
        self.holders: list[tuple[Part, int]] = []
        self._shared: Shared | None = None

    def shared(self) -> Shared:
        """Return the events encoded, always the same object; no more are added."""
        if self._shared is None:
            self._shared = Shared(encode_events(self.events))
        return self._shared


class Held(NamedTuple):
    """What a part has in common with others; rule and table as in :class:`~salt_eventsd.event.chunk.Share`."""

    common: Common
    rule: str | None
    into: str | None


@dataclass(slots=True)
class Part:
    """Events that become one chunk."""

    oldest: float
    limits: BatchLimits
    own: list[Event] = field(default_factory=list)
    events: int = 0
    bytes: int = 0
    held: list[Held] = field(default_factory=list)
    #: As in :mod:`salt_eventsd.event.sharing`; empty as long as all events are its own.
    ordering: list[int] = field(default_factory=list)


class Run:
    """
    Events that come one after the other and go to the same lanes, which are told of them at its end. With each event,
    that would cost a lane as much as to keep the event.

    :param common: where the events are.
    :param routes: where they go.
    :param event: the first of them.
    """

    def __init__(self, common: Common, routes: list[Route], event: Event) -> None:
        self.common = common
        self._add = common.events.append
        self._routes = routes
        self._named = (event.rule, event.into, event.phase)
        self._room = min(part.limits.events - part.events for part, _ in common.holders)
        self._room_bytes = min(part.limits.bytes - part.bytes for part, _ in common.holders)
        self._events = self._bytes = 0

    def takes(self, routes: list[Route], event: Event, size: int) -> bool:
        """Add an event if it goes to the same lanes, and all of them have room for it; return whether that was done."""
        if self._events and (
            self._events >= self._room
            or self._bytes + size > self._room_bytes
            or routes != self._routes
            or (event.rule, event.into, event.phase) != self._named
        ):
            return False
        self._add(event)
        self._events += 1
        self._bytes += size
        return True

    def end(self) -> None:
        """Have the lanes know of the events."""
        self.common.bytes += self._bytes
        for part, source in self.common.holders:
            part.events += self._events
            part.bytes += self._bytes
            add_run(part.ordering, source, self._events)


def common_of(group: Group, parts: Sequence[Part]) -> Common:
    """
    Return what parts have in common from now on.

    :param group: where it goes.
    :param parts: theirs, in the order of the group.
    """
    common = Common(group)
    for part, (_, named) in zip(parts, group, strict=True):
        rule, into = named or (None, None)
        part.held.append(Held(common, rule, into))
        source = len(part.held)
        if not part.ordering:
            part.ordering += (0, len(part.own))
        common.holders.append((part, source))
    return common


def chunk_of(lane: str, prio: bool, part: Part) -> Chunk:
    """
    Return the chunk of a part.

    :param lane: the lane's name.
    :param prio: whether it is written at once.
    :param part: to which nothing is added any more.
    """
    numbers: dict[int, int] = {}
    shares: list[Share] = []
    sources = [part.own]
    for source, (common, rule, into) in enumerate(part.held, 1):
        if common.bytes < _LEAST_SHARED_BYTES:
            sources.append(as_taken(common.events, rule, into))
            continue
        sources.append([])
        shares.append(Share(common.shared(), rule, into))
        numbers[source] = len(shares)
    if not part.ordering:
        return Chunk(lane, prio, part.events, part.oldest, encode_events(part.own))
    own: list[Event] = []
    ordering = [0, 0]
    at = [0] * len(sources)
    for source, count in zip(part.ordering[::2], part.ordering[1::2], strict=True):
        if source not in numbers:
            own += sources[source][at[source] : at[source] + count]
            at[source] += count
        add_run(ordering, numbers.get(source, 0), count)
    return Chunk(
        lane,
        prio,
        part.events,
        part.oldest,
        encode_events(own),
        tuple(shares),
        encode_ordering(ordering) if shares else None,
    )
