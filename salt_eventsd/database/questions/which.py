"""
Conditions that several questions share: names and globs, functions, times, pages.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

import sqlalchemy as sa

from salt_eventsd.database.questions.read import Reader

Condition = sa.ColumnElement[bool]
#: More functions than this are no longer matched one by one: somebody fires returns of functions they made up.
_MOST_FUNCTIONS = 2000


def of_name(reader: Reader, column: sa.ColumnElement[Any], glob: str | None) -> list[Condition]:
    """
    Return the condition that a name fits a glob, none if there is no glob.

    :param reader: of the history.
    :param column: of names.
    :param glob: with ``*``, ``?`` and ``[...]``, or a name.
    """
    return [] if glob is None else [reader.dialect.questions.fits(column, glob)]


def of_function(reader: Reader, table: sa.Table, glob: str | None) -> list[Condition]:
    """
    Return the condition that a function fits a glob, or one of the several functions of a job does.

    Which functions there are is known quickly, from an index that begins with them; so the condition is a list of
    names, which the index finds, too.

    :param reader: of the history.
    :param table: with a column ``fun`` and an index that begins with it.
    :param glob: as in :func:`of_name`; none if there is no condition.
    """
    if glob is None:
        return []
    known = reader.values(reader.dialect.questions.distinct(table.c.fun).limit(_MOST_FUNCTIONS + 1))
    if len(known) > _MOST_FUNCTIONS:
        return of_name(reader, table.c.fun, glob)
    fitting = [fun for fun in known if any(fnmatchcase(one, glob) for one in (fun, *fun.split(",")))]
    return [table.c.fun == fitting[0] if len(fitting) == 1 else table.c.fun.in_(fitting)]


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
