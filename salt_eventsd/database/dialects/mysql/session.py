"""
Sessions of MySQL and MariaDB: what a server has set for its users does not apply to the engine, and bad data is an
error.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from salt_eventsd.database.dialects.base.session import Session, begin_with

_SQL_MODE = "STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION"
#: Variables of a session that decide what becomes of rows, and how the engine sets them.
_SESSION = {
    "autocommit": "0",
    "completion_type": "0",
    "default_storage_engine": "InnoDB",
    "foreign_key_checks": "1",
    "innodb_strict_mode": "1",
    "sql_auto_is_null": "0",
    "sql_notes": "1",
    "sql_quote_show_create": "1",
    "sql_safe_updates": "0",
    "unique_checks": "1",
}
#: How many rows an answer may have.
_ALL = 2**64 - 1

#: What a statement takes of a packet besides its value, in bytes.
_STATEMENT_BYTES = 2**16


class MySQLSession(Session):
    """Connects to MySQL or MariaDB."""

    drivers: ClassVar = {"mysql": "mysql+pymysql", "mariadb": "mariadb+pymysql"}
    packages: ClassVar = {"mysqldb": "mysqlclient", "mysqlconnector": "mysql-connector-python"}

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
        """See :class:`Session`. What a server has set for its users is not for us; bad data is an error."""
        self._prepare(engine, timeout, loads=True)

    def _prepare(self, engine: Engine, timeout: float, *, loads: bool) -> None:
        if engine.dialect.driver == "pymysql":
            # Who uses another driver need not have this one.
            from salt_eventsd.database.dialects.mysql.connection import connect_through

            connect_through(engine, loads)
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
            # A limit that a server has set could end any of what follows, or cut off its answer; MySQL has no limit of
            # time, and reads a comment.
            cursor.execute(
                f"SET SESSION sql_mode = '{_SQL_MODE}', SESSION time_zone = '+00:00', SESSION sql_select_limit = {_ALL}"
                f" /*M!100101 , SESSION max_statement_time = {timeout} */"
            )
            cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            # Not every version has all of them.
            cursor.execute(f"SHOW SESSION VARIABLES WHERE Variable_name IN ({names})")
            known = [str(row[0]) for row in cursor.fetchall()]
            _set(cursor, [f"SESSION {name} = {wanted[name]}" for name in known])

        begin_with(engine, say)

    def prepare_to_read(self, engine: Engine, timeout: float) -> None:
        """See :class:`Session`. A transaction that has begun cannot be changed any more."""
        self._prepare(engine, timeout, loads=False)
        begin_with(engine, lambda cursor: cursor.execute("SET SESSION TRANSACTION READ ONLY"))
        # A list that is longer would be cut off, and be no JSON.
        begin_with(engine, lambda cursor: cursor.execute("SET SESSION group_concat_max_len = 1073741824"))

    def be_patient(self, connection: Connection) -> None:
        """See :class:`Session`."""
        _set(connection.connection.cursor(), ["SESSION max_statement_time = 0"])
        _set(connection.connection.cursor(), ["SESSION lock_wait_timeout = 3600"])
        # PyMySQL has no other way to change it.
        link = connection.connection.dbapi_connection
        for name in ("_read_timeout", "_write_timeout"):
            if hasattr(link, name):
                setattr(link, name, None)


def packet_bytes(connection: Connection) -> int:
    """
    Return how long the values of a statement may be, in bytes: longer packets the server does not take.

    :param connection: to the database.
    """
    most = int(connection.execute(sa.text("SELECT @@max_allowed_packet")).scalar_one())
    return most - min(_STATEMENT_BYTES, most // 4)


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
