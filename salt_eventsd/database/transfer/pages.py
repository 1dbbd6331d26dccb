"""
The rows of a table some at a time, in the order of their key. A page holds keys and sizes only; the rows themselves are
fetched in groups of bounded size, for a minion may return what takes a lot of memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timezone
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from salt_eventsd.common.grouping import grouped
from salt_eventsd.database import schema
from salt_eventsd.database.dialects import dialect_of
from salt_eventsd.database.dialects.base.conditions import among, behind

Key = tuple[Any, ...]
#: What is read of a table at once, in bytes of its texts; a larger row is read by itself.
_GROUP_BYTES = 4 * 2**20
#: So many rows are named in one statement.
AT_ONCE = 200


class Entry(NamedTuple):
    """
    A row of which only this is known.

    :param key: the values of its key, times in UTC.
    :param bytes: about how large its texts are.
    """

    key: Key
    bytes: int


class Found(NamedTuple):
    """
    A row.

    :param key: as in :class:`Entry`.
    :param row: its values by column: times in UTC, JSON as text.
    """

    key: Key
    row: dict[str, Any]


def page(connection: Connection, table: sa.Table, after: Key | None, rows: int) -> list[Entry]:
    """
    Return the next rows of a table.

    :param connection: to the history, in a transaction.
    :param table: one of ours.
    :param after: the key of the last row of the page before; None for the first page.
    :param rows: no more than so many.
    """
    key = key_columns(table)
    query = sa.select(*key, size_of(connection, table)).order_by(*key).limit(rows)
    if after is not None:
        query = query.where(behind(key, after))
    return [Entry(in_utc(row[:-1]), int(row[-1] or 0)) for row in connection.execute(query)]


def groups(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """
    Yield rows in groups that may be read at once.

    :param entries: the rows.
    """
    yield from grouped(entries, lambda one: one.bytes, _GROUP_BYTES, AT_ONCE)


def fetch(connection: Connection, table: sa.Table, keys: Sequence[Key]) -> list[Found]:
    """
    Return rows in the order in which they are named; those that are gone meanwhile are left out.

    :param connection: to the history, in a transaction.
    :param table: one of ours.
    :param keys: of one group.
    """
    columns = [_as_text(connection, column) for column in table.columns]
    names = [column.name for column in table.columns]
    places = [names.index(name) for name in schema.key_of(table)]
    found: dict[Key, dict[str, Any]] = {}
    for row in connection.execute(sa.select(*columns).where(among(key_columns(table), keys))):
        values = in_utc(row)
        found[tuple(values[place] for place in places)] = dict(zip(names, values, strict=True))
    return [Found(key, found[key]) for key in keys if key in found]


def present(connection: Connection, table: sa.Table, keys: Sequence[Key]) -> set[Key]:
    """
    Return which keys are in a table.

    :param connection: to a database, in a transaction.
    :param table: one of ours.
    :param keys: of rows.
    """
    there: set[Key] = set()
    for start in range(0, len(keys), AT_ONCE):
        some = keys[start : start + AT_ONCE]
        found = connection.execute(sa.select(*key_columns(table)).where(among(key_columns(table), some)))
        there.update(in_utc(row) for row in found)
    return there


def key_columns(table: sa.Table) -> list[sa.Column[Any]]:
    """
    Return the columns that tell a row from a copy of it.

    :param table: one of ours.
    """
    return [table.c[name] for name in schema.key_of(table)]


def size_of(connection: Connection, table: sa.Table) -> sa.ColumnElement[Any]:
    """
    Return how many bytes the texts of a row take.

    :param connection: to the database.
    :param table: one of ours.
    """
    texts = [column for column in table.columns if isinstance(column.type, (sa.JSON, sa.Text))]
    size: sa.ColumnElement[Any] = sa.literal_column("0")
    for column in texts:
        size = size + sa.func.coalesce(dialect_of(connection).questions.bytes_of(column), 0)
    return size


def in_utc(values: Iterable[Any]) -> Key:
    """
    Return values of a row with their times in UTC; those of SQLite and MariaDB come without a zone.

    :param values: as the driver returns them.
    """
    return tuple(_in_utc(value) if isinstance(value, datetime) else value for value in values)


def _in_utc(when: datetime) -> datetime:
    return when.replace(tzinfo=timezone.utc) if when.tzinfo is None else when.astimezone(timezone.utc)


def _as_text(connection: Connection, column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    """JSON as the text it is: what a driver makes of it may not be the same numbers."""
    if not isinstance(column.type, sa.JSON):
        return column
    if isinstance(column.type.dialect_impl(connection.dialect), sa.JSON):
        return sa.cast(column, sa.Text).label(column.name)
    return sa.type_coerce(column, sa.Text).label(column.name)
