"""
MySQL and MariaDB: no insert-or-ignore that would not also swallow bad data, and a limit on packets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.engine import Connection, Engine

from salt_eventsd.database.bulk import Inserter, by_driver, by_json_table
from salt_eventsd.database.dialects.base import Conflict, Dialect, Upsert, begin_with, is_wide
from salt_eventsd.exceptions import Transient

#: A document of rows is no longer than this, in bytes.
_LONGEST_DOCUMENT = 2**20
#: A flag of connections.
_FOUND_ROWS = 2
#: What a statement takes of a packet besides its value, in bytes.
_STATEMENT_BYTES = 2**16


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
            # SQLAlchemy would have rows counted that are there already, as if they had been inserted.
            "client_flag": 0,
        }

    def prepare(self, engine: Engine) -> None:
        """Times are UTC and bad data is an error, whatever the server's defaults are."""
        begin_with(engine, "SET time_zone = '+00:00', sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'")

    def inserter(self, connection: Connection, table: sa.Table, columns: Sequence[str]) -> Inserter:
        """See :class:`Dialect`. INSERT IGNORE would hide errors in the data; a no-op update ignores only the double."""
        key = next(iter(table.primary_key.columns))
        return self.bulk(connection, table, columns, lambda insert: insert.on_duplicate_key_update({key.name: key}))

    def counts(self, connection: Connection) -> bool:
        """See :class:`Dialect`; not over a connection that counts what was found rather than what was changed."""
        flags = getattr(connection.connection.dbapi_connection, "client_flag", None)
        return isinstance(flags, int) and not flags & _FOUND_ROWS

    def upserter(self, connection: Connection, table: sa.Table, columns: Sequence[str], latest: Upsert) -> Inserter:
        """See :class:`Dialect`. Assignments happen in order, so the column that decides comes last."""

        def conflict(insert: mysql.Insert) -> mysql.Insert:
            # A row that another unique key stands for is somebody else's.
            is_ours = [table.c[name] == insert.inserted[name] for name in latest.key]
            is_newer = sa.and_(*is_ours, insert.inserted[latest.decides] >= table.c[latest.decides])
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

    def has_wide(self, connection: Connection, column: sa.Column[Any]) -> bool:
        """See :class:`Dialect`; a large table of an old release is left as it is."""
        return is_wide(connection, column)

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
