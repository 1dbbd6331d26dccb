"""
The spool's SQLite file: its transactions, and what happens when it breaks.

A file that is not whole any more is set aside under another name, never deleted, and a new one begun, so that a torn
page does not end the job history. Chunk ids go on from where they were: an id means one chunk, whatever file it was in.

Every opening of a file begins a *life*. A file may be an older copy of itself (a restored backup, a snapshot, a clone
on another master), and then ids come again that other chunks have had: by its life a chunk is told from those.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from salt_eventsd.config.folders import make_private
from salt_eventsd.exceptions import SpoolError
from salt_eventsd.spool.aside import move_away, thin_out
from salt_eventsd.spool.lock import Identity, copied, identity, lock, lock_again, sign
from salt_eventsd.spool.log import part_from_stray_log
from salt_eventsd.spool.schema import begin_life, connect, forget_lives, lives_in

log = logging.getLogger(__name__)

#: The name of the file in the spool's folder.
FILE = "spool.db"
#: What is left free of the disk, in bytes; of a small disk no more than a quarter.
_RESERVE_BYTES = 16 * 2**20
#: How much of the free pages inside the file is counted on: rows take more than their payload.
_FREE_PAGES_USABLE = 0.8
#: What SQLite says of a file that is not whole any more.
_BROKEN = ("malformed", "not a database", "Could not decode to UTF-8")
#: What it says where somebody has removed a part of it; what is left is as good as before.
_LACKING = ("no such table", "no such column", "has no column named")
#: The log may be this part of what the spool may be, and no larger than 64 MiB, nor smaller than 1 MiB.
_LOG_SHARE = 1 / 16
_LOG_BYTES = (2**20, 64 * 2**20)
#: When the wall clock and the monotonic one part by more than this, the machine may have been put back in time.
_DRIFT_SECONDS = 2.0


class SpoolFile:
    """
    The file in a folder, locked until :meth:`close`. Every call is thread-safe.

    :param folder: where; on a disk of the master's own, not a network's. It is made, with mode 0700, if need be.
    :param max_bytes: what may be kept, by which the log and what is set aside are measured.
    :raises SpoolBusy: another engine has it open.
    :raises SpoolError: it cannot be opened.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self.folder = folder
        self.path = folder / FILE
        self.id = ""
        #: The life of what is put now: its number in this file, and its id.
        self.life = (0, "")
        #: The lowest chunk id this file may hold; higher than 1 once a broken one was set aside.
        self.first_id = 1
        #: Broken files that were set aside since the start.
        self.set_aside: list[str] = []
        #: How many of the files set aside have been deleted since the start.
        self.set_aside_deleted = 0
        self._max_bytes = max_bytes
        #: The ids of lives by their numbers, as far as they are known.
        self.lives: dict[int, str] = {}
        self._drift = _drift()
        #: The highest chunk id given, for the case that the file is lost, or put back in time.
        self.highest_id = 0
        self._identity: Identity = None
        self._is_closed = True
        self._mutex = threading.RLock()
        try:
            # One that is there already may be used by others, too; what is put into it is for us alone.
            make_private(folder)
            self._held = sign(lock(folder))
        except OSError as exc:
            raise SpoolError(f"eventsd: spool.dir: {folder}: {exc.strerror or exc}") from exc
        try:
            self._open()
            self._thin_out()
        except BaseException as exc:
            # Whatever it was: a lock that is kept would keep out the next try.
            if not self._is_closed:
                self._shut()
            self._held.close()
            if isinstance(exc, (sqlite3.Error, OSError)):
                raise SpoolError(f"eventsd: spool.dir: {self.path}: {exc}") from exc
            raise

    @property
    def max_bytes(self) -> int:
        """What may be kept; may be changed while it is open."""
        return self._max_bytes

    @max_bytes.setter
    def max_bytes(self, size: int) -> None:
        if size != self._max_bytes:
            self._max_bytes = size
            self.rows(self._log_limit())

    def life_id(self, number: int) -> str:
        """
        Return the id of a life.

        :param number: its number in this file.
        :raises SpoolError: the file cannot be read.
        """
        if number not in self.lives:
            # A runner that puts dead letters back begins one, too.
            self.lives = dict(self.rows("SELECT number, id FROM lives"))
        return self.lives.get(number, self.id)

    def renew_life(self) -> None:
        """
        Begin another life.

        :raises SpoolError: the old one goes on.
        """
        with self.transaction() as db:
            life = begin_life(db)
        self.life = life
        self.lives[life[0]] = life[1]

    def look_at_clock(self) -> None:
        """
        Begin another life if the clocks part: the whole machine may have been put back in time, with this process.

        :raises SpoolError: that could not be noted.
        """
        if abs(_drift() - self._drift) > _DRIFT_SECONDS:
            self.renew_life()
            self._drift = _drift()

    def put_back(self) -> None:
        """
        Begin another life, for the file was found put back in time under this engine.

        :raises SpoolError: that could not be noted.
        """
        log.error("eventsd: %s was put back in time under the running engine", self.path)
        self.renew_life()
        self.highest_id = 0

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

    def bytes_on_disk(self) -> int:
        """Return what the spool takes on disk, in bytes."""
        size = 0
        for one in self.folder.glob(f"{FILE}*"):
            with suppress(FileNotFoundError):
                size += one.stat().st_size
        return size

    def close(self, patience_seconds: float = -1) -> bool:
        """
        Close the file, with its log written into it, and let go of the lock; say whether that was done.

        :param patience_seconds: how long to wait for other threads, -1 for as long as it takes.
        """
        if not self._mutex.acquire(timeout=patience_seconds):
            return False
        try:
            self._shut()
            self._held.close()
        finally:
            self._mutex.release()
        return True

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, UnicodeDecodeError, OSError) as exc:
            if _says(exc, _LACKING):
                self._mend(exc)
            elif _is_broken(exc):
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
            move_away(self.path, "stray")
            os.replace(copy, self.path)
            self._thin_out()
            self._db = self._connect()
        return self._db

    def _shut(self) -> None:
        self._is_closed = True
        with suppress(sqlite3.Error):
            self._db.close()

    def _open(self) -> None:
        part_from_stray_log(self.path)
        try:
            self._db = self._connect()
            forget_lives(self._db, self.life[0])
        except (sqlite3.DatabaseError, UnicodeDecodeError) as exc:
            if not _is_broken(exc):
                raise
            if not self._is_closed:
                self._shut()
            self._move_aside(exc)
            self._db = self._connect()

    def _connect(self) -> sqlite3.Connection:
        db = connect(self.path)
        try:
            db.execute(self._log_limit())
            self._number(db)
            self.life = begin_life(db)
            self.lives = lives_in(db)
        except BaseException:
            db.close()
            raise
        self._identity = identity(self.path)
        self._is_closed = False
        return db

    def _number(self, db: sqlite3.Connection) -> None:
        """Have a new file's ids go on from those of the file before it."""
        found = db.execute("SELECT value FROM meta WHERE key = 'id'").fetchone()
        if found is None:
            raise sqlite3.DatabaseError("malformed: it has no id, though one was put into it")
        id_ = found[0]
        given = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'chunks'").fetchone()
        if given is None and self.highest_id:
            db.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('chunks', ?)", (self.highest_id,))
        if self.id and id_ != self.id:
            if given is None:
                self.first_id = self.highest_id + 1
            else:
                # The same file, whose id somebody has removed.
                id_ = self.id
                db.execute("UPDATE meta SET value = ? WHERE key = 'id'", (id_,))
        self.id = id_
        self.highest_id = max(self.highest_id, given[0] if given else 0)

    def _mend(self, why: Exception) -> None:
        """Make anew what somebody has removed from the file; whatever else is in it stays."""
        log.error("eventsd: a part of %s is missing (%s); it is made anew", self.path, why)
        try:
            there = bool(self._db.execute("SELECT 1 FROM sqlite_master WHERE name = 'chunks'").fetchone())
            if not there:
                self.first_id = self.highest_id + 1
            self._shut()
            before = self.lives
            self._db = self._connect()
            for number in before.keys() & self.lives.keys() - {self.life[0]}:
                self._db.execute("UPDATE lives SET id = ? WHERE number = ?", (before[number], number))
                self.lives[number] = before[number]
        except (sqlite3.Error, UnicodeDecodeError, OSError) as exc:
            self._begin_anew(exc)

    def _begin_anew(self, why: Exception) -> None:
        self._shut()
        try:
            self._move_aside(why)
            self._db = self._connect()
        except (sqlite3.Error, OSError) as exc:
            raise SpoolError(f"eventsd: spool.dir: {self.path}: {exc}") from exc

    def _move_aside(self, why: Exception) -> None:
        stem = move_away(self.path, "broken")
        self.set_aside.append(str(self.folder / stem))
        log.error("eventsd: the spool is broken (%s); it was set aside as %s, and a new one was begun", why, stem)
        self._thin_out()

    def _thin_out(self) -> None:
        for name in thin_out(self.path, self._max_bytes):
            self.set_aside_deleted += 1
            path = str(self.folder / name)
            if path in self.set_aside:
                self.set_aside.remove(path)
            log.warning("eventsd: %s was deleted, for newer spools have been set aside since", path)

    def _log_limit(self) -> str:
        least, most = _LOG_BYTES
        return f"PRAGMA journal_size_limit={min(max(least, int(self._max_bytes * _LOG_SHARE)), most)}"


def _is_broken(error: Exception) -> bool:
    return isinstance(error, UnicodeDecodeError) or _says(error, _BROKEN)


def _says(error: Exception, texts: tuple[str, ...]) -> bool:
    return any(text in str(error) for text in texts)


def _drift() -> float:
    return time.time() - time.monotonic()
