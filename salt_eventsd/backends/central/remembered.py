"""
What the broker has and no writer has confirmed, in a file beside the spool: a restart forgets none of it.

It only serves to say how much is lost with a stream, so it stops nothing: if the file cannot be read or written, that
is logged once, and the worker begins a new one or does without.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from salt_eventsd.redact.error_text import one_line

log = logging.getLogger(__name__)

_TABLE = (
    "CREATE TABLE IF NOT EXISTS parcels"
    " (id TEXT PRIMARY KEY, life TEXT NOT NULL, sequence INTEGER NOT NULL, events INTEGER NOT NULL)"
)


class Kept(NamedTuple):
    """
    A parcel that the broker has taken.

    :param life: see :class:`~salt_eventsd.backends.broker.interface.Place`.
    :param sequence: its number in that life.
    :param events: how many it has.
    """

    life: str
    sequence: int
    events: int


class Remembered:
    """
    The file.

    :param path: where it is; None to remember nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._db: sqlite3.Connection | None = None
        self._mutex = threading.Lock()

    def load(self) -> dict[str, Kept]:
        """Return the parcels by their ids, oldest first."""
        found: dict[str, Kept] = {}
        with self._mutex:
            for _ in range(2):
                try:
                    self._open()
                    if self._db is not None:
                        rows = self._db.execute("SELECT id, life, sequence, events FROM parcels ORDER BY rowid")
                        found = {id_: Kept(*rest) for id_, *rest in rows}
                    return found
                except (sqlite3.DatabaseError, OSError) as exc:
                    self._give_up(exc, is_broken=not isinstance(exc, sqlite3.OperationalError))
        return found

    def change(self, new: Mapping[str, Kept], gone: Iterable[str]) -> None:
        """
        Note what has become different.

        :param new: parcels that the broker has taken.
        :param gone: the ids of those that need not be remembered.
        """
        with self._mutex:
            if self._db is None:
                return
            try:
                with self._db:
                    self._db.executemany("DELETE FROM parcels WHERE id = ?", [(id_,) for id_ in gone])
                    self._db.executemany(
                        "INSERT OR REPLACE INTO parcels VALUES (?, ?, ?, ?)",
                        [(id_, *kept) for id_, kept in new.items()],
                    )
            except sqlite3.Error as exc:
                self._give_up(exc, is_broken=False)

    def close(self) -> None:
        """Close the file."""
        with self._mutex:
            if self._db is not None:
                self._db.close()
                self._db = None

    def _open(self) -> None:
        if self._path is None or self._db is not None:
            return
        self._path.touch(mode=0o600)
        db = sqlite3.connect(self._path, check_same_thread=False)
        try:
            # A commit outlives the process; after a power failure the last ones may be missing, and none is torn.
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=NORMAL")
            db.execute(_TABLE)
        except BaseException:
            db.close()
            raise
        self._db = db

    def _give_up(self, exc: Exception, *, is_broken: bool) -> None:
        what = "it is begun anew" if is_broken else "what a lost stream had is counted since this start only"
        log.warning("eventsd: %s: %s; %s", self._path, one_line(exc), what)
        if self._db is not None:
            with closing(self._db):
                self._db = None
        if is_broken and self._path is not None:
            for end in ("", "-wal", "-shm"):
                self._path.with_name(self._path.name + end).unlink(missing_ok=True)
