"""
Chunks: some events of one lane, encoded once, as they travel through the spool. The encoding is MessagePack.

Events that several lanes get are encoded once for all of them; :mod:`salt_eventsd.event.sharing` puts a chunk together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from salt_eventsd.event.parse import Event, undecodable

#: What ``into`` says of an event that goes to a table or a statement of the user's own.
OWN = "own"

#: What decoding raises of bytes that a disk has changed.
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError)
_ENCODER = msgspec.msgpack.Encoder()
_EVENT = msgspec.msgpack.Decoder(Event)
_EVENTS = msgspec.msgpack.Decoder(list[Event])


class Shared(msgspec.Struct, frozen=True, eq=False):
    """
    Events of one commit that the chunks of several lanes have in common.

    :param payload: from :func:`encode_events`.
    """

    payload: bytes


class Share(NamedTuple):
    """
    What a chunk has in common with chunks of other lanes.

    :param shared: the events.
    :param rule: the name of the rule that takes them to this lane; None if it is the one they name.
    :param into: the table they go into; None if it is the one they name.
    """

    shared: Shared
    rule: str | None = None
    into: str | None = None


class Chunk(msgspec.Struct, frozen=True):
    """
    Some events of one lane and one group commit, before the spool has given them an id.

    :param lane: the lane's name, from :func:`lane_of`.
    :param prio: whether they are written at once.
    :param events: how many they are.
    :param oldest: when the oldest of its events was read, in seconds since 1970 UTC.
    :param payload: the events that this lane alone gets, from :func:`encode_events`.
    :param shares: the others.
    :param ordering: in which order they came, from :func:`salt_eventsd.event.sharing.encode_ordering`; None without
        shares.
    """

    lane: str
    prio: bool
    events: int
    oldest: float
    payload: bytes
    shares: tuple[Share, ...] = ()
    ordering: bytes | None = None

    @property
    def bytes(self) -> int:
        """The size of all its events."""
        return len(self.payload) + sum(len(one.shared.payload) for one in self.shares)


class StoredChunk(msgspec.Struct, frozen=True):
    """
    A chunk in the spool; its payload is read when it is written.

    :param id: its number in the spool's file.
    :param lane: the lane's name.
    :param bytes: the size of all its events, those included that it shares.
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


class Contents(NamedTuple):
    """
    What is in a chunk.

    :param events: its events.
    :param is_whole: whether it could be decoded; if a disk has changed it, one event holds what is left of it as text.
    """

    events: list[Event]
    is_whole: bool = True


def encode_events(events: Sequence[Event]) -> bytes:
    """Encode events as a chunk's payload: an array of arrays."""
    return _ENCODER.encode(events)


def events_of(payload: bytes) -> list[Event]:
    """
    Return the events of a payload.

    :param payload: from :func:`encode_events`.
    :raises msgspec.DecodeError: a disk has changed it.
    :raises UnicodeDecodeError: the same.
    """
    return _EVENTS.decode(payload)


def decode_events(payload: bytes, now: float) -> Contents:
    """
    Return what is in a chunk.

    :param payload: from :func:`encode_events`, a disk may have changed it.
    :param now: seconds since 1970 UTC.
    """
    try:
        return Contents(events_of(payload))
    except UNREADABLE:
        return Contents([undecodable(payload, now)], is_whole=False)


def encode_event(event: Event) -> bytes:
    """Encode one event, as a dead letter keeps it."""
    return _ENCODER.encode(event)


def decode_event(encoded: bytes, now: float) -> Event:
    """
    Return an event, or one that holds what is left of it as text.

    :param encoded: from :func:`encode_event`, a disk may have changed it.
    :param now: seconds since 1970 UTC.
    """
    try:
        return _EVENT.decode(encoded)
    except UNREADABLE:
        return undecodable(encoded, now)


def lane_of(worker: str, rule: str, into: str) -> str:
    """
    Return the name of an event's lane. A rule with a table or a statement of the user's own has a lane for itself: what
    is wrong with it holds up no other rule.

    :param worker: the worker's name.
    :param rule: the rule's whole name.
    :param into: what the event has as its ``into``.
    """
    return f"{worker}:{rule}" if into == OWN else worker
