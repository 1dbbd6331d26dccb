"""
What a dialect is, as SQLite has it; the other databases say in which they differ.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timezone
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import URL, Connection, Engine

from salt_eventsd.database.bulk import Inserter, by_driver
from salt_eventsd.database.schema import key_of

#: Adds a conflict clause to an insert of the backend's own kind.
Conflict = Callable[[Any], Any]


class Upsert(NamedTuple):
    """
    How the later of two rows with one key wins.

    :param key: the columns of the key.
    :param decides: the column whose larger value is the later.
    :param replaces: the other columns taken from the later row.
    """

    key: tuple[str, ...]
    decides: str
    replaces: tuple[str, ...]


class Dialect:
    """
    What the store needs to know of a database; this base class is SQLite.

    :cvar name: SQLAlchemy's name of the backend.
    """

    name = "sqlite"

    def engine_args(self, driver: str) -> Mapping[str, Any]:
        """Return further arguments of ``create_engine``, by name."""
        return {}

    def connect_args(self, driver: str, connect_seconds: float, timeout: float) -> dict[str, Any]:
        """
        Return the driver's own arguments.

        :param driver: its name in a URL.
        :param connect_seconds: how long a connection may take to be made.
        :param timeout: how long a statement may take, in seconds.
        """
        # A reader of the history may hold the lock for a moment.
        return {"timeout": min(30.0, timeout)}

    def prepare(self, engine: Engine, timeout: float) -> None:
        """
        Have all said to a connection that a session needs, before anything is asked of it.

        :param engine: of the database.
        :param timeout: how long a statement may take, in seconds.
        """
        path = file_of(engine.url)
        makes_folder = makes_file = may_make(engine.url)

        @sa.event.listens_for(engine, "do_connect")
        def _make(*_: Any) -> None:
            # What commands have returned is not for everybody. Of what is there already its owner has decided.
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
            # Readers of the history do not block the writer, nor it them.
            cursor.execute("PRAGMA journal_mode=WAL")
            cursor.execute("PRAGMA synchronous=NORMAL")
            cursor.close()
            record.info["file"] = _identity(path)

        @sa.event.listens_for(engine, "checkout")
        def _look(_connection: Any, record: Any, _proxy: Any) -> None:
            # What is written into a file that was deleted goes with the last connection to it.
            if record.info["file"] != _identity(path):
                raise sa.exc.InvalidatePoolError(f"{path} was deleted or replaced")

        @sa.event.listens_for(engine, "begin")
        def _begin(connection: Connection) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    def inserter(self, connection: Connection, table: sa.Table, columns: Sequence[str]) -> Inserter:
        """
        Return how rows get into a table of ours; a row whose key is there already is left alone.

        Of any other constraint a row is told to be refused, except in MySQL, where the caller has to look.

        :param connection: to the database, to ask what it can do.
        :param columns: the columns that are inserted.
        """
        key = key_of(table)
        return self.bulk(connection, table, columns, lambda insert: insert.on_conflict_do_nothing(index_elements=key))

    def counts(self, connection: Connection) -> bool:
        """Return whether the database tells how many rows were inserted, apart from those that were there already."""
        return True

    def mend(self, connection: Connection, error: BaseException) -> str:
        """
        Mend what made an insert fail, if that can be done.

        :param connection: in a transaction, behind the savepoint that was rolled back to.
        :param error: what was raised.
        :returns: what was done, "" for nothing.
        :raises Held: it would have to be mended and cannot be.
        """
        return ""

    def upserter(self, connection: Connection, table: sa.Table, columns: Sequence[str], latest: Upsert) -> Inserter:
        """
        Return how rows get into a table in which each key has one row, the latest.

        :param latest: the key and the columns that a later row replaces.
        """
        return self.bulk(connection, table, columns, lambda insert: _upsert(insert, table, latest))

    def adder(
        self, connection: Connection, table: sa.Table, columns: Sequence[str], key: Sequence[str], alone: bool = True
    ) -> Inserter:
        """
        Return how rows get into a table of the user's own: as they come, or replacing those of the same key.

        :param key: the columns of the key, none to add every row.
        :param alone: there is no other key by which a row may be in another one's way.
        """
        if not key:
            return self.bulk(connection, table, columns, lambda insert: insert)
        return self.bulk(connection, table, columns, lambda insert: self._replacing(insert, key, columns))

    def takes_silently(self, connection: Connection, table: sa.Table) -> bool:
        """
        Return whether rows may get into a table of the user's own and not be counted: by way of a view, or to tables
        below it.

        :param connection: to the database.
        :param table: the table.
        """
        return table.name in sa.inspect(connection).get_view_names(schema=table.schema)

    def bulk(self, connection: Connection, table: sa.Table, columns: Sequence[str], conflict: Conflict) -> Inserter:
        """
        Return the cheapest way to insert many rows.

        :param conflict: adds the conflict clause to the insert.
        """
        return by_driver(conflict(sqlite.insert(table)), columns)

    def _replacing(self, insert: Any, key: Sequence[str], columns: Sequence[str]) -> Any:
        others = {name: insert.excluded[name] for name in columns if name not in key}
        if not others:
            return insert.on_conflict_do_nothing(index_elements=list(key))
        return insert.on_conflict_do_update(index_elements=list(key), set_=others)

    def moment(self, when: datetime) -> Any:
        """
        Return a time as a parameter of a statement of the user's own.

        :param when: in UTC.
        """
        return when.isoformat(" ", "microseconds").removesuffix("+00:00")

    def time(self, seconds: float) -> str:
        """Return a time as the database takes it, in UTC with microseconds."""
        whole, micro = divmod(round(seconds * 1_000_000), 1_000_000)
        return f"{_second(whole)}.{micro:06d}"

    def json(self, text: bytes) -> Any:
        """Return JSON text as the inserter takes it."""
        return text.decode()

    def text(self, value: str) -> str:
        """Return text as the database takes it."""
        return value

    def learn(self, connection: Connection) -> None:
        """
        Find out what there is to know of the server before rows are made for it.

        :param connection: to the database.
        """

    def largest_value(self, connection: Connection) -> int | None:
        """Return how many bytes a value may have, None if only memory limits it."""
        return 900_000_000

    def has_wide(self, connection: Connection, column: sa.Column[Any]) -> bool:
        """Return whether a column of numbers has 64 bits in this database."""
        return True

    def check_constraints(self, connection: Connection) -> None:
        """Have constraints looked at now that would be looked at only when committing."""

    def be_patient(self, connection: Connection) -> None:
        """Let statements take as long as they need, until the connection is closed."""

    def lock_schema(self, connection: Connection) -> None:
        """Keep others from changing the schema until the transaction ends; the caller has begun one."""

    def unlock_schema(self, connection: Connection) -> None:
        """Undo :meth:`lock_schema` where the end of the transaction does not."""


def begin_with(engine: Engine, say: Callable[[Any], None]) -> None:
    """
    Have each connection begin with what a session needs, before SQLAlchemy looks at it.

    :param engine: of the database.
    :param say: called with a cursor of the driver's.
    """

    @sa.event.listens_for(engine, "connect", insert=True)
    def _session(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        say(cursor)
        cursor.close()
        connection.commit()


def file_of(url: URL) -> str:
    """
    Return the path of SQLite's file, "" if it has none, or is another database.

    :param url: of the database.
    """
    path = (url.database or "") if url.get_backend_name() == "sqlite" else ""
    if path.startswith("file:"):
        path = "" if url.query.get("mode") == "memory" else unquote(urlsplit(path).path)
    return "" if path == ":memory:" else path


def may_make(url: URL) -> bool:
    """
    Say whether SQLite's file is made where there is none.

    :param url: of the database.
    """
    return bool(file_of(url)) and url.query.get("mode") in (None, "rwc")


def _identity(path: str) -> tuple[int, int] | None:
    """What tells a file from another of the same name; None where there is none, or it has no name."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


@lru_cache(maxsize=64)
def _second(seconds: int) -> str:
    """Events come by the hundred in one second, and writing out a date costs as much as the rest of a row."""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M:%S")


def _upsert(insert: Any, table: sa.Table, latest: Upsert) -> Any:
    """The conflict clause that SQLite and PostgreSQL share."""
    return insert.on_conflict_do_update(
        index_elements=list(latest.key),
        set_={name: insert.excluded[name] for name in (latest.decides, *latest.replaces)},
        where=table.c[latest.decides] <= insert.excluded[latest.decides],
    )
