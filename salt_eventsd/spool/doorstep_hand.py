"""
What Salt puts on the doorstep, and asks it for: a job id that is free, loads, minions, returns.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable

from salt_eventsd.spool.doorstep_file import DoorstepFile
from salt_eventsd.spool.doorstep_rows import LOAD, Load, Returned, load_of, with_minions


class HandedOver(DoorstepFile):
    """What Salt hands to its job cache."""

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
            known = load_of(db, jid)
            if known is None:
                packed = with_minions(b"\x80", "", minions)
                db.execute(
                    "INSERT INTO loads (jid, load, is_return, minions, stamp, changed) VALUES (?, ?, ?, ?, ?, ?)",
                    (jid, load, is_return, packed, time.time(), int(not is_return)),
                )
                return
            better = known.load is None or (known.is_return and not is_return)
            packed = with_minions(known.packed_minions, "", minions)
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
            known = load_of(db, jid)
            packed = with_minions(known.packed_minions if known else b"\x80", syndic, minions)
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
        found: Load | None = self.look(lambda db: load_of(db, jid), None)
        return found

    def loads(self) -> list[Load]:
        """
        Return all jobs whose load is known.

        :raises SpoolError: the file cannot be read.
        """
        found = self.look(
            lambda db: db.execute(f"SELECT {LOAD} FROM loads WHERE load IS NOT NULL ORDER BY jid").fetchall(), []
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
