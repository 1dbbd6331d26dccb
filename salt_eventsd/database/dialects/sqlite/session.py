"""
SQLite's file: where it may be, who may read it, and what each connection is told first.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote, unquote, urlsplit

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine

from salt_eventsd.config.folders import why_unwritable
from salt_eventsd.database.dialects.base.session import LOOKS, Session

#: The log is written back into the file when it has so many pages of 4 KiB.
_CHECKPOINT_PAGES = 8000
#: What each connection has of the file in memory.
_CACHE_KIB = 8192
_EXAMPLE = "as in sqlite:////srv/history.db"


class SQLiteSession(Session):
    """Opens SQLite's file."""

    drivers: ClassVar = {"sqlite": "sqlite"}
    is_file: ClassVar = True

    def wrong_with(self, url: URL) -> str:
        """See :class:`Session`."""
        path = _file_of(url)
        if not path:
            return f"a database in memory ends with the engine; expected a file, {_EXAMPLE}"
        if not os.path.isabs(path):
            # A master's working directory is /, a runner's is wherever somebody stands.
            return f"{path!r} is a relative path; expected an absolute one, {_EXAMPLE}"
        return why_unwritable(Path(path).parent) if _may_make(url) and not os.path.exists(path) else ""

    def to_look(self, engine: Engine) -> Engine:
        """See :class:`Session`. A file that is missing is like an empty one; to connect to it would make it."""
        is_missing = _may_make(engine.url) and not os.path.exists(_file_of(engine.url))
        return sa.create_engine("sqlite://") if is_missing else engine

    def connect_args(self, driver: str, connect_seconds: float, timeout: float) -> dict[str, Any]:
        """See :class:`Session`. A reader of the history may hold the lock for a moment."""
        return {"timeout": min(30.0, timeout)}

    def prepare(self, engine: Engine, timeout: float) -> None:
        """See :class:`Session`."""
        path = _file_of(engine.url)
        makes_folder = makes_file = _may_make(engine.url)

        @sa.event.listens_for(engine, "do_connect")
        def _make(*_: Any) -> None:
            # What commands have returned is not for everybody: a new file is private. An existing one keeps its mode.
            nonlocal makes_folder
            if makes_folder:
                # Once: a folder that goes later may be a disk that is not mounted, and comes back.
                os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
                makes_folder = False
            if makes_file:
                # What hinders here will hinder SQLite, and it says how.
                with suppress(OSError):
                    os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o600))

        @sa.event.listens_for(engine, "connect", insert=True)
        def _pragmas(connection: Any, record: Any) -> None:
            # The driver's own idea of when a transaction begins breaks savepoints and DDL.
            connection.isolation_level = None
            cursor = connection.cursor()
            # Only a file in which there is nothing yet takes this; a purge can give its pages back.
            cursor.execute("PRAGMA auto_vacuum=INCREMENTAL")
            # Readers of the history do not block the writer, nor does the writer block them.
            cursor.execute("PRAGMA journal_mode=WAL")
            cursor.execute("PRAGMA synchronous=NORMAL")
            # Rows of one batch change pages all over the indexes: the fewer times each is written back, the better.
            cursor.execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT_PAGES}")
            cursor.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
            cursor.close()
            record.info["file"] = _identity(path)

        @sa.event.listens_for(engine, "checkout")
        def _look(_connection: Any, record: Any, _proxy: Any) -> None:
            # A deleted file goes with the last connection to it, and so does what is written into it.
            if record.info["file"] != _identity(path):
                raise sa.exc.InvalidatePoolError(f"{path} was deleted or replaced")

        @sa.event.listens_for(engine, "begin")
        def _begin(connection: Connection) -> None:
            # Who only looks is not to have a writer wait.
            looks = connection.get_execution_options().get(LOOKS, False)
            connection.exec_driver_sql("BEGIN" if looks else "BEGIN IMMEDIATE")

    def to_read(self, url: URL) -> URL:
        """See :class:`Session`. To open a file that is not there would make it."""
        if url.query.get("uri"):
            return url
        return url.set(database=f"file:{quote(_file_of(url))}", query={**url.query, "mode": "ro", "uri": "true"})

    def prepare_to_read(self, engine: Engine, timeout: float) -> None:
        """See :class:`Session`. A reader and the writer do not wait for each other."""
        path = _file_of(engine.url)

        @sa.event.listens_for(engine, "do_connect")
        def _look(*_: Any) -> None:
            # SQLite says no more than that it is unable to open it.
            os.stat(path)

        @sa.event.listens_for(engine, "connect", insert=True)
        def _pragmas(connection: Any, _record: Any) -> None:
            connection.isolation_level = None
            connection.execute("PRAGMA query_only=ON").close()

        @sa.event.listens_for(engine, "begin")
        def _begin(connection: Connection) -> None:
            connection.exec_driver_sql("BEGIN")

    def cut(self, connection: Any) -> None:
        """See :class:`Session`."""
        with suppress(Exception):
            connection.interrupt()


def _file_of(url: URL) -> str:
    """Return the path of the file, "" for a database in memory."""
    path = url.database or ""
    if path.startswith("file:"):
        path = "" if url.query.get("mode") == "memory" else unquote(urlsplit(path).path)
    return "" if path == ":memory:" else path


def _may_make(url: URL) -> bool:
    """Say whether SQLite makes the file where there is none."""
    return bool(_file_of(url)) and url.query.get("mode") in (None, "rwc")


def _identity(path: str) -> tuple[int, int] | None:
    """What tells a file from another of the same name; None where there is none, or it has no name."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino
