"""
The log beside a spool's file (SQLite's ``-wal``). An engine that is killed leaves it behind.

If somebody then puts an older copy of the file back and leaves the log, file and log are of different times. SQLite
would merge them, and the result would be broken, or only look whole. The file without the log is still good, if older:
a new one has nothing in it until the log is first copied.
"""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing
from pathlib import Path

from salt_eventsd.spool.aside import move_log_away

log = logging.getLogger(__name__)

#: A larger file is not checked when it is opened, because events wait in memory meanwhile.
_MOST_CHECKED_BYTES = 128 * 2**20


def part_from_stray_log(path: Path) -> None:
    """
    Set a log aside that is of another time than its file. Call this before the file is opened for writing.

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
    # Read only: otherwise closing would write the log into the file.
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True, timeout=10)) as db:
            return bool(db.execute("PRAGMA integrity_check(1)").fetchone() == ("ok",))
    except (sqlite3.DatabaseError, UnicodeDecodeError):
        return False
