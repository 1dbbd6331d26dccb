"""
Lives: by its life, a chunk is told from another chunk of its number.

Every opening of a file begins a life with an id of its own. A file may be an older copy of itself (a restored backup, a
snapshot, a clone on another master), and then numbers are given again that other chunks have had.
"""

from __future__ import annotations

import sqlite3
import time
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

#: When the wall clock and the monotonic one part by more than this, the machine may have been put back in time.
_DRIFT_SECONDS = 2.0


class Life(NamedTuple):
    """
    A life.

    :param number: its number in this file.
    :param id: its id, which no other life has in any file.
    """

    number: int
    id: str


class Lives:
    """
    The lives in a spool's file.

    :param transaction: gives a connection to the file in a transaction.
    :param rows: returns the rows of a query.
    """

    def __init__(
        self,
        transaction: Callable[[], AbstractContextManager[sqlite3.Connection]],
        rows: Callable[[str], list[tuple[Any, ...]]],
    ) -> None:
        #: The life of what is put now.
        self.current = Life(0, "")
        #: The ids of lives by their numbers, as far as they are known.
        self.known: dict[int, str] = {}
        self._transaction = transaction
        self._rows = rows
        self._drift = _drift()

    def opened(self, db: sqlite3.Connection) -> None:
        """
        Begin a life, and learn which others there are.

        :param db: has the file open that was opened.
        :raises sqlite3.Error: it cannot be written.
        """
        self.current = begin_life(db, uuid.uuid4().hex)
        self.known = dict(db.execute(_KNOWN).fetchall())

    def restore(self, db: sqlite3.Connection, before: dict[int, str]) -> None:
        """
        Give lives back the ids they had before the table of lives was lost.

        :param db: has the file open.
        :param before: their ids by their numbers.
        :raises sqlite3.Error: it cannot be written.
        """
        for number in before.keys() & self.known.keys() - {self.current.number}:
            db.execute("UPDATE lives SET id = ? WHERE number = ?", (before[number], number))
            self.known[number] = before[number]

    def forget_ended(self, db: sqlite3.Connection) -> None:
        """
        Forget the lives of which no chunk is left.

        :param db: has the file open.
        :raises sqlite3.Error: it cannot be written.
        """
        db.execute(
            "DELETE FROM lives WHERE number NOT IN (0, ?) AND number NOT IN (SELECT life FROM chunks)",
            (self.current.number,),
        )

    def id_of(self, number: int) -> str | None:
        """
        Return the id of a life, None if there is no such life.

        :param number: its number in this file.
        :raises SpoolError: the file cannot be read.
        """
        if number not in self.known:
            # A runner that puts dead letters back begins one, too.
            self.known = dict(self._rows(_KNOWN))
        return self.known.get(number)

    def renew(self) -> None:
        """
        Begin another life.

        :raises SpoolError: the old one goes on.
        """
        with self._transaction() as db:
            life = begin_life(db, uuid.uuid4().hex)
        self.current = life
        self.known[life.number] = life.id

    def look_at_clock(self) -> None:
        """
        Begin another life if the clocks part: the whole machine may have been put back in time, with this process.

        :raises SpoolError: that could not be noted.
        """
        if abs(_drift() - self._drift) > _DRIFT_SECONDS:
            self.renew()
            self._drift = _drift()


def begin_life(db: sqlite3.Connection, id_: str) -> Life:
    """
    Begin a life, or go on with it if it is there: what is put from now on has receipts that no other copy has given.

    :param db: has the file open.
    :param id_: the life's id, which nobody else has.
    :raises sqlite3.Error: it cannot be written.
    """
    found = db.execute("SELECT number FROM lives WHERE id = ?", (id_,)).fetchone()
    number = found[0] if found else db.execute("INSERT INTO lives (id) VALUES (?)", (id_,)).lastrowid
    return Life(number or 0, id_)


_KNOWN = "SELECT number, id FROM lives"


def _drift() -> float:
    return time.time() - time.monotonic()
