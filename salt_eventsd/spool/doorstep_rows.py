"""
The rows of the doorstep: jobs, returns, and what waits for the engine.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

#: The columns of :class:`Load`.
LOAD = "jid, load, is_return, minions, nocache, endtime, stamp, changed"
_minions_of = msgspec.msgpack.Decoder(dict[str, list[str]]).decode


class Load(NamedTuple):
    """
    What is known of a job.

    :param load: MessagePack; None if only its minions, or its mark, are known.
    :param is_return: the load is that of a return, for want of another.
    :param minions: its minions, packed: by the syndic that named them, "" for the master itself.
    :param nocache: its returns are not to be kept.
    :param endtime: when it ended, as Salt writes it.
    :param stamp: when it was first told of, in seconds since 1970 UTC.
    :param changed: how often it has changed since the engine took it in.
    """

    jid: str
    load: bytes | None
    is_return: int
    packed_minions: bytes
    nocache: int
    endtime: str | None
    stamp: float
    changed: int

    @property
    def minions(self) -> list[str]:
        """All its minions, sorted, without the syndics that named some of them."""
        named = self.minions_by_syndic
        return sorted({one for some in named.values() for one in some}.difference(named))

    @property
    def minions_by_syndic(self) -> dict[str, list[str]]:
        """Its minions, by the id of the syndic that named them, "" for the master itself."""
        return _minions_of(self.packed_minions)


class Returned(NamedTuple):
    """
    A return on the doorstep.

    :param stamp: when it was fired on the bus, in seconds since 1970 UTC; None if it was not.
    :param received: when it was put here.
    :param payload: MessagePack.
    """

    id: int
    jid: str
    minion: str
    stamp: float | None
    received: float
    payload: bytes


class Queue(NamedTuple):
    """
    What the engine has not taken in yet.

    :param waiting: how many returns.
    :param oldest: when the oldest of them was put here, in seconds since 1970 UTC; 0 if there is none.
    :param refused: how much has been refused so far for want of room, by all processes together.
    """

    waiting: int = 0
    oldest: float = 0.0
    refused: int = 0


def load_of(db: sqlite3.Connection, jid: str) -> Load | None:
    """
    Return what the file knows of a job; None if nothing.

    :param db: the file.
    :param jid: the job id.
    """
    row = db.execute(f"SELECT {LOAD} FROM loads WHERE jid = ?", (jid,)).fetchone()
    return Load(*row) if row else None


def with_minions(packed: bytes, syndic: str, minions: Iterable[str] | None) -> bytes:
    """
    Return packed minions with further ones.

    :param packed: those that are known.
    :param syndic: the id of the syndic that names the further ones, "" for the master itself.
    :param minions: the further ones.
    """
    if not minions:
        return packed
    known = _minions_of(packed)
    known[syndic] = sorted({*known.get(syndic, ()), *map(str, minions)})
    return msgspec.msgpack.encode(known)
