"""
MySQL and MariaDB: no insert-or-ignore that would not also swallow bad data, and a limit on packets.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.engine import Connection, Engine

from salt_eventsd.database.bulk import Inserter, by_driver, by_json_table
from salt_eventsd.database.dialects.base import Conflict, Dialect, Upsert, begin_with
from salt_eventsd.exceptions import Transient

#: A document of rows is no longer than this, in bytes.
_LONGEST_DOCUMENT = 2**20
#: A flag of connections.
_FOUND_ROWS = 2
#: What a statement takes of a packet besides its value, in bytes.
_STATEMENT_BYTES = 2**16
_SQL_MODE = "STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION"
_TYPE = sa.text(
    "SELECT data_type FROM information_schema.columns"
    " WHERE table_schema = DATABASE() AND table_name = :table AND column_name = :column"
)
#: Variables of a session, and what they are for us. A table of ours or of the user's is left to none of them.
_SESSION = {
    "autocommit": "0",
    "completion_type": "0",
    "default_storage_engine": "InnoDB",
    "foreign_key_checks": "1",
    "innodb_strict_mode": "1",
    "sql_auto_is_null": "0",
    "sql_quote_show_create": "1",
    "sql_safe_updates": "0",
    "sql_select_limit": "18446744073709551615",
    "unique_checks": "1",
}


class MySQL(Dialect):
    """MySQL and MariaDB: no insert-or-ignore that would not also swallow bad data, and a limit on packets."""

    name = "mysql"

    def engine_args(self, driver: str) -> Mapping[str, Any]:
        """Servers close connections that are idle for hours."""
        return {"pool_recycle": 1800}

    def connect_args(self, driver: str, connect_seconds: float, timeout: float) -> dict[str, Any]:
        """Four-byte characters, and no waiting for ever on a host that is gone without a word."""
        if driver not in ("pymysql", "mysqldb", "mariadbconnector"):
            return {}
        limits: dict[str, Any] = {
            "connect_timeout": max(2, round(connect_seconds)),
            "read_timeout": max(1, round(timeout)),
            "write_timeout": max(1, round(timeout)),
        }
        if driver != "mariadbconnector":
            limits["charset"] = "utf8mb4"
        if driver != "pymysql":
            return limits
        # SQLAlchemy would have rows counted that are there already, as if they had been inserted.
        return {**limits, "program_name": "salt-eventsd", "client_flag": 0}

    def prepare(self, engine: Engine, timeout: float) -> None:
        """See :class:`Dialect`. What a server has set for its users is not for us; bad data is an error."""
        wanted = {
            **_SESSION,
            "max_statement_time": str(timeout),
            "wait_timeout": f"GREATEST(@@SESSION.wait_timeout, {math.ceil(timeout)})",
            "lock_wait_timeout": f"LEAST(@@SESSION.lock_wait_timeout, {math.ceil(timeout)})",
            "innodb_lock_wait_timeout": f"LEAST(@@SESSION.innodb_lock_wait_timeout, {math.ceil(timeout)})",
        }
        names = ", ".join(f"'{name}'" for name in wanted)

        def say(cursor: Any) -> None:
            # In an SQL mode of somebody else's, even quotes mean something else.
            cursor.execute(f"SET SESSION sql_mode = '{_SQL_MODE}', SESSION time_zone = '+00:00'")
            cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            # Not every version has all of them.
            cursor.execute(f"SHOW SESSION VARIABLES WHERE Variable_name IN ({names})")
            known = [str(row[0]) for row in cursor.fetchall()]
            _set(cursor, [f"SESSION {name} = {wanted[name]}" for name in known])

        begin_with(engine, say)
        if engine.dialect.driver == "pymysql":

            @sa.event.listens_for(engine, "do_connect")
            def _encode(_dialect: Any, _record: Any, _args: Any, named: dict[str, Any]) -> None:
                # The driver takes a password for Latin 1, and the server for UTF-8.
                if isinstance(named.get("password"), str):
                    named["password"] = named["password"].encode()

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

    def adder(
        self, connection: Connection, table: sa.Table, columns: Sequence[str], key: Sequence[str], alone: bool = True
    ) -> Inserter:
        """See :class:`Dialect`. What replaces by one key would do so by any other; then each row goes by itself."""
        if key and not alone:
            return _one_by_one(connection, table, columns, key)
        return super().adder(connection, table, columns, key)

    def takes_silently(self, connection: Connection, table: sa.Table) -> bool:
        """See :class:`Dialect`. What is replaced is counted as often as the server likes; nothing is kept out."""
        return True

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
        most = int(connection.execute(sa.text("SELECT @@max_allowed_packet")).scalar_one())
        return most - min(_STATEMENT_BYTES, most // 4)

    def largest_value(self, connection: Connection) -> int | None:
        """A statement has to fit a packet, escaped (twice as long at the worst)."""
        return self._packet(connection) // 2

    def has_wide(self, connection: Connection, column: sa.Column[Any]) -> bool:
        """See :class:`Dialect`; a large table of an old release is left as it is."""
        # To reflect a table takes a privilege that a user need not have.
        asked = {"table": column.table.name, "column": column.name}
        return connection.execute(_TYPE, asked).scalar() == "bigint"

    def be_patient(self, connection: Connection) -> None:
        """See :class:`Dialect`."""
        _set(connection.connection.cursor(), ["SESSION max_statement_time = 0"])
        _set(connection.connection.cursor(), ["SESSION lock_wait_timeout = 3600"])
        # PyMySQL has no other way to change it.
        link = connection.connection.dbapi_connection
        for name in ("_read_timeout", "_write_timeout"):
            if hasattr(link, name):
                setattr(link, name, None)

    def lock_schema(self, connection: Connection) -> None:
        """Let one engine at a time create tables; DDL ends a transaction here, so the lock is the session's."""
        if connection.execute(sa.text("SELECT GET_LOCK('eventsd_schema', 60)")).scalar() != 1:
            raise Transient("another engine has been making the tables for a minute")

    def unlock_schema(self, connection: Connection) -> None:
        """See :meth:`lock_schema`."""
        connection.execute(sa.text("SELECT RELEASE_LOCK('eventsd_schema')"))


