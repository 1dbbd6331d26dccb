"""
Many rows of one statement for SQLite.

SQLite lets Python's other threads run while it works on a statement, then waits for its turn again. With a statement
for each row, a writer beside a busy thread waits for up to 5 ms a row. The rows of one statement wait once for all of
them, and cost a little less even alone.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from itertools import chain
from typing import Any

from sqlalchemy.engine import Connection
from sqlalchemy.sql.dml import Insert

from salt_eventsd.database.dialects.base.bulk import Inserter, Row, by_driver, values_of

#: How many rows a statement has at most, and how many bytes, roughly: SQLite makes a copy of each value.
_MOST_ROWS = 200
_MOST_BYTES = 2**20
#: SQLite itself takes no more values than this.
_MOST_VALUES = 32_766 if sqlite3.sqlite_version_info >= (3, 32) else 999
#: So many rows of a batch tell how large its rows are.
_SAMPLE = 16


def by_statements(statement: Insert, columns: Sequence[str]) -> Inserter:
    """
    Return an inserter that has many rows in a statement.

    :param statement: an insert into the table, with its conflict clause.
    :param columns: the columns that are inserted.
    """
    values = values_of(columns)
    one_by_one = by_driver(statement, columns)
    marks = f"({', '.join('?' * len(columns))})"
    single = ""

    def insert(connection: Connection, rows: Sequence[Row]) -> int:
        nonlocal single
        made = [values(row) for row in rows]
        at_once = _rows_at_once(made, len(columns))
        if at_once < 2:
            return one_by_one(connection, rows)
        if not single:
            single = str(statement.compile(dialect=connection.dialect, column_keys=list(columns)))
        count = 0
        for start in range(0, len(made), at_once):
            part = made[start : start + at_once]
            sql = single.replace(marks, ", ".join([marks] * len(part)), 1)
            count += connection.exec_driver_sql(sql, tuple(chain.from_iterable(part))).rowcount
        return count

    return insert


def _rows_at_once(rows: Sequence[tuple[Any, ...]], columns: int) -> int:
    some = rows[:: max(1, len(rows) // _SAMPLE)]
    size = sum(len(value) for row in some for value in row if isinstance(value, (str, bytes)))
    return min(len(rows), _MOST_ROWS, _MOST_VALUES // columns, _MOST_BYTES * len(some) // (size + 1))
