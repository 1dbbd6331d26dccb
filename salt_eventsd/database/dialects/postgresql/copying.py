"""
Many rows by ``COPY``, in a savepoint, which costs PostgreSQL half of what an insert does.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from salt_eventsd.database.dialects.base.bulk import Row
from salt_eventsd.database.dialects.base.lines import BETWEEN, END, MARK, Lines
from salt_eventsd.database.dialects.base.quickly import Quick
from salt_eventsd.database.dialects.postgresql.faults import PostgreSQLFaults
from salt_eventsd.exceptions import Transient

#: The option of a statement that says what is copied.
_SOURCE = "eventsd_copied"
#: Where a connection keeps how many savepoints its transaction has.
_SAVEPOINTS = "eventsd_savepoints"
#: Signs that have a meaning in lines, the one that escapes the others first.
_ESCAPED = (("\\", "\\\\"), ("\n", "\\n"), ("\r", "\\r"))
_ESCAPED_BYTES = tuple((sign.encode(), escaped.encode()) for sign, escaped in _ESCAPED)
_END = END.encode()
_RULES = sa.text("SELECT relhasrules FROM pg_catalog.pg_class WHERE oid = to_regclass(:table)")


class Source(io.RawIOBase):
    """
    Rows as a file that psycopg2 reads, a piece at a time.

    :param pieces: lines of rows.
    :ivar taken: how many rows the database counts as copied.
    :ivar broke: whether a row could not be written as a line; the driver says something else then.
    """

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self.taken = 0
        self.broke = False

    def read(self, _size: int = -1) -> bytes:
        """Return some more lines, nothing at the end. The driver takes any number."""
        try:
            return next(self._pieces, b"")
        except Exception:
            self.broke = True
            raise


def by_copy(table: sa.Table, columns: Sequence[str]) -> Quick:
    """
    Return what copies rows into a table.

    :param table: one of ours.
    :param columns: its columns that are inserted.
    """
    # One of them is a word of SQL.
    names = ", ".join(f'"{name}"' for name in columns)
    sql = f"COPY {table.name} ({names}) FROM STDIN (DELIMITER E'\\x1e', NULL E'\\x1d')"
    values = itemgetter(*columns)
    faults = PostgreSQLFaults()

    def copy(connection: Connection, rows: Sequence[Row]) -> int | None:
        source = Source(_LINES.of(rows, values))
        savepoint = _name_of_savepoint(connection)
        try:
            connection.exec_driver_sql(f"SAVEPOINT {savepoint}; {sql}", execution_options={_SOURCE: source})
        except Exception as exc:
            if not source.broke and isinstance(faults.classify(exc), Transient):
                raise
            connection.exec_driver_sql(f"ROLLBACK TO SAVEPOINT {savepoint}")
            return None
        return source.taken

    return copy


def _name_of_savepoint(connection: Connection) -> str:
    """
    Return the name of a savepoint that the transaction does not have yet. It goes to the server together with what is
    copied, and ends with the transaction: by itself, to make it and to let go of it costs as much as ten rows.
    """
    before, number = connection.info.get(_SAVEPOINTS, (None, 0))
    now = connection.get_transaction()
    number = number + 1 if now is before else 1
    connection.info[_SAVEPOINTS] = (now, number)
    return f"eventsd_copied_{number}"


def can_copy(connection: Connection, table: sa.Table) -> bool:
    """
    Return whether rows get into a table by ``COPY`` as they do by an insert.

    :param connection: to the database.
    :param table: one of ours.
    """
    if connection.dialect.driver != "psycopg2":
        return False
    # A rule of somebody's own is heeded by inserts alone.
    return connection.execute(_RULES, {"table": table.name}).scalar() is False


def prepare(engine: Engine) -> None:
    """
    Have an engine execute what is copied through the driver's own call for that.

    :param engine: of the database.
    """

    @sa.event.listens_for(engine, "do_execute")
    def _copy(cursor: Any, statement: str, _parameters: Any, context: Any) -> bool:
        source = context.execution_options.get(_SOURCE) if context is not None else None
        if source is None:
            return False
        cursor.copy_expert(statement, source)
        source.taken = cursor.rowcount
        return True


def _usual(text: bytes) -> bytes:
    for sign, escaped in _ESCAPED_BYTES:
        # Bytes are copied even where nothing is replaced.
        if sign in text:
            text = text.replace(sign, escaped)
    return text.replace(_END, b"\n")


def _odd(text: str) -> str:
    for sign, escaped in (*_ESCAPED, (BETWEEN, "\\" + BETWEEN), (MARK, "\\" + MARK)):
        text = text.replace(sign, escaped)
    return text


_LINES = Lines(null=MARK, usual=_usual, odd=_odd, end="\n")
