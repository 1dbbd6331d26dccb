"""
Put dead letters back: each is published again, and leaves the dead letters only after that.

An event becomes a parcel in a life of its own, which the letter decides: given again after an interruption, it is the
same parcel, and written once. A whole parcel goes as it came.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import msgspec

from salt_eventsd.backends.broker import parcel
from salt_eventsd.backends.broker.interface import Letter, Letters, Publisher, Sent
from salt_eventsd.event.chunk import StoredChunk, decode_event, encode_event

#: Names of lives have so many characters.
_LIFE_LENGTH = 32


def requeue(letters: Letters, publisher: Publisher, some: Iterable[Letter]) -> int:
    """
    Put dead letters back, and return how many.

    :param letters: has them.
    :param publisher: publishes them.
    :param some: which of them.
    :raises WorkerError: the broker does not take one; those before it are back.
    """
    count = 0
    for letter in some:
        publisher.publish([sent_again(letter)])
        count += letters.discard(letter.id)
    return count


def sent_again(letter: Letter) -> Sent:
    """
    Return what is published for a dead letter.

    :param letter: the letter.
    """
    life = hashlib.sha256(b"%d %r %b" % (letter.id, letter.buried, letter.body)).hexdigest()[:_LIFE_LENGTH]
    if letter.is_parcel:
        return Sent(f"{life}:again", letter.worker, letter.lane, False, letter.master, letter.body)
    event = decode_event(letter.body, letter.buried)
    chunk = StoredChunk(1, letter.lane, False, 1, len(encode_event(event)), event.received, life, 1)
    head = parcel.Parcel(parcel.VERSION, letter.worker, letter.lane, False, letter.master, 1, {}, [])
    made = msgspec.structs.replace(head, parts=list(parcel.parts([(chunk, [event])])))
    return Sent(made.id, made.worker, made.lane, made.prio, made.master, parcel.encode(made))
