"""
All that differs between the databases, in one place: insert-or-ignore, upsert, NUL, sizes, connection settings.

Column types that differ are in :mod:`salt_eventsd.database.schema`, as variants of one type.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timezone
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, sqlite
from sqlalchemy.engine import Connection, Engine

from salt_eventsd.database.bulk import Inserter, by_driver, by_json_table, by_recordset
from salt_eventsd.exceptions import Transient

_NUL_IN_JSON = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")
#: A document of rows for MySQL is no longer than this, in bytes.
_LONGEST_DOCUMENT = 2**20
#: What a statement takes of a packet besides its value, in bytes.
_STATEMENT_BYTES = 2**16
#: Adds a conflict clause to an insert of the backend's own kind.
Conflict = Callable[[Any], Any]
#: Shown in place of a NUL where a database has no way to keep one.
NUL_SYMBOL = "\N{SYMBOL FOR NULL}"


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
    What the store needs to know of a database; this base class is SQLite and the fallback for others.

    :cvar name: SQLAlchemy's name of the backend.
    """

    name = "sqlite"

    def engine_args(self, driver: str) -> Mapping[str, Any]:
        """Return further arguments of ``create_engine``, by name."""
        return {}

    def connect_args(self, driver: str, connect_seconds: float) -> dict[str, Any]:
        """Return the driver's own arguments."""
        # A reader of the history may hold the lock for a moment.
        return {"timeout": 30.0}

    def prepare(self, engine: Engine) -> None:
        """Set connections up as they are made."""

        path = engine.url.database or ":memory:"

        @sa.event.listens_for(engine, "connect")
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
        Return how rows get into a table; a row whose unique key is there already is left alone.

        :param connection: to the database, to ask what it can do.
        :param columns: the columns that are inserted.
        """
        return self.bulk(connection, table, columns, lambda insert: insert.on_conflict_do_nothing())

    def upserter(self, connection: Connection, table: sa.Table, columns: Sequence[str], latest: Upsert) -> Inserter:
        """
        Return how rows get into a table in which each key has one row, the latest.

        :param latest: the key and the columns that a later row replaces.
        """
        return self.bulk(connection, table, columns, lambda insert: _upsert(insert, table, latest))

    def adder(self, connection: Connection, table: sa.Table, columns: Sequence[str], key: Sequence[str]) -> Inserter:
        """
        Return how rows get into a table of the user's own: as they come, or replacing those of the same key.

        :param key: the columns of the key, none to add every row.
        """
        if not key:
            return self.bulk(connection, table, columns, lambda insert: insert)
        return self.bulk(connection, table, columns, lambda insert: self._replacing(insert, key, columns))

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

    def largest_value(self, connection: Connection) -> int | None:
        """Return how many bytes a value may have, None if only memory limits it."""
        return 900_000_000

    def check_constraints(self, connection: Connection) -> None:
        """Have constraints looked at now that would be looked at only when committing."""

    def lock_schema(self, connection: Connection) -> None:
        """Keep others from changing the schema until the transaction ends; the caller has begun one."""

    def unlock_schema(self, connection: Connection) -> None:
        """Undo :meth:`lock_schema` where the end of the transaction does not."""


class PostgreSQL(Dialect):
    """PostgreSQL: JSONB has no NUL, and neither has text."""

    name = "postgresql"

    def engine_args(self, driver: str) -> Mapping[str, Any]:
        """Statements of the user's own go out by the hundred; psycopg2 itself sends each alone, and waits."""
        return (
            {"executemany_mode": "values_plus_batch", "executemany_batch_page_size": 500}
            if driver == "psycopg2"
            else {}
        )

    def connect_args(self, driver: str, connect_seconds: float) -> dict[str, Any]:
        """Notice a host that is gone without a word: keepalives while idle, a user timeout while busy."""
        if driver != "psycopg2":
            return {}
        return {
            "connect_timeout": max(2, round(connect_seconds)),
            "application_name": "salt-eventsd",
            "keepalives_idle": 30,
            "keepalives_interval": 10,
            "keepalives_count": 3,
            "tcp_user_timeout": 60_000,
        }

    def prepare(self, engine: Engine) -> None:
        """Times are UTC, also in columns that know no time zone, whatever the server's default is."""

        @sa.event.listens_for(engine, "connect")
        def _session(connection: Any, _record: Any) -> None:
            cursor = connection.cursor()
            cursor.execute("SET TIME ZONE 'UTC'")
            cursor.close()
            connection.commit()

    def bulk(self, connection: Connection, table: sa.Table, columns: Sequence[str], conflict: Conflict) -> Inserter:
        """See :class:`Dialect`."""
        return by_recordset(table, columns, conflict)

    def moment(self, when: datetime) -> Any:
        """See :class:`Dialect`; the driver's own type tells the server that it is a time."""
        return when

    def time(self, seconds: float) -> str:
        """See :class:`Dialect`; a session's time zone does not matter to a time that names its own."""
        return f"{super().time(seconds)}+00"

    def json(self, text: bytes) -> Any:
        r"""``\u0000`` becomes a visible symbol; an escaped backslash before a plain ``u0000`` is left alone."""
        if b"\\u0000" in text:
            text = _NUL_IN_JSON.sub(rb"\1" + NUL_SYMBOL.encode(), text)
        return msgspec.Raw(text)

    def text(self, value: str) -> str:
        """See :meth:`json`."""
        return value.replace("\0", NUL_SYMBOL) if "\0" in value else value

    def largest_value(self, connection: Connection) -> int | None:
        """A JSONB string may have 256 MiB less one, and a whole value not much more."""
        return 2**28 - 2**20

    def check_constraints(self, connection: Connection) -> None:
        """See :class:`Dialect`."""
        connection.execute(sa.text("SET CONSTRAINTS ALL IMMEDIATE"))

    def lock_schema(self, connection: Connection) -> None:
        """Let one engine at a time create tables."""
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext('eventsd_schema'))"))


