"""
The spool's SQLite file: how it is opened and used, and what happens when it breaks.

A file that is not whole any more is set aside under another name, never deleted, and a new one is begun, so that a torn
page does not end the job history. A file that is deleted under the engine is written again from what SQLite has of it.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from salt_eventsd.config.folders import make_private
from salt_eventsd.exceptions import SpoolError
from salt_eventsd.spool.aside import Aside
from salt_eventsd.spool.ids import Ids
from salt_eventsd.spool.lives import Lives
from salt_eventsd.spool.lock import Identity, copied, identity, lock, lock_again, sign
from salt_eventsd.spool.log import part_from_stray_log
from salt_eventsd.spool.schema import BUSY_SECONDS, connect

log = logging.getLogger(__name__)

#: The name of the file in the spool's folder.
FILE = "spool.db"
#: What SQLite says of a file that is not whole any more.
_BROKEN = ("malformed", "not a database", "Could not decode to UTF-8")
#: What it says where somebody has removed a part of it; what is left is as good as before.
_LACKING = ("no such table", "no such column", "has no column named")
#: The log may be this part of what the spool may be, and no larger than 64 MiB, nor smaller than 1 MiB.
_LOG_SHARE = 1 / 16
_LOG_BYTES = (2**20, 64 * 2**20)
#: Once a quarter of that is in it, it is copied into the file, and never before so much is, in bytes. Each time waits
#: for the disk, with all who use the file behind it, and what was forgotten by then is never copied.
_LEAST_COPIED_BYTES = 4 * 2**20
_PAGE_BYTES = 4096


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
        self.ids = Ids()
        self.lives = Lives(self.transaction, self.rows)
        self.aside = Aside(self.path)
        self._max_bytes = max_bytes
        self._identity: Identity = None
        self._is_closed = True
        self._mutex = threading.RLock()
        try:
            # An existing folder keeps its mode; our files are private.
            make_private(folder)
            self._held = sign(lock(folder))
        except OSError as exc:
            raise SpoolError(f"eventsd: spool.dir: {folder}: {exc.strerror or exc}") from exc
        try:
            self._open()
            self.aside.thin_out(max_bytes)
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
            for limit in self._log_limits():
                self.rows(limit)

    def put_back(self) -> None:
        """
        Begin another life, for the file was found put back in time under this engine.

        :raises SpoolError: that could not be noted.
        """
        log.error("eventsd: %s was put back in time under the running engine", self.path)
        self.lives.renew()
        self.ids.highest = 0

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """
        Give a connection in a transaction that is committed at the end.

        :raises SpoolError: nothing was changed.
        """
        with self._mutex, self._repairing():
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

        :param sql: the query.
        :param parameters: the values of its marks.
        :param patience_seconds: how long to wait for other threads, -1 for as long as it takes.
        :raises SpoolError: the file cannot be read, or not within the patience.
        """
        if not self._mutex.acquire(timeout=patience_seconds):
            raise SpoolError(f"eventsd: spool.dir: {self.path}: its disk stalls")
        try:
            with self._repairing():
                return self._at_hand().execute(sql, parameters).fetchall()
        finally:
            self._mutex.release()

    def copy_log(self) -> None:
        """Copy the log into the file and make it short, unless that is not possible now: it will be, some time."""
        with self._mutex, suppress(SpoolError), self._repairing():
            db = self._at_hand()
            # Nobody waits for somebody who reads the file.
            db.execute("PRAGMA busy_timeout=0")
            try:
                db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            finally:
                db.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}")

    def close(self, patience_seconds: float = -1) -> bool:
        """
        Close the file, with its log written into it, and let go of the lock; return whether that was done.

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

    def _open(self) -> None:
        part_from_stray_log(self.path)
        try:
            self._db = self._connect()
            self.lives.forget_ended(self._db)
        except (sqlite3.DatabaseError, UnicodeDecodeError) as exc:
            if not _is_broken(exc):
                raise
            if not self._is_closed:
                self._shut()
            self.aside.move_broken(exc, self._max_bytes)
            self._db = self._connect()

    def _connect(self) -> sqlite3.Connection:
        db = connect(self.path)
        try:
            for limit in self._log_limits():
                db.execute(limit)
            self.ids.opened(db)
            self.lives.opened(db)
        except BaseException:
            db.close()
            raise
        self._identity = identity(self.path)
        self._is_closed = False
        return db

    def _shut(self) -> None:
        self._is_closed = True
        with suppress(sqlite3.Error):
            self._db.close()

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
            self.aside.replace_stray(copy, self._max_bytes)
            self._db = self._connect()
        return self._db

    @contextmanager
    def _repairing(self) -> Iterator[None]:
        """Repair the file if an error says that it is broken, so that the next call finds it whole."""
        try:
            yield
        except (sqlite3.Error, UnicodeDecodeError, OSError) as exc:
            if _says(exc, _LACKING):
                self._mend(exc)
            elif _is_broken(exc):
                self._begin_anew(exc)
            raise SpoolError(f"eventsd: spool.dir: {self.path}: {exc}") from exc

    def _mend(self, why: Exception) -> None:
        """Make anew what somebody has removed from the file; whatever else is in it stays."""
        log.error("eventsd: a part of %s is missing (%s); it is made anew", self.path, why)
        try:
            if not self._db.execute("SELECT 1 FROM sqlite_master WHERE name = 'chunks'").fetchone():
                self.ids.all_lost()
            self._shut()
            before = self.lives.known
            self._db = self._connect()
            self.lives.restore(self._db, before)
        except (sqlite3.Error, UnicodeDecodeError, OSError) as exc:
            self._begin_anew(exc)

    def _begin_anew(self, why: Exception) -> None:
        self._shut()
        try:
            self.aside.move_broken(why, self._max_bytes)
            self._db = self._connect()
        except (sqlite3.Error, OSError) as exc:
            raise SpoolError(f"eventsd: spool.dir: {self.path}: {exc}") from exc

    def _log_limits(self) -> tuple[str, str]:
        least, most = _LOG_BYTES
        size = min(max(least, int(self._max_bytes * _LOG_SHARE)), most)
        pages = max(_LEAST_COPIED_BYTES, size // 4) // _PAGE_BYTES
        return f"PRAGMA journal_size_limit={size}", f"PRAGMA wal_autocheckpoint={pages}"


def _is_broken(error: Exception) -> bool:
    return isinstance(error, UnicodeDecodeError) or _says(error, _BROKEN)


def _says(error: Exception, texts: tuple[str, ...]) -> bool:
    return any(text in str(error) for text in texts)
