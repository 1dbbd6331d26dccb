"""
Conditions that several questions share: names and globs, functions, times, pages.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from salt_eventsd.database.questions.read import Reader

Condition = sa.ColumnElement[bool]


def of_name(reader: Reader, column: sa.ColumnElement[Any], glob: str | None) -> list[Condition]:
    """
    Return the condition that a name fits a glob, none if there is no glob.

    :param reader: of the history.
    :param column: of names.
    :param glob: with ``*``, ``?`` and ``[...]``, or a name.
    """
    return [] if glob is None else [reader.dialect.questions.fits(column, glob)]


def since(column: sa.ColumnElement[Any], start: datetime | None, end: datetime | None = None) -> list[Condition]:
    """
    Return the conditions that a time is not before another, and before a third.

    :param column: of times.
    :param start: None for no such condition.
    :param end: likewise.
    """
    return [*([column >= start] if start else []), *([column < end] if end else [])]


def older(stamp: sa.ColumnElement[Any], key: sa.ColumnElement[Any], than: tuple[Any, Any]) -> Condition:
    """
    Return the condition that a row comes after another one, the newest being first.

    :param stamp: the column of times.
    :param key: a column that tells rows of one time apart.
    :param than: both of the other row.
    """
    # Written so that every database begins in the index where the page begins.
    return sa.and_(stamp <= than[0], sa.or_(stamp < than[0], key < than[1]))


def all_of(conditions: Iterable[Condition]) -> Condition:
    """
    Return the condition that all of some conditions are true; it is true if there is none.

    :param conditions: the conditions.
    """
    return sa.and_(sa.true(), *conditions)


def is_there(table: sa.FromClause, conditions: Iterable[Condition]) -> Condition:
    """
    Return the condition that a table has a row: by a look into an index for each row of the question's own table,
    whatever else the database thinks.

    :param table: looked into.
    :param conditions: of its row, with columns of the question's own table.
    """
    row: sa.Select[Any] = sa.select(sa.literal_column("1")).where(*conditions)
    return row.limit(1).correlate_except(table).scalar_subquery().is_not(None)