class MySQL(Dialect):
    """MySQL and MariaDB: no insert-or-ignore that would not also swallow bad data, and a limit on packets."""

    name = "mysql"

    def engine_args(self, driver: str) -> Mapping[str, Any]:
        """Servers close connections that are idle for hours."""
        return {"pool_recycle": 1800}

    def connect_args(self, driver: str, connect_seconds: float) -> dict[str, Any]:
        """Four-byte characters, and no waiting for ever on a host that is gone without a word."""
        if driver != "pymysql":
            return {}
        return {
            "charset": "utf8mb4",
            "connect_timeout": max(2, round(connect_seconds)),
            "read_timeout": 300,
            "write_timeout": 300,
            "program_name": "salt-eventsd",
        }

    def prepare(self, engine: Engine) -> None:
        """Times are UTC and bad data is an error, whatever the server's defaults are."""

        @sa.event.listens_for(engine, "connect")
        def _session(connection: Any, _record: Any) -> None:
            cursor = connection.cursor()
            cursor.execute("SET time_zone = '+00:00', sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'")
            cursor.close()

    def inserter(self, connection: Connection, table: sa.Table, columns: Sequence[str]) -> Inserter:
        """See :class:`Dialect`. INSERT IGNORE would hide errors in the data; a no-op update ignores only the double."""
        key = next(iter(table.primary_key.columns))
        return self.bulk(connection, table, columns, lambda insert: insert.on_duplicate_key_update({key.name: key}))

    def upserter(self, connection: Connection, table: sa.Table, columns: Sequence[str], latest: Upsert) -> Inserter:
        """See :class:`Dialect`. Assignments happen in order, so the column that decides comes last."""

        def conflict(insert: mysql.Insert) -> mysql.Insert:
            is_newer = insert.inserted[latest.decides] >= table.c[latest.decides]
            return insert.on_duplicate_key_update(
                [
                    (name, sa.func.if_(is_newer, insert.inserted[name], table.c[name]))
                    for name in (*latest.replaces, latest.decides)
                ]
            )

        return self.bulk(connection, table, columns, conflict)

    def bulk(self, connection: Connection, table: sa.Table, columns: Sequence[str], conflict: Conflict) -> Inserter:
        """See :class:`Dialect`; not every server has ``JSON_TABLE``."""
        plain = by_driver(conflict(mysql.insert(table)), columns)
        if not self._has_json_table(connection):
            return plain
        return by_json_table(table, columns, conflict, min(_LONGEST_DOCUMENT, self._packet(connection) // 2), plain)

    def _replacing(self, insert: Any, key: Sequence[str], columns: Sequence[str]) -> Any:
        replaced = [name for name in columns if name not in key] or list(key)
        return insert.on_duplicate_key_update({name: insert.inserted[name] for name in replaced})

    def _has_json_table(self, connection: Connection) -> bool:
        try:
            with connection.begin_nested():
                connection.execute(sa.text("SELECT a FROM JSON_TABLE('[1]', '$[*]' COLUMNS (a INT PATH '$')) AS r"))
        except sa.exc.DBAPIError as exc:
            if exc.connection_invalidated:
                # It has said nothing about what it can do.
                raise
            return False
        return True

    def _packet(self, connection: Connection) -> int:
        return int(connection.execute(sa.text("SELECT @@max_allowed_packet")).scalar_one()) - _STATEMENT_BYTES

    def largest_value(self, connection: Connection) -> int | None:
        """A statement has to fit a packet, escaped (twice as long at the worst)."""
        return self._packet(connection) // 2

    def lock_schema(self, connection: Connection) -> None:
        """Let one engine at a time create tables; DDL ends a transaction here, so the lock is the session's."""
        if connection.execute(sa.text("SELECT GET_LOCK('eventsd_schema', 60)")).scalar() != 1:
            raise Transient("another engine has been making the tables for a minute")

    def unlock_schema(self, connection: Connection) -> None:
        """See :meth:`lock_schema`."""
        connection.execute(sa.text("SELECT RELEASE_LOCK('eventsd_schema')"))


class MariaDB(MySQL):
    """MariaDB under its own name in a URL."""

    name = "mariadb"


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


def dialect_for(backend: str) -> Dialect:
    """
    Return what differs for a backend.

    :param backend: SQLAlchemy's name of it.
    """
    kinds: Iterable[type[Dialect]] = (PostgreSQL, MySQL, MariaDB)
    return next((kind() for kind in kinds if kind.name == backend), Dialect())
