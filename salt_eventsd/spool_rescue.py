"""
Rescue a spool whose file somebody has deleted or replaced while the engine had it open.

SQLite goes on writing into the file it has open, which is gone for good when the engine ends. As long as it is open,
all that is in it can still be copied.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

#: (device, inode), None while there is no such file.
Identity = tuple[int, int] | None


def identity(path: Path) -> Identity:
    """
    Return what tells a file from another of the same name.

    :param path: of the file.
    """
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def copied(db: sqlite3.Connection, path: Path) -> Path:
    """
    Copy all that a connection has into a new file beside the place of its own, and return that file's path.

    :param db: has the lost file open.
    :param path: where that was.
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
