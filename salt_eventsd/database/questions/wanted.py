"""
The conditions of a question for the newest rows: which of them an index has in the order of their times, and what only
a look at a row tells.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from salt_eventsd.database.questions.read import Reader
from salt_eventsd.database.questions.which import Condition, all_of

#: With more rows than this, one name is as good to begin with as another.
_MANY = 10_000


@dataclass(frozen=True)
class Names:
    """
    The condition that a column has one of some values.

    :param column: an index begins with it, and goes on with the time.
    :param beside: the same column, where another index is to be taken.
    :param values: which values.
    """

    column: sa.ColumnElement[Any]
    beside: sa.ColumnElement[Any]
    values: tuple[Any, ...]


@dataclass(frozen=True)
class Part:
    """
    Rows that an index has in the order of their times.

    :param which: the conditions of a question.
    :param lead: columns that all of the rows have alike, which the order has to begin with.
    """

    which: Condition
    lead: tuple[sa.ColumnElement[Any], ...] = ()

    def newest(self, asked: sa.Select[Any], order: Sequence[sa.ColumnElement[Any]], size: int) -> sa.Select[Any]:
        """
        Return a question for the newest of these rows.

        :param asked: about all rows.
        :param order: the times, and a column that tells rows of one time apart.
        :param size: no more than so many.
        """
        return asked.where(self.which).order_by(*(column.desc() for column in (*self.lead, *order))).limit(size)


@dataclass(frozen=True)
class Wanted:
    """
    The conditions of a question.

    :param all: all of them are true.
    :param names: so are these.
    :param rest: so are these, which no index knows.
    :param nearly: so are these, which hold for nearly all rows.
    :param many: one of ``all``, and what it says, if that is more names than are looked for one by one.
    :param has_begin: whoever asks has said how far back; all of that is looked through, however long it takes.
    """

    all: tuple[Condition, ...] = ()
    names: tuple[Names, ...] = ()
    rest: tuple[Condition, ...] = ()
    nearly: tuple[Condition, ...] = ()
    has_begin: bool = False
    many: tuple[Condition, Names] | None = None

    def also(self, *conditions: Condition) -> Wanted:
        """
        Return these conditions and some more.

        :param conditions: they are true, too.
        """
        return replace(self, all=(*self.all, *conditions))

    def joined(self, other: Wanted) -> Wanted:
        """
        Return these conditions and those of another.

        :param other: the other.
        """
        return Wanted(
            (*self.all, *other.all),
            (*self.names, *other.names),
            (*self.rest, *other.rest),
            (*self.nearly, *other.nearly),
            self.has_begin or other.has_begin,
            self.many or other.many,
        )

    @property
    def whole(self) -> Condition:
        """All of it as one condition, for a database to find its way by."""
        return self._and(_has(one.column, one.values) for one in self.names)

    def of_time(self, stamp: sa.ColumnElement[Any], begin: datetime) -> Wanted | None:
        """
        Return these conditions of a time, for an index to find all that several names have in it; None of other names.

        :param stamp: the times.
        :param begin: the beginning of the time.
        """
        condition, names = self.many or (None, self.names[0] if self.has_several else None)
        if names is None or len(self.names) > (condition is None):
            return None
        rest = tuple(one for one in self.all if one is not condition)
        return replace(self, all=(*rest, names.column.in_(names.values), stamp >= begin), names=(), many=None)

    @property
    def aside(self) -> Condition:
        """The same for rows that are found by other conditions."""
        return self._and(_has(one.beside, one.values) for one in self.names)

    def _and(self, names: Iterable[Condition]) -> Condition:
        return all_of((*self.all, *names, *self.nearly, *self.rest))

    @property
    def has_several(self) -> bool:
        """Whether there are several names to look for."""
        return any(len(one.values) > 1 for one in self.names)

    @property
    def is_nothing(self) -> bool:
        """Whether there is no name that fits."""
        return not all(one.values for one in self.names)

    def parts(self, reader: Reader) -> list[Part]:
        """
        Return conditions that are true for different rows, and together for all: each begins with one name.

        :param reader: of the history.
        """
        questions = reader.dialect.questions
        # Which of two names has fewer rows costs more to find out than either of them, unless a time is far back.
        is_plain = questions.looks_within or (len(self.names) > 1 and not self.all)
        if not self.names or (is_plain and not self.has_several):
            return [Part(self.whole)]
        lead = (
            self.names[0]
            if len(self.names) == 1
            else min(self.names, key=lambda one: (rows_of(reader, one, _MANY), len(one.values)))
        )
        rest = replace(self, names=tuple(one for one in self.names if one is not lead)).aside
        parts = []
        for value in lead.values:
            is_it, order = questions.led(lead.column, value)
            parts.append(Part(sa.and_(is_it, rest), order))
        return parts


def _has(column: sa.ColumnElement[Any], values: Sequence[Any]) -> Condition:
    return column == values[0] if len(values) == 1 else column.in_(values)


def rows_of(reader: Reader, names: Names, most: int) -> int:
    """
    Return how many rows have such names, or ``most`` if they are more.

    :param reader: of the history.
    :param names: the names.
    :param most: so many are counted.
    """
    some = sa.select(names.column).where(_has(names.column, names.values)).limit(most).subquery()
    return int(reader.values(sa.select(sa.func.count()).select_from(some))[0])
