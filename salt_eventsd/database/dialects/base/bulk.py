"""
Insert many rows at little cost per row.

A driver's ``executemany`` costs up to a hundred microseconds a row: SQLAlchemy treats each value, psycopg2 sends each
row by itself, PyMySQL escapes each value in Python. Where the database can take a JSON document apart, a batch's rows
travel as one parameter; SQLite, which lives in the process, gets them as they are.

All statements are SQLAlchemy Core, built once for each table and cached by it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy.engine import Connection
from sqlalchemy.sql.dml import Insert

from salt_eventsd.common.grouping import grouped

#: Documents of rows are about so long, in bytes. Longer ones are hardly faster, and a driver makes several copies.
USUAL_DOCUMENT_BYTES = 2**17

Row = dict[str, Any]
#: Inserts rows that all have the same columns, and returns how many the database counts as inserted: rows that were
#: there already do not count.
Inserter = Callable[[Connection, Sequence[Row]], int]


def by_driver(statement: Insert, columns: Sequence[str]) -> Inserter:
    """
    Return an inserter that hands rows to the driver as they are.

    :param statement: an insert into the table, with its conflict clause.
    :param columns: the columns that are inserted.
    """
    compiled: dict[str, tuple[str, bool]] = {}
    values = values_of(columns)

    def insert(connection: Connection, rows: Sequence[Row]) -> int:
        dialect = connection.dialect
        if dialect.name not in compiled:
            made = statement.compile(dialect=dialect, column_keys=list(columns))
            compiled[dialect.name] = str(made), made.positional
        sql, positional = compiled[dialect.name]
        return connection.exec_driver_sql(sql, [values(row) for row in rows] if positional else list(rows)).rowcount

    return insert


def values_of(columns: Sequence[Any]) -> Callable[[Any], tuple[Any, ...]]:
    """
    Return what makes a row the tuple of its values.

    :param columns: their names, in this order; or their places, where rows are tuples.
    """
    # Of one column, itemgetter returns no tuple, and of none, it is an error.
    return itemgetter(*columns) if len(columns) > 1 else lambda row: tuple([row[column] for column in columns])


def documents(texts: Iterable[bytes], most_bytes: int) -> Iterator[bytes]:
    """
    Yield arrays of JSON texts, none longer than the limit but for a text that is so by itself.

    :param texts: a row each.
    :param most_bytes: the limit.
    """
    # With each text goes a comma, but for the last.
    for part in grouped(texts, lambda text: len(text) + 1, most_bytes + 1):
        yield b"[%s]" % b",".join(part)
