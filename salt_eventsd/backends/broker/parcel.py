"""
Parcels: chunks of one lane as they travel through a broker. The format is MessagePack, compressed with zlib.

A chunk is cut into parts of :data:`PART_BYTES` at the same events every time, whatever the broker's limits are: a part
has a receipt of its own, and would be written twice if it were cut elsewhere when it comes again.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

import msgspec

from salt_eventsd.common.grouping import grouped
from salt_eventsd.event.chunk import StoredChunk, encode_event, encode_events
from salt_eventsd.event.parse import Event
from salt_eventsd.exceptions import EventsdError

#: The version of the format. A writer that knows only older ones leaves the parcel to newer writers.
VERSION = 1
#: How many bytes of events a part has at most, before they are compressed; an event alone may have more.
PART_BYTES = 512 * 1024
#: What a parcel has besides its events, in bytes, at most; a broker has to take messages of the sum of both.
OVERHEAD_BYTES = 64 * 1024
#: How many parts a parcel has at most, so that its beginning stays small.
MOST_PARTS = 200
#: More than this is no parcel of ours: what a few bytes unpack to is limited.
MOST_UNPACKED_BYTES = 1024**3
#: Fast; half of what the best level saves costs ten times as much.
_LEVEL = 1
#: Receipts have room for names of lives of so many characters.
_LIFE_LENGTH = 32
#: The keys of a rule that say how its events are written.
_DECIDING = ("table", "columns", "upsert", "statement", "fields", "missing")
_UNREADABLE = (zlib.error, msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Broken(EventsdError):
    """This is no parcel, or only a piece of one."""


class TooNew(EventsdError):
    """This parcel was made by a newer version."""


class Part(msgspec.Struct, frozen=True, array_like=True):
    """
    A chunk, or the events of one that have room in a part.

    :param chunk: the chunk's id.
    :param life: the life it was put in.
    :param first: see :class:`~salt_eventsd.event.chunk.StoredChunk`.
    :param oldest: when its oldest event was read, in seconds since 1970 UTC.
    :param number: which part of the chunk it is, from 0.
    :param position: which of the chunk's events is its first, from 0.
    :param events: how many it has.
    :param payload: of these events, see :func:`~salt_eventsd.event.chunk.encode_events`.
    """

    chunk: int
    life: str
    first: int
    oldest: float
    number: int
    position: int
    events: int
    payload: bytes

    @property
    def receipt(self) -> StoredChunk:
        """
        What the receipts in a database know it by, but for the lane, which the parcel has. Parts behind the first stand
        in lives of their own, so that the number of a chunk stays unique in a life.
        """
        life = self.life
        if self.number or len(life) > _LIFE_LENGTH:
            life = hashlib.sha256(f"{life}.{self.number}".encode()).hexdigest()[:_LIFE_LENGTH]
        # Neighbours of chunks have receipts in common; those of later parts are not there for each chunk.
        first = self.chunk if self.number else self.first
        return StoredChunk(self.chunk, "", False, self.events, len(self.payload), self.oldest, life, first)


class Parcel(msgspec.Struct, frozen=True, array_like=True):
    """
    A parcel.

    :param version: of the format; stays first for ever, so that any reader finds it.
    :param worker: the name of the worker it is for.
    :param lane: its lane's name.
    :param prio: whether its events are written at once.
    :param master: the id of the master that made it.
    :param oldest_chunk: the master's spool holds no chunk of this lane and life with a lower id.
    :param rules: by the name of each rule its events came by, :func:`fingerprint` of the rule.
    :param parts: in order; all of one life.
    """

    version: int
    worker: str
    lane: str
    prio: bool
    master: str
    oldest_chunk: int
    rules: dict[str, str]
    parts: list[Part]

    @property
    def events(self) -> int:
        """How many events it has."""
        return sum(part.events for part in self.parts)

    @property
    def id(self) -> str:
        """
        Names it: the same parts have the same. A machine that was put back in time gives numbers again that other
        chunks have had, so their events count, too.
        """
        first, last = self.parts[0], self.parts[-1]
        digest = hashlib.blake2b(self.lane.encode(), digest_size=12)
        for part in self.parts:
            digest.update(part.payload)
        return f"{first.life}:{first.chunk}.{first.number}-{last.chunk}.{last.number}:{digest.hexdigest()}"


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Parcel)
_VERSION = msgspec.msgpack.Decoder(list[msgspec.Raw])


def parts(chunks: Iterable[tuple[StoredChunk, Sequence[Event]]]) -> Iterator[Part]:
    """
    Cut chunks into parts.

    :param chunks: each with its events, in order.
    """
    for chunk, events in chunks:
        position = 0
        for number, (count, payload) in enumerate(_cut(events)):
            yield Part(chunk.id, chunk.life, chunk.first, chunk.oldest, number, position, count, payload)
            position += count


def _cut(events: Sequence[Event]) -> Iterator[tuple[int, bytes]]:
    """Yield how many events each part has, and their payload."""
    whole = encode_events(events)
    if len(whole) <= PART_BYTES:
        yield len(events), whole
        return
    sized = [(event, len(encode_event(event))) for event in events]
    for some in grouped(sized, lambda pair: pair[1], PART_BYTES):
        yield len(some), encode_events([event for event, _ in some])


def parcels(some: Iterable[Part], head: Parcel) -> Iterator[Parcel]:
    """
    Put parts together to parcels.

    :param some: the parts, in order.
    :param head: a parcel without parts: what all of them have in common.
    """
    for _, same in groupby(some, key=lambda part: part.life):
        for group in grouped(list(same), lambda part: len(part.payload), PART_BYTES, MOST_PARTS):
            yield msgspec.structs.replace(head, parts=list(group))


def encode(parcel: Parcel) -> bytes:
    """Return a parcel as it travels."""
    return zlib.compress(_ENCODER.encode(parcel), _LEVEL)


def decode(body: bytes) -> Parcel:
    """
    Return a parcel.

    :param body: from :func:`encode`, or anything that somebody else has sent.
    :raises Broken: it is none.
    :raises TooNew: it is one that only newer versions know.
    """
    try:
        unpacking = zlib.decompressobj()
        plain = unpacking.decompress(body, MOST_UNPACKED_BYTES)
        if not unpacking.eof or unpacking.unused_data:
            raise Broken("not a parcel, or only a piece of one")
        version = msgspec.msgpack.decode(_VERSION.decode(plain)[0], type=int)
        if version > VERSION:
            raise TooNew(f"a parcel of version {version}; this writer knows those up to {VERSION}")
        parcel = _DECODER.decode(plain)
    except (*_UNREADABLE, IndexError) as exc:
        raise Broken(f"not a parcel, or only a piece of one: {exc}") from exc
    if not parcel.parts:
        raise Broken("a parcel without anything in it")
    return parcel


def fingerprint(rule: object) -> str:
    """
    Return what tells how a rule writes from how another of its name does: a writer whose rule differs can say so. Which
    events a rule takes is the master's business alone.

    :param rule: as configured, a struct.
    """
    given = msgspec.to_builtins(rule, str_keys=True)
    deciding = {key: given.get(key) for key in _DECIDING}
    return hashlib.sha256(msgspec.json.encode(deciding, order="sorted")).hexdigest()[:16]
