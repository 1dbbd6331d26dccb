"""
Unpack: what a broker hands out becomes a parcel that is what it says it is, and its events.

Whoever may publish to one subject of the stream may put anything there. A parcel that names another worker, lane or
master than its subject does speaks for somebody else, and is none of ours.
"""

from __future__ import annotations

import time
from typing import NamedTuple

import msgspec

from salt_eventsd.backends.broker.interface import Delivered
from salt_eventsd.backends.broker.parcel import Broken, Parcel, decode
from salt_eventsd.event.chunk import StoredChunk, decode_events
from salt_eventsd.event.parse import Event


class Piece(NamedTuple):
    """
    A part of a parcel.

    :param receipt: what the receipts in a database know it by.
    :param position: which event of its chunk is its first.
    """

    receipt: StoredChunk
    position: int
    events: list[Event]


def unpack(delivered: Delivered, worker: str) -> tuple[Parcel, list[Piece]]:
    """
    Return a parcel and its pieces.

    :param delivered: from the broker.
    :param worker: the name of the worker it was pulled for.
    :raises Broken: it is no parcel, or one that speaks for another.
    :raises TooNew: it was made by a newer version.
    """
    parcel = decode(delivered.body)
    for what, told, meant in (
        ("worker", parcel.worker, worker),
        ("lane", parcel.lane, delivered.lane),
        ("master", parcel.master, delivered.master),
    ):
        if told != meant:
            raise Broken(f"a parcel of {what} {told!r} that came as one of {meant!r}")
    now = time.time()
    pieces = []
    for part in parcel.parts:
        events, is_whole = decode_events(part.payload, now)
        if not is_whole:
            raise Broken(f"the events of chunk {part.chunk} cannot be read")
        receipt = msgspec.structs.replace(part.receipt, lane=parcel.lane)
        pieces.append(Piece(receipt, part.position, events))
    if len({piece.receipt.id for piece in pieces}) < len(pieces):
        raise Broken("a parcel with two parts of one chunk")
    return parcel, pieces
