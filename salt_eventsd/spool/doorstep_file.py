"""
The doorstep's file: opened once by each process, for all its threads, and made anew when it is gone or broken.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from salt_eventsd.exceptions import SpoolError

log = logging.getLogger(__name__)

#: The file's name in the folder of the spool.
FILE = "doorstep.db"
#: How long a write waits for others, in seconds: none holds the file longer than some milliseconds, but of many that
#: write at once SQLite lets those wait longest who have waited long, so it is tried anew after short whiles.
_BUSY_SECONDS, _TRY_SECONDS = 1.0, 0.02
#: The same after that was in vain: whoever holds the file then has stopped.
_STOPPED_SECONDS = 0.05
#: A disk with less room is full, in bytes.
_LEAST_FREE = 2**20
#: In ``loads``, ``changed`` is 0 once the engine has taken the load in, ``taken`` is when it did.
_TABLES = (
    """CREATE TABLE IF NOT EXISTS loads (
        jid TEXT PRIMARY KEY,
        load BLOB,
        is_return INTEGER NOT NULL DEFAULT 0,
        minions BLOB NOT NULL DEFAULT x'80',
        nocache INTEGER NOT NULL DEFAULT 0,
        endtime TEXT,
        stamp REAL NOT NULL,
        changed INTEGER NOT NULL DEFAULT 0,
        taken REAL
    ) WITHOUT ROWID""",
    "CREATE INDEX IF NOT EXISTS loads_changed ON loads (changed) WHERE changed > 0",
    "CREATE INDEX IF NOT EXISTS loads_by_stamp ON loads (stamp)",
    """CREATE TABLE IF NOT EXISTS inbox (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        jid TEXT NOT NULL,
        minion TEXT NOT NULL,
        stamp REAL,
        received REAL NOT NULL,
        payload BLOB NOT NULL
    )""",
    "CREATE INDEX IF NOT EXISTS inbox_by_jid ON inbox (jid)",
    "CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
)
#: All processes count together what they have refused for want of room.
_REFUSED = "INSERT INTO meta VALUES ('refused', 1) ON CONFLICT (key) DO UPDATE SET value = value + 1"
#: A disk that fails, or a quota, is no reason to begin anew: what is in the file may be read again later.
_BROKEN = ("malformed", "not a database", "no such table", "no such column")

_T = TypeVar("_T")


class DoorstepFile:
    """
    The file, for one process and those it forks.

    :param folder: that of the spool.
    :param max_bytes: how large the file may become; nothing more is taken then until the engine has made room.
    """

    def __init__(self, folder: Path, max_bytes: int = 2**30) -> None:
        self.path = folder / FILE
        # As texts: each return looks at the files, and to make texts of paths would take longer than that.
        self._file, self._log = str(self.path), f"{self.path}-wal"
        self.max_bytes = max_bytes
        #: What returns leave free for loads, in bytes: without its load, ``salt`` does not wait for a job's returns.
        self.kept_free = max_bytes // 10
        self._lock = threading.Lock()
        self._patience = _BUSY_SECONDS
        self._pid = 0
        self._identity = (0, 0)
        self._db: sqlite3.Connection | None = None
        #: Connections of the process this one was forked from. To close them here would break their locks.
        self._inherited: list[sqlite3.Connection] = []
        os.register_at_fork(after_in_child=self._forked)

    def close(self) -> None:
        """Close this process's connection; the next call opens another."""
        with self._lock:
            self._shut()

    def room(self, size: int, is_wanted: bool = True) -> None:
        """
        See to it that there is room.

        :param size: in bytes.
        :param is_wanted: something is refused if there is none, which is counted.
        :raises SpoolError: there is none.
        """
        if self.used() + size > self.max_bytes:
            if is_wanted:
                self._count_refused()
            raise SpoolError(
                f"eventsd: {self.path} is full ({self.max_bytes} bytes, spool.max_bytes); does the engine run?"
            )

    def disk(self) -> None:
        """
        See to it that the disk can be written.

        :raises SpoolError: it is full, or can only be read.
        """
        with suppress(OSError):
            folder = next(one for one in self.path.parents if one.exists())
            found = os.statvfs(folder)
            if found.f_flag & os.ST_RDONLY or found.f_bavail * found.f_frsize < _LEAST_FREE:
                why = "can only be read" if found.f_flag & os.ST_RDONLY else "is full"
                raise SpoolError(f"eventsd: {self.path}: the disk {why}")

    def used(self) -> int:
        """
        Return how much of the file is in use, in bytes; for a file that is not large, how large it is.

        :raises SpoolError: it cannot be read.
        """
        size = 0
        for path in (self._file, self._log):
            with suppress(OSError):
                size += os.stat(path).st_size
        if size < self.max_bytes // 4:
            return size

        def ask(db: sqlite3.Connection) -> int:
            # What was swept leaves free pages behind, which are used again.
            pages, free, bytes_each = (
                int(db.execute(f"PRAGMA {name}").fetchone()[0])
                for name in ("page_count", "freelist_count", "page_size")
            )
            return (pages - free) * bytes_each

        return self.run(ask, is_single=True)

    def look(self, what: Callable[[sqlite3.Connection], Any], otherwise: Any) -> Any:
        """
        Return what is read from the file; one that nobody has made yet is not made for that.

        :param what: reads, with one statement or more.
        :param otherwise: what is returned if there is no file.
        :raises SpoolError: it cannot be read.
        """
        try:
            os.stat(self.path)
        except (FileNotFoundError, NotADirectoryError):
            return otherwise
        except OSError as exc:
            # Whoever may not look into the folder does not know that there is no file.
            raise SpoolError(f"eventsd: {self.path}: {exc.strerror}") from exc
        return self.run(what, is_single=True)

    def run(self, what: Callable[[sqlite3.Connection], _T], is_single: bool = False) -> _T:
        """
        Return what is done in one transaction.

        :param what: does it.
        :param is_single: it is a single statement, or only reads, and needs no transaction around it.
        :raises SpoolError: nothing was done, and why.
        """
        with self._lock:
            until = time.monotonic() + self._patience
            while True:
                try:
                    result = self._once(what, is_single)
                except (sqlite3.Error, OSError) as exc:
                    is_busy = "locked" in str(exc)
                    if is_busy and time.monotonic() < until:
                        continue
                    self._patience = _STOPPED_SECONDS if is_busy else _BUSY_SECONDS
                    self._shut()
                    if any(text in str(exc) for text in _BROKEN):
                        self._set_aside(exc)
                    raise SpoolError(f"eventsd: {self.path}: {exc}") from exc
                if not is_single:
                    self._patience = _BUSY_SECONDS
                return result

    def _count_refused(self) -> None:
        with suppress(SpoolError):
            self.run(lambda db: db.execute(_REFUSED), is_single=True)

    def _once(self, what: Callable[[sqlite3.Connection], _T], is_single: bool) -> _T:
        db = self._at_hand()
        if is_single:
            return what(db)
        db.execute("BEGIN IMMEDIATE")
        try:
            result = what(db)
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
        return result

    def _at_hand(self) -> sqlite3.Connection:
        """Return this process's connection to the file of our name."""
        if self._db is not None and self._pid == os.getpid():
            with suppress(OSError):
                status = os.stat(self._file)
                if (status.st_dev, status.st_ino) == self._identity:
                    return self._db
            self._shut()
        self._db = self._connect()
        self._pid = os.getpid()
        return self._db

    def _connect(self) -> sqlite3.Connection:
        _make_folder(self.path.parent)
        if not self.path.exists():
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
            _give_to_owner(self.path)
        status = os.stat(self.path)
        self._identity = (status.st_dev, status.st_ino)
        db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, timeout=_TRY_SECONDS)
        try:
            names = {name for (name,) in db.execute("SELECT name FROM sqlite_master")}
            is_whole = names.issuperset(("loads", "inbox", "meta"))
            if not is_whole:
                # Before there is a table, or it would take effect only when the file is written anew.
                db.execute("PRAGMA auto_vacuum=INCREMENTAL")
                db.execute("PRAGMA journal_mode=WAL")
            # As in the spool: what was committed outlives the process; only a power failure may undo the last moments.
            db.execute("PRAGMA synchronous=NORMAL")
            db.execute("PRAGMA secure_delete=OFF")
            if not is_whole:
                db.execute("BEGIN IMMEDIATE")
                for statement in _TABLES:
                    db.execute(statement)
                db.execute("COMMIT")
        except BaseException:
            db.close()
            raise
        return db

    def _shut(self) -> None:
        if self._db is not None and self._pid == os.getpid():
            with suppress(sqlite3.Error):
                self._db.close()
        self._db = None

    def _set_aside(self, why: Exception) -> None:
        with suppress(OSError):
            status = os.stat(self.path)
            if (status.st_dev, status.st_ino) != self._identity:
                # Another process has begun a new one already.
                return
            log.error("eventsd: %s is broken (%s); it is set aside, and a new one is begun", self.path, why)
            os.replace(self.path, self.path.with_name(f"{FILE}.broken"))
            for ending in ("-wal", "-shm"):
                self.path.with_name(FILE + ending).unlink(missing_ok=True)

    def _forked(self) -> None:
        # Another thread may have held the lock when the process was forked.
        self._lock = threading.Lock()
        if self._db is not None:
            self._inherited.append(self._db)
            self._db = None


def _make_folder(folder: Path) -> None:
    """Make the folder of the spool as the engine does, whoever comes first."""
    if folder.is_dir():
        return
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    for one in reversed(missing):
        with suppress(FileExistsError):
            one.mkdir(mode=0o700)
            _give_to_owner(one)


def _give_to_owner(path: Path) -> None:
    """What root makes belongs to the user the folder above belongs to: the master may run as another user than root."""
    if os.geteuid() == 0:
        above = os.stat(path.parent)
        with suppress(OSError):
            os.chown(path, above.st_uid, above.st_gid)
