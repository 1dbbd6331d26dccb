"""
Drop the partitions of which all rows are too old. Jobs are judged as a whole, as a purge judges them: a return that is
to be kept, or a job that is, keeps the partition, whose other rows then go one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from salt_eventsd.database import schema
from salt_eventsd.database.dialects import dialect_of
from salt_eventsd.database.dialects.base.partitions import Range
from salt_eventsd.database.partitions import make
from salt_eventsd.database.retention.aged_jobs import JOBS, OUTCOMES, RETURNS, STATES, Counts
from salt_eventsd.database.retention.keep import Limits

_EVENTS = schema.events
_OUTCOMES = {RETURNS: RETURNS.c.success, STATES: STATES.c.result}


class Old(NamedTuple):
    """
    Partitions that go together, of which the last row is too old.

    :param parts: each with its table.
    :param looked_at: further tables that are looked at.
    """

    parts: tuple[tuple[sa.Table, Range], ...]
    looked_at: tuple[sa.Table, ...]

    @property
    def names(self) -> list[str]:
        """What a person is told."""
        return [f"{table.name} {one.name}" for table, one in self.parts]


def find(connection: Connection, limits: Limits) -> list[Old]:
    """
    Return the partitions that can go.

    :param connection: to the database.
    :param limits: since when rows are too old.
    """
    return [one for one in _candidates(connection, limits) if may_go(connection, one, limits)]


def drop(connection: Connection, old: Old, limits: Limits) -> Counts | None:
    """
    Drop partitions, and return how many rows they had; None if there is something to keep in them after all.

    :param connection: in a transaction.
    :param old: from :func:`find`.
    :param limits: by which they were found.
    """
    counts = Counts()
    for table, one in old.parts:
        outcome = _OUTCOMES.get(table)
        query = sa.select(sa.func.count()).where(make.within(table, one))
        rows = connection.execute(query if outcome is None else query.add_columns(outcome).group_by(outcome))
        for count, *how in rows:
            name = "" if not how else OUTCOMES[None if how[0] is None else bool(how[0])]
            if count:
                counts[table.name.removeprefix("eventsd_"), name] += count
    dropped = dialect_of(connection).partitions.drop(
        connection, old.parts, old.looked_at, partial(may_go, connection, old, limits)
    )
    return counts if dropped else None


def may_go(connection: Connection, old: Old, limits: Limits) -> bool:
    """
    Say whether nothing in partitions is to be kept.

    :param connection: to the database.
    :param old: which.
    :param limits: since when rows are too old.
    """
    return not any(connection.scalar(query.limit(1)) for query in _kept(old, limits))


def _candidates(connection: Connection, limits: Limits) -> Iterator[Old]:
    told = make.found(connection, dialect_of(connection))
    if limits.events is not None:
        for one in _ended(told.get(_EVENTS, ()), limits.events):
            yield Old(((_EVENTS, one),), ())
    if limits.strips and limits.states is not None:
        for one in _ended(told.get(STATES, ()), limits.states):
            yield Old(((STATES, one),), ())
    if limits.jobs is None or (before := limits.any_return) is None:
        return
    for one in sorted({*_ended(told.get(RETURNS, ()), before), *_ended(told.get(STATES, ()), before)}, key=str):
        tables = [table for table in (RETURNS, STATES) if one in told.get(table, ())]
        others = [table for table in (JOBS, RETURNS, STATES) if table not in tables]
        yield Old(tuple((table, one) for table in tables), tuple(others))


def _ended(parts: Sequence[Range], before: datetime) -> list[Range]:
    """Those that end before a time; a job id may be of the time of a master that is ahead."""
    last = (before - timedelta(days=1)).date()
    return [one for one in parts if one.upper is not None and one.upper <= last]


def _kept(old: Old, limits: Limits) -> Iterator[sa.Select[Any]]:
    """Yield questions for rows that are to be kept."""
    table, one = old.parts[0]
    some = sa.select(sa.literal(1))
    if table is _EVENTS:
        yield some.where(make.within(table, one), _is_young(_EVENTS.c.stamp, limits.events))
        return
    yield some.where(make.within(table, one, STATES.c.jid), _is_young(STATES.c.stamp, limits.states))
    if old.parts == ((STATES, one),) and not old.looked_at:
        return
    yield some.where(make.within(table, one, JOBS.c.jid), _is_young(JOBS.c.stamp, limits.jobs))
    in_range = make.within(table, one, RETURNS.c.jid)
    has_failed = RETURNS.c.success.is_(sa.false())
    yield some.where(in_range, has_failed, _is_young(RETURNS.c.stamp, limits.failed))
    has_not = sa.or_(RETURNS.c.success.is_(None), RETURNS.c.success.is_(sa.true()))
    yield some.where(in_range, has_not, _is_young(RETURNS.c.stamp, limits.returns))


def _is_young(stamp: sa.Column[datetime], limit: datetime | None) -> sa.ColumnElement[bool]:
    return sa.true() if limit is None else stamp >= limit
