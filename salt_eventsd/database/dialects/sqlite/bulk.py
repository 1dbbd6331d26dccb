"""
Many rows of one statement for SQLite.

SQLite lets Python's other threads run while it works on a statement, then waits for its turn again. With a statement
for each row, a writer beside a busy thread waits for up to 5 ms a row. The rows of one statement wait once for all of
them, and cost a little less even alone.

If one of many rows is refused, SQLite undoes the whole statement, and so it keeps a copy of each page that it changes.
That is a fifth of the work, and in vain: our caller undoes the transaction, or goes back to a savepoint.
``INSERT OR FAIL`` does without. But it also overrules what others have said of conflicts, so where they have, it is not
used.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain, islice
from typing import Any

from sqlalchemy.engine import Connection
from sqlalchemy.sql.dml import Insert

from salt_eventsd.database.dialects.base.bulk import Inserter, Row, by_driver, values_of
from salt_eventsd.database.dialects.base.runs import Values, tuples_of
from salt_eventsd.database.dialects.sqlite.alike import Alike

#: How many rows a statement has. SQLite keeps what it has made of a statement, and that is large for many rows: so
#: there are few kinds of them. The rest of a batch goes into one of fewer rows than the smallest.
_ROWS = (512, 128, 32, 8)
#: In a statement of so many rows, values that all of them have are sent once.
_ALIKE_ROWS = 128
#: How many bytes a statement has at most, roughly: SQLite makes a copy of each value.
_MOST_BYTES = 2**20
#: SQLite itself takes no more values than this.
_MOST_VALUES = 32_766 if sqlite3.sqlite_version_info >= (3, 32) else 999
#: So many rows of a batch tell how large its rows are.
_SAMPLE = 16
#: Who else says what becomes of a row that is refused: a trigger's own statements, or a clause of a table.
_CONFLICTS = "SELECT 1 FROM sqlite_master WHERE type = 'trigger' OR sql LIKE '%CONFLICT%' LIMIT 1"
_NONE: frozenset[int] = frozenset()


def by_statements(statement: Insert, columns: Sequence[str]) -> Inserter:
    """
    Return an inserter that has many rows in a statement.

    :param statement: an insert into the table, with its conflict clause.
    :param columns: the columns that are inserted.
    """
    values = values_of(columns)
    one_by_one = by_driver(statement, columns)
    marks = f"({', '.join('?' * len(columns))})"
    alike = Alike()
    statements: dict[tuple[int, frozenset[int], bool], str] = {}
    or_fail = statement.prefix_with("OR FAIL")

    def of_rows(count: int, once: frozenset[int], fails: bool, connection: Connection) -> str:
        if (count, once, fails) not in statements:
            some = or_fail if fails else statement
            single = str(some.compile(dialect=connection.dialect, column_keys=list(columns)))
            # The values of the first row have the numbers of their columns.
            others = f"({', '.join(f'?{at + 1}' if at in once else '?' for at in range(len(columns)))})"
            statements[count, once, fails] = single.replace(marks, ", ".join([marks, *[others] * (count - 1)]), 1)
        return statements[count, once, fails]

    def insert_some(connection: Connection, tuples: list[Values], fails: bool) -> int:
        most = _rows_at_once(tuples[:: max(1, len(tuples) // _SAMPLE)], len(columns))
        if most < 2:
            return connection.exec_driver_sql(of_rows(1, _NONE, False, connection), tuples).rowcount
        cells = list(zip(*tuples, strict=True))
        once = alike.of(cells) if min(most, len(tuples)) >= _ALIKE_ROWS else _NONE
        count = start = 0
        while start < len(tuples):
            some = min(most, len(tuples) - start)
            end = start + next((usual for usual in _ROWS if usual <= some), some)
            shared = once if end - start >= _ALIKE_ROWS else _NONE
            others = zip(*[one[start + 1 : end] for at, one in enumerate(cells) if at not in shared], strict=True)
            sent = (*[one[start] for one in cells], *chain.from_iterable(others))
            count += connection.exec_driver_sql(of_rows(end - start, shared, fails, connection), sent).rowcount
            start = end
        return count

    def insert(connection: Connection, rows: Sequence[Row]) -> int:
        if len(rows) == 1:
            return one_by_one(connection, rows)
        fails = not statement.table.schema and connection.exec_driver_sql(_CONFLICTS).first() is None
        waiting = tuples_of(rows, values)
        count = 0
        # Of all rows at a time, the values would be in memory twice.
        while some := list(islice(waiting, _ROWS[0])):
            count += insert_some(connection, some, fails)
        return count

    return insert


@lru_cache(maxsize=64)
def of_keys(table: str, key: tuple[str, ...], count: int, names: tuple[str, ...]) -> str:
    """
    Return a question for the rows of a table that have one of some keys: each is looked for in the index.

    :param table: the table.
    :param key: the columns of the key.
    :param count: how many keys.
    :param names: the columns that are wanted.
    """
    marks = f"({', '.join('?' * len(key))})"
    wanted = ", ".join(f"k{at}" for at in range(len(key)))
    is_it = " AND ".join(f'there."{name}" = k{at}' for at, name in enumerate(key))
    found = ", ".join(f'there."{name}"' for name in names)
    given = f"WITH wanted ({wanted}) AS (VALUES {', '.join([marks] * count)})"
    # What stands before a cross join is read first.
    return f"{given} SELECT {found} FROM wanted CROSS JOIN {table} AS there ON {is_it}"


def _rows_at_once(some: Sequence[tuple[Any, ...]], columns: int) -> int:
    size = sum(len(value) for row in some for value in row if isinstance(value, (str, bytes)))
    return min(_MOST_VALUES // columns, _MOST_BYTES * len(some) // (size + 1))
