"""
The spool's SQLite file: its transactions, and what happens when it breaks.

A file that is not whole any more is set aside under another name, never deleted, and a new one begun, so that a torn
page does not end the job history. Chunk ids go on from where they were: an id means one chunk, whatever file it was in.
"""

from __future__ import annotations

import itertools
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from salt_eventsd.exceptions import SpoolError
from salt_eventsd.spool_lock import lock, lock_again, sign
from salt_eventsd.spool_rescue import Identity, copied, identity
from salt_eventsd.spool_schema import connect

log = logging.getLogger(__name__)

#: The name of the file in the spool's folder.
FILE = "spool.db"
#: What is left free of the disk, in bytes; of a small disk no more than a quarter.
_RESERVE_BYTES = 16 * 2**20
#: How much of the free pages inside the file is counted on: rows take more than their payload.
_FREE_PAGES_USABLE = 0.8
#: What SQLite says of a file that is not whole any more.
_BROKEN = ("malformed", "not a database", "Could not decode to UTF-8", "no such table")


class SpoolFile:
    """
    The file in a folder, locked until :meth:`close`. Every call is thread-safe.

    :param folder: where; on a disk of the master's own, not a network's. It is made, with mode 0700, if need be.
    :raises SpoolBusy: another engine has it open.
    :raises SpoolError: it cannot be opened.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / FILE
        self.id = ""
        #: The lowest chunk id this file may hold; higher than 1 once a broken one was set aside.
        self.first_id = 1
        #: Broken files that were set aside since the start.
        self.set_aside: list[str] = []
        self._highest_id = 0
        self._identity: Identity = None
        self._is_closed = True
        self._mutex = threading.RLock()
        try:
            # One that is there already may be used by others, too; what is put into it is for us alone.
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._held = sign(lock(folder))
        except OSError as exc:
            raise SpoolError(f"eventsd: spool.dir: {folder}: {exc.strerror or exc}") from exc
        try:
            self._db = self._open()
        except (sqlite3.Error, OSError) as exc:
            self._held.close()
            raise SpoolError(f"eventsd: spool.dir: {self.path}: {exc}") from exc

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """
        Give a connection in a transaction that is committed at the end.

        :raises SpoolError: nothing was changed.
        """
        with self._mutex, self._telling():
            db = self._at_hand()
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                try:
                    if db.in_transaction:
                        db.execute("ROLLBACK")
                except sqlite3.Error:
                    # Closing rolls back, too; a connection left in a transaction would never begin another.
                    self._shut()
                raise

    def rows(self, sql: str, parameters: tuple[Any, ...] = (), patience_seconds: float = -1) -> list[tuple[Any, ...]]:
        """
        Return the rows of a query.

        :param patience_seconds: how long to wait for other threads, -1 for as long as it takes.
        :raises SpoolError: the file cannot be read, or not within the patience.
        """
        if not self._mutex.acquire(timeout=patience_seconds):
            raise SpoolError(f"eventsd: spool.dir: {self.path}: its disk stalls")
        try:
            with self._telling():
                return self._at_hand().execute(sql, parameters).fetchall()
        finally:
            self._mutex.release()

    def room_bytes(self) -> int:
        """
        Return how much more may be put, in bytes: what the disk has, less a reserve, or what the file has free inside.

        What is put is on the disk twice for a while, in the log and in the file. The reserve is there so that chunks
        can still be forgotten, which takes room too, when the disk is full.
        """
        size, free = self._disk()
        reserve = min(_RESERVE_BYTES, size // 4)
        if free - reserve > _RESERVE_BYTES:
            return (free - reserve) // 2
        # With the log copied into the file and cut off, what is free is free, and free pages can be written again. They
        # go through the log only, for which half of what the disk has is taken at a time.
        self.rows("PRAGMA wal_checkpoint(TRUNCATE)")
        _, free = self._disk()
        pages, page_bytes = self.rows("PRAGMA freelist_count")[0][0], self.rows("PRAGMA page_size")[0][0]
        return max((free - reserve) // 2, min(int(pages * page_bytes * _FREE_PAGES_USABLE), free // 2))

    def _disk(self) -> tuple[int, int]:
        """Return the disk's size and what is free of it, less what the log will need once more in the file."""
        disk = os.statvfs(self.folder)
        free = disk.f_bavail * disk.f_frsize
        with suppress(FileNotFoundError):
            free -= os.stat(f"{self.path}-wal").st_size
        return disk.f_blocks * disk.f_frsize, free

    def given(self, chunk_id: int) -> None:
        """Remember the highest id given, for the case that the file is lost."""
        self._highest_id = max(self._highest_id, chunk_id)

    def bytes_on_disk(self) -> int:
        """Return what the spool takes on disk, in bytes."""
        size = 0
        for one in self.folder.glob(f"{FILE}*"):
            with suppress(FileNotFoundError):
                size += one.stat().st_size
        return size

    def close(self) -> None:
        """Close the file and let go of the lock."""
        with self._mutex:
            self._shut()
            self._held.close()

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, UnicodeDecodeError, OSError) as exc:
            if _is_broken(exc):
                self._begin_anew(exc)
            raise SpoolError(f"eventsd: spool.dir: {self.path}: {exc}") from exc

    def _at_hand(self) -> sqlite3.Connection:
        """Return a connection to the file of our name; it may be closed, or its file deleted under it."""
        if self._is_closed and not self._held.closed:
            self._db = self._connect()
        elif not self._is_closed and identity(self.path) != self._identity:
            self._held = lock_again(self.folder, self._held)
            copy = copied(self._db, self.path)
            log.error("eventsd: %s was deleted or replaced; what was in it is put back", self.path)
            # Closing deletes the log by its name: now, before there is a new one of that name.
            self._shut()
            self._move_away("stray")
            os.replace(copy, self.path)
            self._db = self._connect()
        return self._db

    def _shut(self) -> None:
        self._is_closed = True
        with suppress(sqlite3.Error):
            self._db.close()

    def _open(self) -> sqlite3.Connection:
        try:
            return self._connect()
        except (sqlite3.DatabaseError, UnicodeDecodeError) as exc:
            if not _is_broken(exc):
                raise
            self._move_aside(exc)
            return self._connect()

    def _connect(self) -> sqlite3.Connection:
        db = connect(self.path)
        try:
            self._number(db)
        except BaseException:
            db.close()
            raise
        self._identity = identity(self.path)
        self._is_closed = False
        return db

    def _number(self, db: sqlite3.Connection) -> None:
        """Have a new file's ids go on from those of the file before it."""
        (id_,) = db.execute("SELECT value FROM meta WHERE key = 'id'").fetchone()
        given = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'chunks'").fetchone()
        if given is None and self._highest_id:
            db.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('chunks', ?)", (self._highest_id,))
        if self.id and id_ != self.id:
            self.first_id = self._highest_id + 1
        self.id = id_
        self._highest_id = max(self._highest_id, given[0] if given else 0)

    def _begin_anew(self, why: Exception) -> None:
        self._shut()
        try:
            self._move_aside(why)
            self._db = self._connect()
        except (sqlite3.Error, OSError) as exc:
            raise SpoolError(f"eventsd: spool.dir: {self.path}: {exc}") from exc

    def _move_aside(self, why: Exception) -> None:
        stem = self._move_away("broken")
        self.set_aside.append(str(self.folder / stem))
        log.error("eventsd: the spool is broken (%s); it was set aside as %s and a new one begun", why, stem)

    def _move_away(self, kind: str) -> str:
        """Give what has our name another, its log too: SQLite would take that for the next file's."""
        when = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
        stem = next(
            stem
            for number in itertools.count()
            if not (self.folder / (stem := f"{FILE}.{kind}-{when}-{number}")).exists()
        )
        for suffix in ("", "-wal", "-shm"):
            with suppress(FileNotFoundError):
                os.replace(f"{self.path}{suffix}", self.folder / f"{stem}{suffix}")
        return stem


def _is_broken(error: Exception) -> bool:
    return isinstance(error, UnicodeDecodeError) or any(text in str(error) for text in _BROKEN)
