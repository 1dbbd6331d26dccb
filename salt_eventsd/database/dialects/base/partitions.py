"""
Tables in partitions: each holds the rows of a range of one column, and goes at once.

A range ends with a day; the text of the day bounds a job id, which begins with its time, and a time alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import ClassVar, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from salt_eventsd.exceptions import Transient

#: The partition of what is too old for a range, and the one of what is in none: odd job ids, times to come.
BEFORE, REST = "p_before", "p_rest"


class Range(NamedTuple):
    """
    The rows of a partition.

    :param lower: its first day, None for no bound.
    :param upper: the day after its last one, None for no bound. The partition of the rest has neither.
    """

    lower: date | None
    upper: date | None

    @property
    def name(self) -> str:
        """What its partition is called, in each table."""
        if self.lower is None:
            return REST if self.upper is None else BEFORE
        return f"p{self.lower:%Y%m%d}"


def bound(column: sa.Column[str] | sa.Column[object], day: date) -> str:
    """
    Return a day as a bound of a column.

    :param column: of job ids or times.
    :param day: which.
    """
    return f"{day:%Y-%m-%d}" if isinstance(column.type, sa.DateTime) else f"{day:%Y%m%d}"


class Occupied(Transient):
    """Somebody has the table, and writers would have had to wait for too long until it is free."""


class Partitions:
    """
    Makes and drops partitions.

    :cvar known: the database has partitions.
    :cvar rewrites: a table is written anew to get them, so its rows can have as many as they like.
    :cvar has_no_lower: a partition has all rows below its upper bound, down to that of the one before it. Where that
        one was dropped, what comes later of its range comes here.
    """

    known: ClassVar[bool] = False
    rewrites: ClassVar[bool] = False
    has_no_lower: ClassVar[bool] = False

    def ranges(self, connection: Connection, table: sa.Table) -> list[Range] | None:
        """
        Return the ranges of a table in order, that of the rest last; None if it has no partitions.

        :param connection: to the database.
        :param table: one of ours.
        """
        raise NotImplementedError

    def source(self, table: sa.Table, one: Range) -> str:
        """
        Return what stands after ``FROM`` to read a partition and nothing else, without a bound of its range, which
        would lead to other indexes.

        :param table: one of ours.
        :param one: its partition.
        """
        raise NotImplementedError

    def begin(self, connection: Connection, table: sa.Table) -> None:
        """
        Do what can be done before a table is turned into one of partitions, while others write.

        :param connection: to the database, with no transaction begun.
        :param table: one of ours.
        :raises Held: it cannot be turned.
        """

    def convert(
        self, connection: Connection, table: sa.Table, column: sa.Column[object], ranges: Sequence[Range]
    ) -> None:
        """
        Turn a table into one of partitions, with all of its rows.

        :param connection: in a transaction.
        :param table: one of ours.
        :param column: whose values decide.
        :param ranges: from the one without a lower bound on, without the rest.
        """
        raise NotImplementedError

    def add(
        self,
        connection: Connection,
        table: sa.Table,
        column: sa.Column[object],
        ranges: Sequence[Range],
        patience: float,
    ) -> None:
        """
        Add partitions after the last one; what the rest has of their rows moves there.

        :param connection: in a transaction.
        :param table: one of ours.
        :param column: whose values decide.
        :param ranges: each begins where the one before ends.
        :param patience: so many seconds it may wait for whoever has the table; writers wait behind it.
        :raises Occupied: that was not enough, and nothing was done.
        """
        raise NotImplementedError

    def drop(
        self,
        connection: Connection,
        found: Sequence[tuple[sa.Table, Range]],
        looked_at: Sequence[sa.Table],
        may_go: Callable[[], bool],
        patience: float,
    ) -> bool:
        """
        Drop partitions with their rows, unless something in them is to stay; nobody writes there meanwhile.

        :param connection: in a transaction.
        :param found: the partitions, each with its table.
        :param looked_at: further tables that ``may_go`` looks at.
        :param may_go: asked once nobody writes.
        :param patience: so many seconds it may wait for whoever has the tables; writers wait behind it.
        :returns: whether they were dropped.
        :raises Occupied: that was not enough, and nothing was done.
        """
        raise NotImplementedError
