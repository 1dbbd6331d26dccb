"""
Rows that are too old by themselves: events, numbers, returns and states without a job id, and states where they are
kept for less time than returns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from salt_eventsd.database import schema
from salt_eventsd.database.retention.aged_jobs import JOBS, OUTCOMES, RETURNS, STATES, Counts
from salt_eventsd.database.retention.keep import Limits
from salt_eventsd.database.rows.digest import NO_JID

_EVENTS, _STATS = schema.events, schema.stats
_RESULTS = (True, False, None)


class Part(NamedTuple):
    """
    A part of a table that an index leads to in the order of time.

    :param name: the table's, for the count.
    :param table: which.
    :param condition: of the rows that are meant.
    :param before: older rows are too old.
    :param outcome: how a row went, None if the table does not say.
    """

    name: str
    table: sa.Table
    condition: sa.ColumnElement[bool]
    before: datetime
    outcome: sa.Column[bool] | None = None


def parts(connection: Connection, limits: Limits) -> Iterator[Part]:
    """
    Yield what has rows that are too old by themselves.

    :param connection: to the database.
    :param limits: since when rows are too old.
    """
    if limits.events is not None:
        yield Part("events", _EVENTS, sa.true(), limits.events)
    if limits.stats is not None:
        for master in _masters(connection):
            yield Part("stats", _STATS, _STATS.c.master_id == master, limits.stats)
    nobodys = sorted(NO_JID)
    if limits.returns is not None:
        is_one = sa.and_(RETURNS.c.jid.in_(nobodys), _has_not_failed())
        yield Part("returns", RETURNS, is_one, limits.returns, RETURNS.c.success)
    if limits.failed is not None:
        is_one = sa.and_(RETURNS.c.jid.in_(nobodys), RETURNS.c.success.is_(sa.false()))
        yield Part("returns", RETURNS, is_one, limits.failed, RETURNS.c.success)
    if limits.states is not None:
        # Each row is in one part only: a count beforehand would count it twice.
        whose = [_of_result(one) for one in _RESULTS] if limits.strips else [STATES.c.jid.in_(nobodys)]
        for condition in whose:
            yield Part("states", STATES, condition, limits.states, STATES.c.result)


def parts_without_returns(limits: Limits) -> Iterator[Part]:
    """
    Yield where job ids may be found that have no returns.

    :param limits: since when rows are too old.
    """
    if limits.jobs is not None:
        yield Part("jobs", JOBS, sa.true(), limits.jobs)
        if limits.states is not None and not limits.strips:
            for result in _RESULTS:
                yield Part("states", STATES, _of_result(result), limits.states)


def _of_result(result: bool | None) -> sa.ColumnElement[bool]:
    """Return the condition of states with a result, in the form for which databases use the index."""
    if result is None:
        return STATES.c.result.is_(None)
    return STATES.c.result == (sa.true() if result else sa.false())


def _has_not_failed() -> sa.ColumnElement[bool]:
    return sa.or_(RETURNS.c.success.is_(None), RETURNS.c.success.is_(sa.true()))


def _masters(connection: Connection) -> Iterator[str]:
    """Yield the masters that have numbers, without a look at all of these."""
    master = connection.scalar(sa.select(sa.func.min(_STATS.c.master_id)))
    while master is not None:
        yield master
        master = connection.scalar(sa.select(sa.func.min(_STATS.c.master_id)).where(_STATS.c.master_id > master))


class Page(NamedTuple):
    """
    Some rows that follow each other in time.

    :param first: the time of the first.
    :param last: the time of the last.
    """

    first: datetime
    last: datetime

    def within(self, table: sa.Table) -> sa.ColumnElement[bool]:
        """Return the condition that a row is one of them."""
        return table.c.stamp.between(self.first, self.last)


def page(connection: Connection, part: Part, after: datetime | None, rows: int) -> Page | None:
    """
    Return the next rows of a part that are too old, None if there are no more.

    :param connection: to the database.
    :param part: where.
    :param after: the time of the last row of the page before.
    :param rows: about how many.
    """
    query = sa.select(part.table.c.stamp).where(part.condition, part.table.c.stamp < part.before)
    if after is not None:
        query = query.where(part.table.c.stamp > after)
    found = connection.scalars(query.order_by(part.table.c.stamp).limit(rows)).all()
    return Page(found[0], found[-1]) if found else None


def jids(connection: Connection, part: Part, some: Page, without_returns: bool = False) -> Sequence[str]:
    """
    Return the job ids of a page.

    :param connection: to the database.
    :param part: where.
    :param some: from :func:`page`.
    :param without_returns: only those of which there are no returns.
    """
    query = sa.select(part.table.c.jid).distinct().where(part.condition, some.within(part.table))
    if without_returns:
        query = query.where(~sa.exists().where(RETURNS.c.jid == part.table.c.jid))
    return connection.scalars(query).all()


def count(connection: Connection, part: Part, some: Page) -> Counts:
    """
    Count the rows of a page.

    :param connection: to the database.
    :param part: where.
    :param some: from :func:`page`.
    """
    outcome = part.outcome if part.outcome is not None else sa.literal(-1)
    query = sa.select(outcome, sa.func.count()).select_from(part.table).where(part.condition, some.within(part.table))
    counts = Counts()
    for how, rows in connection.execute(query.group_by(outcome) if part.outcome is not None else query):
        if rows:
            name = "" if part.outcome is None else OUTCOMES[None if how is None else bool(how)]
            counts[part.name, name] += rows
    return counts


def deletion(part: Part, some: Page) -> sa.Delete:
    """
    Return the statement that deletes a page.

    :param part: where.
    :param some: from :func:`page`.
    """
    return sa.delete(part.table).where(part.condition, some.within(part.table))
