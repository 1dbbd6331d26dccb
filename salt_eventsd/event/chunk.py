"""
Chunks: some events of one lane, encoded once, as they travel through the spool.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from salt_eventsd.event.parse import Event

#: What ``into`` says of an event that goes to a table or a statement of the user's own.
OWN = "own"


class Chunk(msgspec.Struct, frozen=True):
    """
    Some events of one lane and one group commit, before the spool has given them an id.

    :param lane: the lane's name, from :func:`lane_of`.
    :param payload: from :func:`encode_events`.
    :param oldest: when the oldest of its events was read, in seconds since 1970 UTC.
    """

    lane: str
    prio: bool
    events: int
    oldest: float
    payload: bytes


class StoredChunk(msgspec.Struct, frozen=True):
    """
    A chunk in the spool; its payload is read when it is written.

    :param life: the id of the life it was put in.
    :param first: no chunk of its lane and life has an id from this one on to its own.
    """

    id: int
    lane: str
    prio: bool
    events: int
    bytes: int
    oldest: float
    life: str = ""
    first: int = 0


class Totals(msgspec.Struct, frozen=True):
    """What the spool holds for one lane."""

    events: int = 0
    bytes: int = 0


#: What decoding raises of bytes that a disk has changed.
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError)


EVENTS_DECODER = msgspec.msgpack.Decoder(list[Event])


_ENCODER = msgspec.msgpack.Encoder()


def encode_events(events: Sequence[Event]) -> bytes:
    """Encode events as a chunk's payload: a MessagePack array of arrays."""
    return _ENCODER.encode(events)


def halved(chunk: Chunk) -> list[Chunk]:
    """
    Return a chunk's events as two chunks, for a disk that has no room for it as a whole.

    :param chunk: of two events or more.
    """
    events = EVENTS_DECODER.decode(chunk.payload)
    half = len(events) // 2
    return [
        Chunk(chunk.lane, chunk.prio, len(some), some[0].received, encode_events(some))
        for some in (events[:half], events[half:])
    ]


def lane_of(worker: str, rule: str, into: str) -> str:
    """
    Return the name of the queue of an event. A rule with a table or a statement of the user's own has one for itself:
    what is wrong with it holds up no other rule.

    :param worker: the worker's name.
    :param rule: the rule's whole name.
    :param into: what the event has as its ``into``.
    """
    return f"{worker}:{rule}" if into == OWN else worker
