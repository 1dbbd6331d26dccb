"""
Insert many rows at little cost per row.

A driver's ``executemany`` costs up to a hundred microseconds a row: SQLAlchemy treats each value, psycopg2 sends each
row by itself, PyMySQL escapes each value in Python. Where the database can take a JSON document apart, a batch's rows
travel as one parameter; SQLite, which lives in the process, gets them as they are.

All statements are SQLAlchemy Core, built once for each table and cached by it.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.engine import Connection
from sqlalchemy.sql.dml import Insert

from salt_eventsd.common.grouping import grouped

#: Documents of rows are about so long, in bytes. A driver makes several copies of what it sends; longer ones are hardly
#: any faster.
_USUAL_DOCUMENT_BYTES = 2**17

Row = dict[str, Any]
#: Inserts rows that all have the same columns, and returns how many the database says it has taken: those that were
#: there already are not among them.
Inserter = Callable[[Connection, Sequence[Row]], int]


def by_driver(statement: Insert, columns: Sequence[str]) -> Inserter:
    """
    Return an inserter that hands rows to the driver untreated.

    :param statement: an insert into the table, with its conflict clause.
    :param columns: the columns that are inserted.
    """
    compiled: dict[str, tuple[str, bool]] = {}
    # Of one column, itemgetter returns no tuple.
    values = itemgetter(*columns) if len(columns) > 1 else lambda row: (row[columns[0]],)

    def insert(connection: Connection, rows: Sequence[Row]) -> int:
        dialect = connection.dialect
        if dialect.name not in compiled:
            made = statement.compile(dialect=dialect, column_keys=list(columns))
            compiled[dialect.name] = str(made), made.positional
        sql, positional = compiled[dialect.name]
        return connection.exec_driver_sql(sql, [values(row) for row in rows] if positional else list(rows)).rowcount

    return insert


def by_recordset(table: sa.Table, columns: Sequence[str], conflict: Callable[[Any], Insert]) -> Inserter:
    """
    Return an inserter for PostgreSQL: the rows as one document, taken apart by ``json_to_recordset``.

    :param table: the table.
    :param columns: its columns that are inserted.
    :param conflict: adds the conflict clause to the insert.
    """
    document = sa.cast(sa.bindparam("document"), postgresql.JSON)
    source = (
        sa.func.json_to_recordset(document)
        .table_valued(*[sa.column(name, table.c[name].type) for name in columns], name="r")
        .render_derived(with_types=True)
    )
    select = sa.select(*[source.c[name] for name in columns])
    statement = conflict(postgresql.insert(table).from_select(list(columns), select))

    def insert(connection: Connection, rows: Sequence[Row]) -> int:
        taken = 0
        for document in _documents(map(msgspec.json.encode, rows), _USUAL_DOCUMENT_BYTES):
            taken += connection.execute(statement, {"document": document.decode()}).rowcount
        return taken

    return insert


def by_json_table(
    table: sa.Table, columns: Sequence[str], conflict: Callable[[Any], Insert], most_bytes: int, large: Inserter
) -> Inserter:
    """
    Return an inserter for MySQL 8 and MariaDB 10.6: the rows as documents, taken apart by ``JSON_TABLE``.

    :param table: the table.
    :param columns: its columns that are inserted.
    :param conflict: adds the conflict clause to the insert.
    :param most_bytes: no document is longer, so that it fits a packet when it is escaped.
    :param large: inserts a row that is longer by itself.
    """
    dialect = mysql.dialect()
    # Rows travel as lists: a column's name may hold anything, and would be repeated in each.
    shapes = ", ".join(
        f"c{place} {_json_table_type(table.c[name].type, dialect)} PATH '$[{place}]' ERROR ON ERROR"
        for place, name in enumerate(columns)
    )
    document = "CONVERT(FROM_BASE64(:document) USING utf8mb4)"
    source = sa.text(f"JSON_TABLE({document}, '$[*]' COLUMNS ({shapes})) AS r")
    select: Any = sa.select(*[sa.literal_column(f"r.c{place}") for place in range(len(columns))]).select_from(source)
    statement = conflict(mysql.insert(table).from_select(list(columns), select))

    def insert(connection: Connection, rows: Sequence[Row]) -> int:
        taken = 0

        def texts() -> Iterator[bytes]:
            nonlocal taken
            for row in rows:
                text = msgspec.json.encode([row[name] for name in columns])
                if len(text) > most_bytes:
                    taken += large(connection, [row])
                else:
                    yield text

        for document in _documents(texts(), min(most_bytes, _USUAL_DOCUMENT_BYTES)):
            # Base64 has nothing in it that PyMySQL would escape, which it does character by character.
            taken += connection.execute(statement, {"document": b64encode(document).decode()}).rowcount
        return taken

    return insert


def _json_table_type(kind: Any, dialect: Any) -> str:
    sql = str(kind.dialect_impl(dialect).compile(dialect=dialect))
    is_text = isinstance(kind, (sa.String, sa.JSON))
    return f"{sql} CHARACTER SET utf8mb4" if is_text else sql


def _documents(texts: Iterable[bytes], most_bytes: int) -> Iterator[bytes]:
    """Yield arrays of JSON texts, none longer than the limit but for a text that is so by itself."""
    # With each text goes a comma, but for the last.
    for part in grouped(texts, lambda text: len(text) + 1, most_bytes + 1):
        yield b"[%s]" % b",".join(part)
