"""
Doorstep: what Salt hands to the job cache, on disk before anything else happens to it.

Any process of the master writes here, without waiting for an engine or a database: loads of jobs, from which
``get_load`` answers at once, and returns. The engine takes both in, puts them on the way of all events, and sweeps what
is old. It is one SQLite file beside the spool's, of which each process opens its own connection.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from salt_eventsd.spool.doorstep_file import FILE, DoorstepFile

__all__ = ["FILE", "Doorstep", "Load", "Queue", "Returned"]

_LOAD = "jid, load, is_return, minions, nocache, endtime, stamp, changed"
_CURSOR = "SELECT value FROM meta WHERE key = 'taken'"
#: A job whose returns are not to be kept may take so long, in seconds.
_NOCACHE_SECONDS = 86400.0
#: Of what is taken in, so much is in memory at once, in bytes; one is at least.
_MOST_BYTES = 8 * 2**20
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


class Doorstep(DoorstepFile):
    """What Salt has handed to its job cache, and the engine has not taken in or not swept yet."""

    def reserve(self, jid: str, nocache: bool = False) -> bool:
        """
        Note that a job id is in use, and return whether it was free.

        :param jid: the job id.
        :param nocache: the job's returns are not to be kept.
        :raises SpoolError: the file cannot be written.
        """
        known = self.load(jid)
        if known is not None and (known.nocache or not nocache):
            return False

        def note(db: sqlite3.Connection) -> bool:
            values = (jid, int(nocache), time.time())
            # Another process may have noted it just now.
            if db.execute("INSERT OR IGNORE INTO loads (jid, nocache, stamp) VALUES (?, ?, ?)", values).rowcount > 0:
                return True
            db.execute("UPDATE loads SET nocache = max(nocache, ?2) WHERE jid = ?1", values[:2])
            return False

        self.room(len(jid))
        return self.run(note)

    def put_load(self, jid: str, load: bytes, minions: Iterable[str] | None = None, is_return: bool = False) -> None:
        """
        Keep a job's load. The first one stays; one of a return gives way to one of a publication. Minions add up.

        :param jid: the job id.
        :param load: MessagePack.
        :param minions: the minions it was sent to.
        :param is_return: it is what a minion has returned.
        :raises SpoolError: the file cannot be written.
        """

        def put(db: sqlite3.Connection) -> None:
            known = _load_of(db, jid)
            if known is None:
                packed = _with_minions(b"\x80", "", minions)
                db.execute(
                    "INSERT INTO loads (jid, load, is_return, minions, stamp, changed) VALUES (?, ?, ?, ?, ?, ?)",
                    (jid, load, is_return, packed, time.time(), int(not is_return)),
                )
                return
            better = known.load is None or (known.is_return and not is_return)
            packed = _with_minions(known.packed_minions, "", minions)
            if not better and packed == known.packed_minions:
                return
            kept, of_return = (load, int(is_return)) if better else (known.load, known.is_return)
            db.execute(
                "UPDATE loads SET load = ?, is_return = ?, minions = ?, changed = changed + ? WHERE jid = ?",
                (kept, of_return, packed, int(not of_return), jid),
            )

        self.room(len(load) + (self.kept_free if is_return else 0))
        self.run(put)

    def add_minions(self, jid: str, minions: Iterable[str], syndic: str = "") -> None:
        """
        Add minions to a job.

        :param jid: the job id.
        :param minions: their ids.
        :param syndic: the id of the syndic that names them.
        :raises SpoolError: the file cannot be written.
        """

        def add(db: sqlite3.Connection) -> None:
            known = _load_of(db, jid)
            packed = _with_minions(known.packed_minions if known else b"\x80", syndic, minions)
            if known is None:
                db.execute("INSERT INTO loads (jid, minions, stamp) VALUES (?, ?, ?)", (jid, packed, time.time()))
            elif packed != known.packed_minions:
                changed = int(known.load is not None and not known.is_return)
                db.execute("UPDATE loads SET minions = ?, changed = changed + ? WHERE jid = ?", (packed, changed, jid))

        self.room(len(jid))
        self.run(add)

    def put_end(self, jid: str, endtime: str) -> None:
        """
        Note when a job ended.

        :param jid: the job id.
        :param endtime: as Salt writes it.
        :raises SpoolError: the file cannot be written.
        """
        self.run(lambda db: db.execute("UPDATE loads SET endtime = ? WHERE jid = ?", (endtime, jid)))

    def put_return(self, jid: str, minion: str, stamp: float | None, payload: bytes) -> None:
        """
        Keep a return until the engine has taken it in.

        :param jid: the job id.
        :param minion: the minion id.
        :param stamp: when it was fired on the bus, in seconds since 1970 UTC; None if it was not.
        :param payload: MessagePack.
        :raises SpoolError: the file cannot be written, or is full.
        """
        self.room(len(payload) + self.kept_free)
        self.run(
            lambda db: db.execute(
                "INSERT INTO inbox (jid, minion, stamp, received, payload)"
                " SELECT ?1, ?2, ?3, ?4, ?5 WHERE NOT EXISTS (SELECT 1 FROM loads WHERE jid = ?1 AND nocache)",
                (jid, minion, stamp, time.time(), payload),
            ),
            is_single=True,
        )

    def load(self, jid: str) -> Load | None:
        """
        Return what is known of a job; None if nothing is.

        :param jid: the job id.
        :raises SpoolError: the file cannot be read.
        """
        found: Load | None = self.look(lambda db: _load_of(db, jid), None)
        return found

    def loads(self) -> list[Load]:
        """
        Return all jobs whose load is known.

        :raises SpoolError: the file cannot be read.
        """
        found = self.look(
            lambda db: db.execute(f"SELECT {_LOAD} FROM loads WHERE load IS NOT NULL ORDER BY jid").fetchall(), []
        )
        return [Load(*row) for row in found]

    def returns(self, jid: str) -> list[Returned]:
        """
        Return the returns of a job that are still here, in the order in which they came.

        :param jid: the job id.
        :raises SpoolError: the file cannot be read.
        """
        found = self.look(
            lambda db: db.execute(
                "SELECT id, jid, minion, stamp, received, payload FROM inbox WHERE jid = ? ORDER BY id", (jid,)
            ).fetchall(),
            [],
        )
        return [Returned(*row) for row in found]

    def changed(self, limit: int) -> list[Load]:
        """
        Return jobs that the engine has not taken in as they are now.

        :param limit: how many at most; fewer if they are large.
        :raises SpoolError: the file cannot be read.
        """
        found = self.look(
            lambda db: _some(db.execute(f"SELECT {_LOAD} FROM loads WHERE changed > 0 LIMIT ?", (limit,))), []
        )
        return [Load(*row) for row in found]

    def waiting(self, limit: int, before: float) -> list[Returned]:
        """
        Return returns that the engine has not taken in, in the order in which they came.

        :param limit: how many at most; fewer if they are large.
        :param before: only those that were put here before this, in seconds since 1970 UTC.
        :raises SpoolError: the file cannot be read.
        """

        def find(db: sqlite3.Connection) -> list[Any]:
            taken = (db.execute(_CURSOR).fetchone() or (0,))[0]
            return _some(
                db.execute(
                    "SELECT id, jid, minion, stamp, received, payload FROM inbox WHERE id > ? ORDER BY id LIMIT ?",
                    (taken, limit),
                )
            )

        now = time.time()
        found = []
        for row in self.look(find, []):
            one = Returned(*row)
            # A clock that was set back must not keep a return here for long.
            if before <= one.received <= now:
                break
            found.append(one)
        return found

    def nocache(self, limit: int) -> list[str]:
        """
        Return the ids of the latest jobs whose returns are not to be kept, the oldest of them first.

        :param limit: how many at most.
        :raises SpoolError: the file cannot be read.
        """
        found = self.look(
            lambda db: db.execute(
                "SELECT jid FROM loads WHERE nocache ORDER BY stamp DESC LIMIT ?", (limit,)
            ).fetchall(),
            [],
        )
        return [jid for (jid,) in reversed(found)]

    def is_nocache(self, jid: str) -> bool:
        """
        Say whether a job's returns are not to be kept.

        :param jid: the job id.
        :raises SpoolError: the file cannot be read.
        """
        found = self.look(lambda db: db.execute("SELECT nocache FROM loads WHERE jid = ?", (jid,)).fetchone(), None)
        return bool(found and found[0])

    def taken(self, loads: Sequence[Load], last_return: int) -> None:
        """
        Note what the engine has taken in. Jobs that have changed in between stay to be taken in once more.

        :param loads: jobs, as they were.
        :param last_return: the number of the last return; 0 for none.
        :raises SpoolError: the file cannot be written.
        """

        now = time.time()

        def note(db: sqlite3.Connection) -> None:
            db.executemany(
                "UPDATE loads SET changed = 0, taken = ? WHERE jid = ? AND changed = ?",
                [(now, one.jid, one.changed) for one in loads],
            )
            # Of a file that was begun anew in between, nothing has been taken in.
            db.execute(
                "INSERT OR REPLACE INTO meta SELECT 'taken', ?1 WHERE EXISTS (SELECT 1 FROM inbox WHERE id = ?1)",
                (last_return,),
            )

        self.run(note)

    def last_taken(self) -> int:
        """
        Return the number of the last return that the engine has taken in.

        :raises SpoolError: the file cannot be read.
        """
        found = self.look(lambda db: db.execute(_CURSOR).fetchone(), None)
        return int(found[0]) if found else 0

    def queue(self) -> Queue:
        """
        Return what waits for the engine.

        :raises SpoolError: the file cannot be read.
        """

        def ask(db: sqlite3.Connection) -> Queue:
            meta = dict(db.execute("SELECT key, value FROM meta").fetchall())
            taken = meta.get("taken", 0)
            first = db.execute("SELECT received FROM inbox WHERE id > ? ORDER BY id LIMIT 1", (taken,)).fetchone()
            # Ids have no holes: returns are deleted from the oldest on.
            newest = db.execute("SELECT max(id) FROM inbox").fetchone()[0]
            waiting = newest - max(taken, 0) if first else 0
            return Queue(waiting, first[0] if first else 0.0, meta.get("refused", 0))

        found: Queue = self.look(ask, Queue())
        return found

    def forget(self, minion: str) -> int:
        """
        Delete what is here of a minion and the engine has taken in, and return how much that was.

        :param minion: its id.
        :raises SpoolError: the file cannot be written.
        """

        def delete(db: sqlite3.Connection) -> int:
            taken = (db.execute(_CURSOR).fetchone() or (0,))[0]
            gone = db.execute("DELETE FROM inbox WHERE minion = ? AND id <= ?", (minion, taken)).rowcount
            rows = db.execute(f"SELECT {_LOAD} FROM loads WHERE changed = 0 AND NOT nocache")
            naming = [(one.jid,) for row in rows if minion in (one := Load(*row)).minions]
            # What the engine has taken in of these jobs is answered from the database.
            db.executemany("DELETE FROM loads WHERE jid = ? AND changed = 0", naming)
            return gone + len(naming)

        found: int = self.run(delete) if self.path.exists() else 0
        return found

    def sweep(self, before: float, last_return: int, limit: int = 2000) -> int:
        """
        Delete what the engine has taken in, and return how much of it there was.

        :param before: jobs taken in before this, in seconds since 1970 UTC.
        :param last_return: returns up to this number; never any that has not been taken in.
        :param limit: how many rows at most, of returns and of jobs.
        :raises SpoolError: the file cannot be written.
        """

        def delete(db: sqlite3.Connection) -> int:
            taken = (db.execute(_CURSOR).fetchone() or (0,))[0]
            returns = db.execute(
                "DELETE FROM inbox WHERE id IN (SELECT id FROM inbox WHERE id <= ? ORDER BY id LIMIT ?)",
                (min(last_return, taken), limit),
            ).rowcount
            loads = db.execute(
                "DELETE FROM loads WHERE jid IN (SELECT jid FROM loads"
                " WHERE stamp < ?1 AND changed = 0 AND (taken IS NULL OR taken < ?1) AND (NOT nocache OR stamp < ?3)"
                " LIMIT ?2)",
                (before, limit, before - _NOCACHE_SECONDS),
            ).rowcount
            return max(0, returns) + max(0, loads)

        gone = self.run(delete)
        if gone:
            self.look(lambda db: db.execute("PRAGMA incremental_vacuum(500)").fetchall(), [])
        return gone


def _some(rows: sqlite3.Cursor) -> list[Any]:
    """Return rows until they are as large as one may have in memory."""
    found, size = [], 0
    for row in rows:
        found.append(row)
        size += sum(len(value) for value in row if isinstance(value, bytes))
        if size > _MOST_BYTES:
            break
    rows.close()
    return found


def _load_of(db: sqlite3.Connection, jid: str) -> Load | None:
    row = db.execute(f"SELECT {_LOAD} FROM loads WHERE jid = ?", (jid,)).fetchone()
    return Load(*row) if row else None


def _with_minions(packed: bytes, syndic: str, minions: Iterable[str] | None) -> bytes:
    """Return packed minions with further ones."""
    if not minions:
        return packed
    known = _minions_of(packed)
    known[syndic] = sorted({*known.get(syndic, ()), *map(str, minions)})
    return msgspec.msgpack.encode(known)
