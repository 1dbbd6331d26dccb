"""
All that differs between the databases, in one place: insert-or-ignore, upsert, NUL, sizes, connection settings.

Column types that differ are in :mod:`salt_eventsd.database.schema`, as variants of one type.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.engine import Connection, Engine

_NUL_IN_JSON = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")
#: Shown in place of a NUL where a database has no way to keep one.
NUL_SYMBOL = "\N{SYMBOL FOR NULL}"


class Dialect:
    """
    What the store needs to know of a database; this base class is SQLite and the fallback for others.

    :cvar name: SQLAlchemy's name of the backend.
    :cvar engine_args: further arguments of ``create_engine``, by name.
    """

    name = "sqlite"
    engine_args: Mapping[str, Any] = MappingProxyType({})

    def connect_args(self, driver: str, connect_seconds: float) -> dict[str, Any]:
        """Return the driver's own arguments."""
        # A reader of the history may hold the lock for a moment.
        return {"timeout": 30.0}

    def prepare(self, engine: Engine) -> None:
        """Set connections up as they are made."""

        @sa.event.listens_for(engine, "connect")
        def _pragmas(connection: Any, _record: Any) -> None:
            # The driver's own idea of when a transaction begins breaks savepoints and DDL.
            connection.isolation_level = None
            cursor = connection.cursor()
            # Readers of the history do not block the writer, nor it them.
            cursor.execute("PRAGMA journal_mode=WAL")
            cursor.execute("PRAGMA synchronous=NORMAL")
            cursor.close()

        @sa.event.listens_for(engine, "begin")
        def _begin(connection: Connection) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    def insert_new(self, table: sa.Table) -> sa.Insert:
        """Return an insert that leaves rows alone whose unique key is there already."""
        return sqlite.insert(table).on_conflict_do_nothing()

    def upsert(self, table: sa.Table, keys: list[str], newer: list[str]) -> sa.Insert:
        """
        Return an insert that updates rows whose key is there already, if they are older.

        :param keys: the columns of the key.
        :param newer: the columns to update; the first of them says which row is newer.
        """
        insert = sqlite.insert(table)
        return insert.on_conflict_do_update(
            index_elements=keys,
            set_={name: insert.excluded[name] for name in newer},
            where=table.c[newer[0]] <= insert.excluded[newer[0]],
        )

    def json(self, text: bytes) -> str:
        """Return JSON text as the database takes it."""
        return text.decode()

    def text(self, value: str) -> str:
        """Return text as the database takes it."""
        return value

    def largest_value(self, connection: Connection) -> int | None:
        """Return how many bytes a value may have, None if only memory limits it."""
        return 900_000_000

    def lock_schema(self, connection: Connection) -> None:
        """Keep others from changing the schema until the transaction ends; the caller has begun one."""

    def unlock_schema(self, connection: Connection) -> None:
        """Undo :meth:`lock_schema` where the end of the transaction does not."""


class PostgreSQL(Dialect):
    """PostgreSQL: JSONB has no NUL, and neither has text."""

    name = "postgresql"

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
        """Nothing to set."""

    def insert_new(self, table: sa.Table) -> sa.Insert:
        """See :class:`Dialect`."""
        return postgresql.insert(table).on_conflict_do_nothing()

    def upsert(self, table: sa.Table, keys: list[str], newer: list[str]) -> sa.Insert:
        """See :class:`Dialect`."""
        insert = postgresql.insert(table)
        return insert.on_conflict_do_update(
            index_elements=keys,
            set_={name: insert.excluded[name] for name in newer},
            where=table.c[newer[0]] <= insert.excluded[newer[0]],
        )

    def json(self, text: bytes) -> str:
        r"""``\u0000`` becomes a visible symbol; an escaped backslash before a plain ``u0000`` is left alone."""
        if b"\\u0000" in text:
            text = _NUL_IN_JSON.sub(rb"\1" + NUL_SYMBOL.encode(), text)
        return text.decode()

    def text(self, value: str) -> str:
        """See :meth:`json`."""
        return value.replace("\0", NUL_SYMBOL) if "\0" in value else value

    def largest_value(self, connection: Connection) -> int | None:
        """A JSONB string may have 256 MiB less one, and a whole value not much more."""
        return 2**28 - 2**20

    def lock_schema(self, connection: Connection) -> None:
        """Let one engine at a time create tables."""
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext('eventsd_schema'))"))


class MySQL(Dialect):
    """MySQL and MariaDB: no insert-or-ignore that would not also swallow bad data, and a limit on packets."""

    name = "mysql"
    engine_args = MappingProxyType({"pool_recycle": 1800})

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

    def insert_new(self, table: sa.Table) -> sa.Insert:
        """INSERT IGNORE would turn errors in the data into warnings; a no-op update ignores only the double."""
        insert = mysql.insert(table)
        first = next(iter(table.primary_key.columns))
        return insert.on_duplicate_key_update({first.name: first})

    def upsert(self, table: sa.Table, keys: list[str], newer: list[str]) -> sa.Insert:
        """See :class:`Dialect`. Assignments happen in order, so the column that decides comes last."""
        insert = mysql.insert(table)
        decides = newer[0]
        is_newer = insert.inserted[decides] >= table.c[decides]
        return insert.on_duplicate_key_update(
            [(name, sa.func.if_(is_newer, insert.inserted[name], table.c[name])) for name in [*newer[1:], decides]]
        )

    def largest_value(self, connection: Connection) -> int | None:
        """A statement has to fit a packet, escaped (twice as long at the worst)."""
        row = connection.execute(sa.text("SELECT @@max_allowed_packet")).scalar_one()
        return int(row) // 2 - 2**16

    def lock_schema(self, connection: Connection) -> None:
        """Let one engine at a time create tables; DDL ends a transaction here, so the lock is the session's."""
        connection.execute(sa.text("SELECT GET_LOCK('eventsd_schema', 60)"))

    def unlock_schema(self, connection: Connection) -> None:
        """See :meth:`lock_schema`."""
        connection.execute(sa.text("SELECT RELEASE_LOCK('eventsd_schema')"))


class MariaDB(MySQL):
    """MariaDB under its own name in a URL."""

    name = "mariadb"


def dialect_for(backend: str) -> Dialect:
    """
    Return what differs for a backend.

    :param backend: SQLAlchemy's name of it.
    """
    kinds: Iterable[type[Dialect]] = (PostgreSQL, MySQL, MariaDB)
    return next((kind() for kind in kinds if kind.name == backend), Dialect())
