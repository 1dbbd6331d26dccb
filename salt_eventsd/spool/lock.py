"""
The lock on a spool's folder. One engine has it, which is also how others tell a living engine from a dead one. And what
becomes of a file that is deleted under the engine: it is copied out of SQLite's hands.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import IO

from salt_eventsd.exceptions import SpoolBusy, SpoolError

_LOCK_FILE = "lock"


def lock(folder: Path) -> IO[str]:
    """
    Take the spool's lock. The engine holds it as long as it lives; if it dies, the system releases it.

    :param folder: the spool's.
    :raises SpoolBusy: another engine has it.
    :raises OSError: the folder is not there, or does not let us.
    """
    # Held for the engine's life, so no ``with``.
    handle = os.fdopen(os.open(folder / _LOCK_FILE, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600), "a")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.close()
        raise SpoolBusy(f"eventsd: spool.dir: another engine has {folder} open; give each engine its own") from None
    except OSError:
        handle.close()
        raise
    return handle


def sign(held: IO[str]) -> IO[str]:
    """
    Write our process id into the lock, and return the lock. The engine before us is dead, but its report may still be
    there: by the id, readers tell whose it is.

    :param held: from :func:`lock`.
    """
    # On a full disk this fails, which does not matter: what counts is the lock itself. The handle is not used for it,
    # because it would try again when it is closed.
    with suppress(OSError):
        os.ftruncate(held.fileno(), 0)
        os.pwrite(held.fileno(), str(os.getpid()).encode(), 0)
    return held


def holder(folder: Path) -> int:
    """
    Return the process id of the engine that had the lock last, 0 if none has noted it.

    :param folder: the spool's.
    """
    try:
        return int((folder / _LOCK_FILE).read_text(encoding="ascii") or 0)
    except (OSError, ValueError):
        return 0


def is_locked(folder: Path) -> bool:
    """
    Say whether a living engine holds this spool.

    :param folder: the spool's.
    """
    try:
        lock(folder).close()
    except SpoolBusy:
        return True
    except OSError:
        return False
    return False


def lock_again(folder: Path, held: IO[str]) -> IO[str]:
    """
    Return the lock, taken again if its file was deleted: such a lock keeps nobody out.

    :param folder: the spool's.
    :param held: the lock so far.
    :raises SpoolError: another engine has it now.
    :raises OSError: the folder is not there, or does not let us.
    """
    mine = os.fstat(held.fileno())
    if identity(folder / _LOCK_FILE) == (mine.st_dev, mine.st_ino):
        return held
    try:
        again = lock(folder)
    except SpoolBusy as exc:
        raise SpoolError(str(exc)) from exc
    held.close()
    return sign(again)


#: (device, inode), None while there is no such file.
Identity = tuple[int, int] | None


def identity(path: Path) -> Identity:
    """
    Return what tells a file from another one of the same name.

    :param path: of the file.
    """
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def copied(db: sqlite3.Connection, path: Path) -> Path:
    """
    Copy a file that was deleted or replaced into a new one beside its place, and return the path of the copy.

    :param db: a connection that still has the lost file open.
    :param path: where the file was.
    :raises sqlite3.Error: it could not be copied.
    :raises OSError: the same.
    """
    copy = path.with_name(f"copy-of-{path.name}")
    copy.unlink(missing_ok=True)
    os.close(os.open(copy, os.O_CREAT | os.O_RDWR, 0o600))
    try:
        with closing(sqlite3.connect(copy)) as new:
            db.backup(new)
    except sqlite3.Error:
        copy.unlink(missing_ok=True)
        raise
    return copy
