"""
The newest rows that fit names and globs.

An index has the rows of one name in the order of their times. Of several names no database begins with the newest rows:
it would sort all rows of theirs. So each name is looked for by itself, and the newest of all are taken. Which names
there are is known quickly, from that same index.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.sql import visitors

from salt_eventsd.common.globs import beginning_of, is_glob, matcher
from salt_eventsd.database.questions.read import Reader, aware
from salt_eventsd.database.questions.wanted import Names, Part, Wanted
from salt_eventsd.database.questions.which import Condition

#: More names than this are not matched one by one: somebody sends names they made up.
_MOST_KNOWN = 2000
#: Unless no more than a few of so many of the newest rows fit: then all names are, if they are no more than these.
_NEWEST = 500
_FEW_OF_NEWEST = 25
_MOST_OF_ALL = 20_000
#: And no more than so many of these fit: a statement does not take any number of values.
_MOST_FITTING = 500
#: Mostly there is enough in this part of what may be looked through.
_PART = 16
#: So many names are looked for one by one. More are so many of all that the newest rows have some of them.
_MOST_ALTERNATIVES = 50

Found = TypeVar("Found")


def newest(
    reader: Reader, columns: Sequence[sa.ColumnElement[Any]], wanted: Wanted, size: int, known: sa.Table | None = None
) -> list[tuple[Any, ...]]:
    """
    Return some columns of the newest rows.

    :param reader: of the history.
    :param columns: the times, and a column that tells rows of one time apart; then others.
    :param wanted: which rows.
    :param size: no more than so many.
    :param known: the table whose index knows the columns and all conditions, but for those that no index does.
    """
    return [] if wanted.is_nothing else reader.tuples(select(reader, columns, wanted, size, known))


def select(
    reader: Reader, columns: Sequence[sa.ColumnElement[Any]], wanted: Wanted, size: int, known: sa.Table | None = None
) -> sa.Select[Any]:
    """
    Return the question that :func:`newest` asks.

    :param reader: of the history.
    :param columns: as in :func:`newest`.
    :param wanted: likewise; something may fit.
    :param size: likewise.
    :param known: likewise.
    """
    first = wanted if known is None else replace(wanted, rest=(), nearly=())
    parts = [one.newest(sa.select(*columns), columns[:2], size) for one in first.parts(reader)]
    if known is not None:
        later = (*wanted.nearly, *wanted.rest)
        parts = [reader.dialect.questions.rows_later(part, known, *later) for part in parts]
    if len(parts) == 1:
        return parts[0]
    every = sa.union_all(*(sa.select(part.subquery()) for part in parts)).subquery()
    return sa.select(every).order_by(*(column.desc() for column in list(every.c)[:2])).limit(size)


def names(reader: Reader, column: sa.ColumnElement[Any], glob: str | None) -> Wanted:
    """
    Return the condition that a name fits a glob.

    :param reader: of the history.
    :param column: of names; an index begins with it, and goes on with the time.
    :param glob: with ``*``, ``?`` and ``[...]``, or a name; None for no condition.
    """
    if glob is None:
        return Wanted()
    if not is_glob(glob):
        return Wanted(names=(Names(column, reader.dialect.questions.beside(column), (glob,)),))
    questions = reader.dialect.questions
    is_narrow, names = _names_like(reader, column, glob)
    # To look for what is rare, or not there at all, goes through all rows.
    most = _MOST_OF_ALL if is_narrow or not _is_often(reader, column, glob) else _MOST_KNOWN
    known = names.limit(most + 1).subquery()
    told = reader.tuples(sa.select(known.c[0], questions.fits(known.c[0], glob)))
    fitting = [name for name, is_meant in told if is_meant]
    if len(told) > most or (len(told) > _MOST_KNOWN and len(fitting) > _MOST_FITTING):
        return Wanted((questions.fits(column if questions.estimates else questions.beside(column), glob),))
    return _one_of(reader, column, fitting, _MOST_ALTERNATIVES, is_all=not is_narrow and len(fitting) == len(told))


def flagged(reader: Reader, column: sa.ColumnElement[Any], value: bool) -> Wanted:
    """
    Return the condition that a boolean has a value.

    :param reader: of the history.
    :param column: of booleans; an index begins with it, and goes on with the time.
    :param value: the value.
    """
    questions = reader.dialect.questions
    if questions.looks_within:
        return Wanted((questions.among(column, value),))
    return Wanted(names=(Names(column, questions.beside(column), (value,)),))


def functions(reader: Reader, column: sa.ColumnElement[Any], glob: str | None, *, is_beside: bool = False) -> Wanted:
    """
    Return the condition that a function fits a glob, or one of the several functions of a job does.

    :param reader: of the history.
    :param column: as in :func:`names`.
    :param glob: likewise.
    :param is_beside: another condition finds fewer rows.
    """
    if glob is None:
        return Wanted()
    known = reader.values(reader.dialect.questions.distinct(column).limit(_MOST_KNOWN + 1))
    if len(known) > _MOST_KNOWN:
        return Wanted((reader.dialect.questions.fits(column, glob),))
    fits = matcher(glob)
    fitting = [fun for fun in known if any(map(fits, (fun, *fun.split(","))))]
    most = 0 if is_beside and fitting else _MOST_ALTERNATIVES
    return _one_of(reader, column, fitting, most, is_all=len(fitting) == len(known))


def floor(reader: Reader, stamp: sa.ColumnElement[Any], wanted: Wanted, most: int) -> datetime | None:
    """
    Return down to which time the newest rows reach; None if there are no more rows.

    :param reader: of the history.
    :param stamp: the times.
    :param wanted: which rows, by what an index knows.
    :param most: so many rows.
    """
    known = replace(wanted, rest=(), nearly=())
    # Of several names the index has no order, and knows all that it is asked.
    part = Part(known.whole) if known.has_several or known.is_nothing else known.parts(reader)[0]
    found = reader.values(part.newest(sa.select(stamp), [stamp], 1).offset(most))
    return aware(found[0]) if found else None


def near(reader: Reader, stamp: sa.ColumnElement[Any], wanted: Wanted, cost: int = 1) -> Wanted:
    """
    Return conditions with a bound, where no index knows all of them: a database looks through so many of the newest
    rows and no more, and the answer says so.

    :param reader: of the history.
    :param stamp: the times.
    :param wanted: the conditions.
    :param cost: how many times as long as to read a row it takes to look at one.
    """
    if wanted.has_begin or not wanted.rest or wanted.is_nothing:
        return wanted
    begin = floor(reader, stamp, wanted, reader.dialect.questions.reach // cost)
    if begin is None:
        return wanted
    reader.begin = begin
    return wanted.also(stamp >= begin)


def found_near(
    reader: Reader,
    stamp: sa.ColumnElement[Any],
    wanted: Wanted,
    size: int,
    find: Callable[[Wanted], list[Found]],
    cost: int = 1,
) -> list[Found]:
    """
    Return what is found with the bound that :func:`near` says. To see where that is takes longer than to find what is
    not rare, so a nearer one is tried first.

    :param reader: of the history.
    :param stamp: as in :func:`near`.
    :param wanted: likewise.
    :param size: no more than so many are asked for, the newest.
    :param find: asks for them, with a bound.
    :param cost: as in :func:`near`.
    """
    if wanted.rest and not (wanted.has_begin or wanted.is_nothing or wanted.has_several):
        begin = floor(reader, stamp, wanted, reader.dialect.questions.reach // cost // _PART)
        found = find(wanted.also(stamp >= begin)) if begin is not None else []
        if len(found) >= size:
            return found
    return find(near(reader, stamp, wanted, cost))


def newest_near(
    reader: Reader, columns: Sequence[sa.ColumnElement[Any]], wanted: Wanted, size: int
) -> list[tuple[Any, ...]]:
    """
    Return what :func:`newest` does, with the bound that :func:`near` says.

    :param reader: of the history.
    :param columns: as in :func:`newest`.
    :param wanted: likewise.
    :param size: likewise.
    """
    stamp = columns[0]
    if wanted.rest and wanted.has_several and not wanted.has_begin:
        # To find the bound may take as long as all else. That of all rows an index knows alone, and is the nearer one.
        of_index = tuple(one for one in wanted.all if _columns_of(one) <= {column.name for column in columns})
        begin = floor(reader, stamp, Wanted(of_index), reader.dialect.questions.reach)
        found = newest(reader, columns, wanted.also(stamp >= begin), size) if begin is not None else []
        if len(found) == size:
            return found
    return found_near(reader, stamp, wanted, size, lambda bounded: newest(reader, columns, bounded, size))


def _columns_of(condition: Condition) -> set[str]:
    return {one.name for one in visitors.iterate(condition) if isinstance(one, sa.Column)}


def _names_like(reader: Reader, column: sa.ColumnElement[Any], glob: str) -> tuple[bool, sa.Select[Any]]:
    """Return the question for all names, and whether it leaves out such as begin otherwise than a glob; some do."""
    questions = reader.dialect.questions
    known, begins = questions.distinct(column), questions.begins(column, beginning_of(glob))
    if begins is None:
        return False, known
    # In their order, those that begin alike stand together.
    ends = reader.tuples(sa.select(sa.func.min(column), sa.func.max(column)))[0]
    if all(str(one).startswith(beginning_of(glob)) for one in ends):
        return False, known
    return True, known.where(begins)


def _is_often(reader: Reader, column: sa.ColumnElement[Any], glob: str) -> bool:
    """Say whether more than a few of the newest rows fit a glob."""
    rows = sa.select(column.label("name")).order_by(sa.literal_column("stamp").desc()).limit(_NEWEST).subquery()
    few = sa.select(rows.c.name).where(reader.dialect.questions.fits(rows.c.name, glob)).limit(_FEW_OF_NEWEST + 1)
    return len(reader.values(few)) > _FEW_OF_NEWEST


def _one_of(
    reader: Reader, column: sa.ColumnElement[Any], fitting: Sequence[Any], most: int, *, is_all: bool
) -> Wanted:
    beside = reader.dialect.questions.beside(column)
    if fitting and is_all:
        return Wanted((beside.is_not(None),))
    names = Names(column, beside, tuple(fitting))
    if len(fitting) > most:
        are_many = beside.in_(fitting)
        return Wanted((are_many,), many=(are_many, names))
    return Wanted(names=(names,))
