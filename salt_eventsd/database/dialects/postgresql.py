"""
PostgreSQL: no NUL, rows as records of a document, and a schema lock that ends with the transaction.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from salt_eventsd.database.bulk import Inserter, by_recordset
from salt_eventsd.database.dialects.base import Conflict, Dialect, begin_with, is_wide

#: Shown in place of a NUL, which the database has no way to keep.
NUL_SYMBOL = "\N{SYMBOL FOR NULL}"
_NUL_IN_JSON = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")


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
        begin_with(engine, "SET TIME ZONE 'UTC'")

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
            symbol = NUL_SYMBOL.encode()
            # Where no backslash is escaped, every such is a NUL, and replacing them takes no memory for each.
            simple = b"\\\\" not in text
            text = text.replace(b"\\u0000", symbol) if simple else _NUL_IN_JSON.sub(rb"\1" + symbol, text)
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

    def has_wide(self, connection: Connection, column: sa.Column[Any]) -> bool:
        """See :class:`Dialect`; a large table of an old release is left as it is."""
        return is_wide(connection, column)

    def lock_schema(self, connection: Connection) -> None:
        """Let one engine at a time create tables."""
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext('eventsd_schema'))"))
