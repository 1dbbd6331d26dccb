"""
Stage: events in memory, on their way into chunks. At the next commit all events of one lane and priority become one
chunk, or several if they are more than a batch of their worker may hold. What several lanes get is encoded once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from salt_eventsd.config.structs import BatchLimits
from salt_eventsd.event.chunk import Chunk
from salt_eventsd.event.parse import Event, for_route
from salt_eventsd.event.sharing import add_run
from salt_eventsd.intake.parts import Common, Group, Part, Place, Run, chunk_of, common_of
from salt_eventsd.rules.rule import Route

#: What an event takes in a chunk besides its body, roughly: tag, ids, times, names; in bytes.
_ENVELOPE_BYTES = 200
#: So many events, or bytes, are committed at once, however long ``commit_seconds`` is.
_MOST_EVENTS = 10_000
MOST_BYTES = 2 * 2**20


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
        self._parts: dict[Place, Part] = {}
        self._common: dict[Group, Common] = {}
        self._run: Run | None = None
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
        size = len(event.body) + len(event.returned) + _ENVELOPE_BYTES
        if self._run is not None:
            self._end_run()
        part = self._part((to.lane, to.prio), event, size, limits)
        self._put(part, [event], size, to.prio)

    def add_run(self, to: Route, events: Sequence[Event], limits: BatchLimits) -> None:
        """
        Add events that go to one place, at a fraction of the cost of adding each.

        :param to: where they go.
        :param events: as they are kept there, in their order; at least one.
        :param limits: those of the worker's batches.
        """
        size = sum([len(one.body) + len(one.returned) for one in events]) + _ENVELOPE_BYTES * len(events)
        if self._run is not None:
            self._end_run()
        part = self._part((to.lane, to.prio), events[0], 0, limits)
        if part.events + len(events) > limits.events or part.bytes + size > limits.bytes:
            for one in events:
                self.add(to, one, limits)
            return
        self._put(part, events, size, to.prio)

    def _put(self, part: Part, events: Sequence[Event], size: int, is_prio: bool) -> None:
        part.own += events
        part.events += len(events)
        part.bytes += size
        if part.ordering:
            add_run(part.ordering, 0, len(events))
        self._added(len(events), size, is_prio)

    def add_to_all(self, destinations: Sequence[tuple[Route, Event]], limits: Mapping[str, BatchLimits]) -> None:
        """
        Add an event to each lane that gets it.

        :param destinations: where it goes, and as what it is kept there.
        :param limits: those of the workers' batches.
        """
        if len(destinations) == 1:
            to, event = destinations[0]
            self.add(to, event, limits[to.worker])
        elif destinations:
            routes = [to for to, _ in destinations]
            event = destinations[0][1]
            size = len(event.body) + len(event.returned) + _ENVELOPE_BYTES
            if self._run is None or not self._run.takes(routes, event, size):
                if len({(to.lane, to.prio) for to in routes}) < len(routes):
                    for to, one in destinations:
                        self.add(to, one, limits[to.worker])
                    return
                self._begin_run(destinations, size, limits)
            self._added(len(routes), size, any(to.prio for to in routes))

    def add_run_to_all(self, routes: list[Route], events: Sequence[Event], limits: Mapping[str, BatchLimits]) -> None:
        """
        Add events to each lane that gets them.

        :param routes: where they go, several places.
        :param events: as they are kept in the first of these, in their order.
        :param limits: those of the workers' batches.
        """
        is_prio = any(to.prio for to in routes)
        for event in events:
            size = len(event.body) + len(event.returned) + _ENVELOPE_BYTES
            if self._run is not None and self._run.takes(routes, event, size):
                self._added(len(routes), size, is_prio)
                continue
            others = [(to, for_route(event, to.rule, to.into)) for to in routes[1:]]
            self.add_to_all([(routes[0], event), *others], limits)

    def take(self) -> list[Chunk]:
        """Return all events as chunks, and begin anew."""
        self._end_run()
        for place in list(self._parts):
            self._cut(place)
        chunks, self._full = self._full, []
        self._events = self.bytes = 0
        self.is_urgent = False
        return chunks

    def _part(self, place: Place, event: Event, size: int, limits: BatchLimits) -> Part:
        """Return the part that an event goes into, which has room for it."""
        part = self._parts.get(place)
        if part is not None and (part.events >= limits.events or part.bytes + size > limits.bytes):
            self._cut(place)
            part = None
        if part is None:
            part = self._parts[place] = Part(event.received, limits)
        return part

    def _begin_run(
        self, destinations: Sequence[tuple[Route, Event]], size: int, limits: Mapping[str, BatchLimits]
    ) -> None:
        """Begin a run with an event."""
        self._end_run()
        event = destinations[0][1]
        places = [(to.lane, to.prio) for to, _ in destinations]
        named = [None if one is event else (one.rule, one.into) for _, one in destinations]
        group = tuple(zip(places, named, strict=True))
        parts = [self._part((to.lane, to.prio), event, size, limits[to.worker]) for to, _ in destinations]
        common = self._common.get(group)
        if common is None:
            common = self._common[group] = common_of(group, parts)
        routes = [to for to, _ in destinations]
        self._run = Run(common, routes, event)
        self._run.takes(routes, event, size)

    def _end_run(self) -> None:
        if self._run is not None:
            self._run.end()
            self._run = None

    def _added(self, events: int, size: int, is_urgent: bool) -> None:
        if not self._events:
            self.since = time.monotonic()
        self._events += events
        self.bytes += size
        if is_urgent or self._events >= _MOST_EVENTS or self.bytes >= MOST_BYTES:
            self.is_urgent = True

    def _cut(self, place: Place) -> None:
        part = self._parts.pop(place)
        for one in part.held:
            # What comes from now on goes into another chunk of this lane. Parts and what they have in common know each
            # other: a circle would be in memory until Python's collector comes by.
            if ended := self._common.pop(one.common.group, None):
                ended.holders.clear()
        try:
            self._full.append(chunk_of(*place, part))
        except Exception as exc:
            self._left_out(exc, part.events)