def _set(cursor: Any, assignments: list[str]) -> None:
    """Set variables of the session; what a user may not set stays as it is."""
    try:
        cursor.execute(f"SET {', '.join(assignments)}")
    except Exception as exc:
        code = exc.args[0] if exc.args else None
        if not isinstance(code, int) or 2000 <= code < 3000:
            # That was no answer of the server's.
            raise
        if len(assignments) > 1:
            for one in assignments:
                _set(cursor, [one])


def _one_by_one(connection: Connection, table: sa.Table, columns: Sequence[str], key: Sequence[str]) -> Inserter:
    """Return an inserter that replaces rows by one key, and by no other there may be."""
    quote = connection.dialect.identifier_preparer.quote
    name = connection.dialect.identifier_preparer.format_table(table)
    replaced = [column for column in columns if column not in key] or list(key)
    sets = ", ".join(f"{quote(column)} = %s" for column in replaced)
    is_it = " AND ".join(f"{quote(column)} = %s" for column in key)
    insert_one = by_driver(mysql.insert(table), columns)

    def insert(connection: Connection, rows: Sequence[Any]) -> int:
        for row in rows:
            wanted = tuple(row[column] for column in key)
            values = (*(row[column] for column in replaced), *wanted)
            if connection.exec_driver_sql(f"UPDATE {name} SET {sets} WHERE {is_it}", values).rowcount:
                continue
            try:
                insert_one(connection, [row])
            except sa.exc.IntegrityError:
                # It may be there just as it is to be, and so not have changed.
                if not connection.exec_driver_sql(f"SELECT 1 FROM {name} WHERE {is_it} FOR UPDATE", wanted).first():
                    raise
        return len(rows)

    return insert


class MariaDB(MySQL):
    """MariaDB under its own name in a URL."""

    name = "mariadb"
