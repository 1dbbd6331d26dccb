"""
Doorstep: what Salt hands to the job cache, on disk before anything else happens to it.

Any process of the master writes here (:mod:`salt_eventsd.spool.doorstep_hand`), without waiting for an engine or a
database: loads of jobs, from which ``get_load`` answers at once, and returns. The engine takes both in, puts them on
the way of all events, and sweeps what is old, which is what this file is about. It is one SQLite file beside the
spool's, of which each process opens its own connection.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from typing import Any

from salt_eventsd.spool.doorstep_file import FILE
from salt_eventsd.spool.doorstep_hand import HandedOver
from salt_eventsd.spool.doorstep_rows import LOAD, Load, Queue, Returned

__all__ = ["FILE", "Doorstep", "Load", "Queue", "Returned"]

_CURSOR = "SELECT value FROM meta WHERE key = 'taken'"
#: A job whose returns are not to be kept may take so long, in seconds.
_NOCACHE_SECONDS = 86400.0
#: Of what is taken in, so much is in memory at once, in bytes; one is at least.
_MOST_BYTES = 8 * 2**20


class Doorstep(HandedOver):
    """What Salt has handed to its job cache, and the engine has not taken in or not swept yet."""

    def changed(self, limit: int) -> list[Load]:
        """
        Return jobs that the engine has not taken in as they are now.

        :param limit: how many at most; fewer if they are large.
        :raises SpoolError: the file cannot be read.
        """
        found = self.look(
            lambda db: _some(db.execute(f"SELECT {LOAD} FROM loads WHERE changed > 0 LIMIT ?", (limit,))), []
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
            rows = db.execute(f"SELECT {LOAD} FROM loads WHERE changed = 0 AND NOT nocache")
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
