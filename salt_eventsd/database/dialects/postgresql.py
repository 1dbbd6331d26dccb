"""
PostgreSQL: no NUL, rows as records of a document, and a schema lock that ends with the transaction.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from salt_eventsd.database.bulk import Inserter, by_recordset
from salt_eventsd.database.dialects.base import Conflict, Dialect, begin_with
from salt_eventsd.exceptions import Held

#: Shown in place of a NUL, which the database has no way to keep.
NUL_SYMBOL = "\N{SYMBOL FOR NULL}"
_NUL_IN_JSON = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")
#: Times are UTC, also in columns that know no time zone. How strings are quoted is the driver's, which asks only once.
_SESSION = {
    "TimeZone": "UTC",
    "client_encoding": "UTF8",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "bytea_output": "hex",
    "default_transaction_isolation": "read committed",
    "default_transaction_deferrable": "off",
    "row_security": "on",
    "transaction_timeout": "0",
}
#: Not every version has all of them.
_SET = (
    "SELECT pg_catalog.set_config(known.name, wanted.value, false) FROM (VALUES {pairs}) AS wanted (name, value)"
    " JOIN pg_catalog.pg_settings AS known ON known.name = wanted.name"
)
#: Where nothing can be made, or what is made hides what the server brings along, it is made where it usually is.
_SET_PATH = (
    "SELECT pg_catalog.set_config('search_path', 'public', false)"
    " WHERE coalesce(pg_catalog.current_schema(), 'pg_catalog') IN ('pg_catalog', 'information_schema')"
)

_UNIQUE_VIOLATION = "23505"
#: The table of ours whose primary key is the id that a constraint is about.
_TABLE_OF_ID = sa.text(
    "SELECT c.relname FROM pg_catalog.pg_index i"
    " JOIN pg_catalog.pg_class k ON k.oid = i.indexrelid AND k.relname = :constraint"
    " JOIN pg_catalog.pg_class c ON c.oid = i.indrelid AND pg_catalog.pg_table_is_visible(c.oid)"
    " JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname = 'id'"
    " WHERE i.indisprimary AND i.indnatts = 1 AND i.indkey[0] = a.attnum"
    " AND c.relname IN ('eventsd_returns', 'eventsd_events')"
)
#: The sequence of an id; a dump may have parted the two, but for the default.
_SEQUENCE = sa.text(
    "SELECT coalesce(pg_catalog.pg_get_serial_sequence(:table, 'id'),"
    " (SELECT pg_catalog.pg_get_expr(d.adbin, d.adrelid) FROM pg_catalog.pg_attrdef d"
    " JOIN pg_catalog.pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum AND a.attname = 'id'"
    " WHERE d.adrelid = CAST(:table AS regclass)))"
)
_IN_DEFAULT = re.compile(r"nextval\('((?:[^']|'')+)'::regclass\)")
#: What other sessions have drawn since, and not committed, is not in the table.
_CAUGHT_UP = {
    table: sa.text(
        "SELECT pg_catalog.setval(CAST(:sequence AS regclass), greatest(max(id), coalesce((SELECT last_value"
        " FROM pg_catalog.pg_sequences WHERE CAST(format('%I.%I', schemaname, sequencename) AS regclass)"
        f" = CAST(:sequence AS regclass)), 1))) FROM {table}"
    )
    for table in ("eventsd_returns", "eventsd_events")
}

_TAKES_SILENTLY = sa.text(
    "SELECT relkind = 'v' OR (relkind = 'r' AND EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE inhparent = oid))"
    " FROM pg_catalog.pg_class WHERE oid = CAST(:table AS regclass)"
)
_TYPE = sa.text(
    "SELECT format_type(atttypid, atttypmod) FROM pg_catalog.pg_attribute"
    " WHERE attrelid = to_regclass(:table) AND attname = :column"
)


#: How Python is told to write what an encoding lacks.
_ESCAPED_IN_JSON = "eventsd_escaped_in_json"


def _escape_in_json(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    return "".join("\\" + one.encode("ascii", "backslashreplace").decode() for one in missing), error.end


codecs.register_error(_ESCAPED_IN_JSON, _escape_in_json)


def _codec_of(encoding: str) -> str:
    if encoding in ("UTF8", "SQL_ASCII"):
        return ""
    try:
        from psycopg2.extensions import encodings
    except ImportError:
        encodings = {}
    try:
        return codecs.lookup(encodings.get(encoding, encoding)).name
    except LookupError:
        return ""


class PostgreSQL(Dialect):
    """PostgreSQL: JSONB has no NUL, and neither has text."""

    name = "postgresql"

    def __init__(self) -> None:
        #: What Python calls the database's encoding, where it is not UTF-8.
        self._codec = ""

    def engine_args(self, driver: str) -> Mapping[str, Any]:
        """Statements of the user's own go out by the hundred; psycopg2 itself sends each alone, and waits."""
        return (
            {"executemany_mode": "values_plus_batch", "executemany_batch_page_size": 500}
            if driver == "psycopg2"
            else {}
        )

    def connect_args(self, driver: str, connect_seconds: float, timeout: float) -> dict[str, Any]:
        """Notice a host that is gone without a word: keepalives while idle, a user timeout while busy."""
        if driver == "pg8000":
            return {"timeout": max(1, round(timeout)), "application_name": "salt-eventsd"}
        if driver not in ("psycopg2", "psycopg"):
            return {}
        return {
            "connect_timeout": max(2, round(connect_seconds)),
            "application_name": "salt-eventsd",
            # A database may have another one for its users.
            "client_encoding": "utf8",
            "keepalives_idle": 30,
            "keepalives_interval": 10,
            "keepalives_count": 3,
            "tcp_user_timeout": round(timeout * 1000),
        }

    def prepare(self, engine: Engine, timeout: float) -> None:
        """See :class:`Dialect`. What a server, a database or a role have set for its users is not for us."""
        limits = f"SET statement_timeout = {round(timeout * 1000)}; SET idle_in_transaction_session_timeout = 0"
        pairs = ", ".join(f"('{name}', '{value}')" for name, value in _SESSION.items())

        def say(cursor: Any) -> None:
            # In one, first, and outside of a transaction: whatever comes next may be too slow for what is set.
            cursor.connection.autocommit = True
            cursor.execute(limits)
            cursor.execute(_SET.format(pairs=pairs))
            cursor.execute(_SET_PATH)
            cursor.connection.autocommit = False

        begin_with(engine, say)

    def bulk(self, connection: Connection, table: sa.Table, columns: Sequence[str], conflict: Conflict) -> Inserter:
        """See :class:`Dialect`."""
        return by_recordset(table, columns, conflict)

    def mend(self, connection: Connection, error: BaseException) -> str:
        """
        See :class:`Dialect`. A sequence that is behind its table, as after a dump was restored, is set.

        :raises Held: the user may not do that.
        """
        original = getattr(error, "orig", None)
        if getattr(original, "pgcode", None) != _UNIQUE_VIOLATION:
            return ""
        constraint = getattr(getattr(original, "diag", None), "constraint_name", None)
        table = connection.execute(_TABLE_OF_ID, {"constraint": constraint}).scalar()
        if table is None:
            return ""
        behind = f"{table}: the sequence that its id is drawn from is behind the rows of the table"
        source = connection.execute(_SEQUENCE, {"table": table}).scalar()
        sequence = _IN_DEFAULT.sub(r"\1", source) if source else None
        if not sequence:
            raise Held(f"{behind}, and is not known; expected id to have a sequence or an identity of its own")
        try:
            with connection.begin_nested():
                last = connection.execute(_CAUGHT_UP[table], {"sequence": sequence}).scalar()
        except sa.exc.DBAPIError as exc:
            raise Held(f"{behind}, and cannot be set: {str(exc.orig).splitlines()[0]}") from exc
        return f"{behind}; it was set to {last}"

    def takes_silently(self, connection: Connection, table: sa.Table) -> bool:
        """See :class:`Dialect`. Before there were partitions, triggers sent rows to tables that inherit."""
        # What is quoted for a statement has its percent signs doubled.
        name = connection.dialect.identifier_preparer.format_table(table).replace("%%", "%")
        return bool(connection.execute(_TAKES_SILENTLY, {"table": name}).scalar())

    def moment(self, when: datetime) -> Any:
        """See :class:`Dialect`; the driver's own type tells the server that it is a time."""
        return when

    def time(self, seconds: float) -> str:
        """See :class:`Dialect`; a session's time zone does not matter to a time that names its own."""
        return f"{super().time(seconds)}+00"

    def learn(self, connection: Connection) -> None:
        """See :class:`Dialect`. A database that is not in UTF-8 has no room for most characters."""
        self._codec = _codec_of(str(connection.execute(sa.text("SHOW server_encoding")).scalar()))

    def json(self, text: bytes) -> Any:
        r"""``\u0000`` becomes a visible symbol; an escaped backslash before a plain ``u0000`` is left alone."""
        if b"\\u0000" in text:
            symbol = NUL_SYMBOL.encode()
            # Where no backslash is escaped, every such is a NUL, and replacing them takes no memory for each.
            simple = b"\\\\" not in text
            text = text.replace(b"\\u0000", symbol) if simple else _NUL_IN_JSON.sub(rb"\1" + symbol, text)
        if self._codec and not text.isascii():
            text = text.decode().encode(self._codec, _ESCAPED_IN_JSON).decode(self._codec).encode()
        return msgspec.Raw(text)

    def text(self, value: str) -> str:
        """See :meth:`json`."""
        value = value.replace("\0", NUL_SYMBOL) if "\0" in value else value
        if self._codec and not value.isascii():
            return value.encode(self._codec, "backslashreplace").decode(self._codec)
        return value

    def largest_value(self, connection: Connection) -> int | None:
        """A JSONB string may have 256 MiB less one, and a whole value not much more."""
        return 2**28 - 2**20

    def check_constraints(self, connection: Connection) -> None:
        """See :class:`Dialect`."""
        connection.execute(sa.text("SET CONSTRAINTS ALL IMMEDIATE"))

    def has_wide(self, connection: Connection, column: sa.Column[Any]) -> bool:
        """See :class:`Dialect`; a large table of an old release is left as it is."""
        names = {"table": column.table.name, "column": column.name}
        return connection.execute(_TYPE, names).scalar() not in ("int", "integer")

    def be_patient(self, connection: Connection) -> None:
        """See :class:`Dialect`."""
        connection.execute(sa.text("SET statement_timeout = 0"))

    def lock_schema(self, connection: Connection) -> None:
        """Let one engine at a time create tables."""
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext('eventsd_schema'))"))
