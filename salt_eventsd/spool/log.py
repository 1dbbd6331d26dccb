"""
The log beside a spool's file (SQLite's ``-wal``), which an engine leaves behind that was killed.

Who puts an older copy of the file back, and leaves the log where it is, has a log of another time beside it. SQLite
would put the two together, and end with a file that is not whole, or one that only looks so. What is in the file alone
is still good then.
"""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing
from pathlib import Path

from salt_eventsd.spool.aside import move_log_away

log = logging.getLogger(__name__)

#: A file that is larger is not looked through when it is opened: the bus waits for that.
_MOST_CHECKED_BYTES = 128 * 2**20


def part_from_stray_log(path: Path) -> None:
    """
    Set a log aside that is not of this file's time. To be called before the file is opened for writing.

    :param path: of the spool's file.
    :raises OSError: it cannot be moved.
    """
    there = path.with_name(f"{path.name}-wal")
    if not (path.exists() and there.exists() and there.stat().st_size):
        return
    if path.stat().st_size > _MOST_CHECKED_BYTES or _is_whole(path, "mode=ro"):
        return
    if _is_whole(path, "immutable=1"):
        name = move_log_away(path)
        log.error(
            "eventsd: the log beside %s is of another time, as if an older copy of the file had been put back; it was"
            " set aside as %s",
            path,
            name,
        )


def _is_whole(path: Path, how: str) -> bool:
    # Read only, for closing would otherwise write the log into the file.
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True, timeout=10)) as db:
            return bool(db.execute("PRAGMA integrity_check(1)").fetchone() == ("ok",))
    except (sqlite3.DatabaseError, UnicodeDecodeError):
        return False
