"""
Sharing: a chunk whose events are, in part, those of other lanes' chunks, too. What is shared is encoded and kept once.

Such a chunk has several sources: the events that are its own, and one for each of its shares. Each is in the order in
which its events came; the *ordering* tells how they go together: which source, how many of its events, and so on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from salt_eventsd.event.chunk import UNREADABLE, Chunk, Contents, Shared, encode_events, events_of
from salt_eventsd.event.parse import Event, undecodable

_ORDERING = msgspec.msgpack.Decoder(list[int])
encode_ordering = msgspec.msgpack.Encoder().encode


def add_run(ordering: list[int], source: int, events: int) -> None:
    """
    Add to an ordering that the next events are those of a source.

    :param ordering: of one run or more.
    :param source: its number.
    :param events: how many.
    """
    if ordering[-2] == source:
        ordering[-1] += events
    else:
        ordering += (source, events)


def arranged(sources: Sequence[Sequence[Event]], ordering: Sequence[int]) -> list[Event]:
    """
    Return the events of a chunk in the order in which they came.

    :param sources: the chunk's own events, and those of each of its shares.
    :param ordering: the number of a source, how many of its events come next, and so on.
    :raises ValueError: they do not belong together.
    """
    found: list[Event] = []
    at = [0] * len(sources)
    for source, count in zip(ordering[::2], ordering[1::2], strict=True):
        if not 0 <= source < len(sources):
            raise ValueError("a source is missing")
        found += sources[source][at[source] : at[source] + count]
        at[source] += count
    if at != [len(one) for one in sources]:
        raise ValueError("a source has more or fewer events")
    return found


def as_taken(events: list[Event], rule: str | None, into: str | None) -> list[Event]:
    """
    Return shared events as one of the lanes gets them.

    :param events: as they are kept.
    :param rule: the rule that takes them there; None if it is the one they name.
    :param into: the table they go into there; None if it is the one they name.
    """
    if rule is None or into is None:
        return events
    return [msgspec.structs.replace(event, rule=rule, into=into) for event in events]


def decode(own: bytes, shared: Iterable[tuple[bytes, str | None, str | None]], ordering: bytes, now: float) -> Contents:
    """
    Return what is in a chunk with shares.

    :param own: the events that are its own, encoded.
    :param shared: of each share the events, encoded, and the rule and table as in
        :class:`~salt_eventsd.event.chunk.Share`.
    :param ordering: from :func:`encode_ordering`.
    :param now: seconds since 1970 UTC.
    """
    some = list(shared)
    try:
        sources = [events_of(own), *(as_taken(events_of(payload), rule, into) for payload, rule, into in some)]
        return Contents(arranged(sources, _ORDERING.decode(ordering)))
    except (*UNREADABLE, ValueError):
        left = b"".join([own, *(payload for payload, _, _ in some)])
        return Contents([undecodable(left, now)], is_whole=False)


def sizes(chunks: Iterable[Chunk]) -> Iterator[int]:
    """
    Yield what each chunk takes beside those before it, in bytes: what it shares with one of them takes nothing more.

    :param chunks: in the order in which they are kept.
    """
    seen: set[Shared] = set()
    for chunk in chunks:
        size = len(chunk.payload)
        for one in chunk.shares:
            if one.shared not in seen:
                seen.add(one.shared)
                size += len(one.shared.payload)
        yield size


def halved(chunk: Chunk) -> list[Chunk]:
    """
    Return a chunk's events as two chunks that share nothing, for a disk that has no room for it as a whole.

    :param chunk: of two events or more.
    """
    events = events_of(chunk.payload)
    if chunk.ordering is not None:
        shared = [as_taken(events_of(one.shared.payload), one.rule, one.into) for one in chunk.shares]
        events = arranged([events, *shared], _ORDERING.decode(chunk.ordering))
    half = len(events) // 2
    return [
        Chunk(chunk.lane, chunk.prio, len(some), some[0].received, encode_events(some))
        for some in (events[:half], events[half:])
    ]
