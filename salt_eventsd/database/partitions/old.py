"""
Drop the partitions of which all rows are too old. Jobs are judged as a whole, as a purge judges them: a return that is
to be kept, or a job that is, keeps the partition, whose other rows then go one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from salt_eventsd.database import schema
from salt_eventsd.database.dialects import dialect_of
from salt_eventsd.database.dialects.base.partitions import Range
from salt_eventsd.database.partitions import late, make
from salt_eventsd.database.retention.aged_jobs import JOBS, OUTCOMES, RETURNS, STATES, Counts
from salt_eventsd.database.retention.keep import Limits

_EVENTS = schema.events
_OUTCOMES = {RETURNS: RETURNS.c.success, STATES: STATES.c.result}


class Old(NamedTuple):
    """
    Partitions that go together, of which the last row is too old.

    :param parts: each with its table.
    :param has: which rows they have: those of their range, in some databases those of ranges that are gone, too.
    :param looked_at: further tables in which a late answer may be, which are partitions no more.
    :param are_jobs: jobs keep them, too.
    """

    parts: tuple[tuple[sa.Table, Range], ...]
    has: Range
    looked_at: tuple[sa.Table, ...] = ()
    are_jobs: bool = False

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


def count(connection: Connection, old: Old) -> Counts:
    """
    Count the rows of partitions.

    :param connection: to the database.
    :param old: from :func:`find`.
    """
    counts = Counts()
    if (now := _now(connection, old)) is None:
        return counts
    for table, _ in old.parts:
        outcome = _OUTCOMES.get(table)
        query = sa.select(sa.func.count()).where(make.within(table, now.has))
        rows = connection.execute(query if outcome is None else query.add_columns(outcome).group_by(outcome))
        for count, *how in rows:
            name = "" if not how else OUTCOMES[None if how[0] is None else bool(how[0])]
            if count:
                counts[table.name.removeprefix("eventsd_"), name] += count
    return counts


def drop(connection: Connection, old: Old, limits: Limits, patience: float) -> bool:
    """
    Drop partitions, unless there is something to keep in them after all; return whether they were dropped.

    :param connection: in a transaction.
    :param old: from :func:`find`.
    :param limits: by which they were found.
    :param patience: so many seconds it may wait for whoever has the tables.
    :raises Occupied: somebody has them for longer.
    """
    if (now := _now(connection, old)) is None:
        return False
    # What takes long comes before anybody has to wait.
    if not may_go(connection, now, limits):
        return False

    def is_still_old() -> bool:
        others = [query for table, query in _kept(now, limits) if table in now.looked_at]
        return not late.is_kept(connection, now.parts, limits) and not _has_any(connection, others)

    return dialect_of(connection).partitions.drop(connection, now.parts, now.looked_at, is_still_old, patience)


def _now(connection: Connection, old: Old) -> Old | None:
    """Return partitions with the range that they have now: one that went a moment ago has left the next one its own."""
    told = _told(connection)
    now = [has for table, mine in old.parts for one, has in told.get(table, ()) if one == mine]
    if len(now) < len(old.parts):
        return None
    lowest = None if any(has.lower is None for has in now) else min(has.lower for has in now if has.lower)
    return old._replace(has=Range(lowest, old.has.upper))


def may_go(connection: Connection, old: Old, limits: Limits) -> bool:
    """
    Say whether nothing in partitions is to be kept.

    :param connection: to the database.
    :param old: which.
    :param limits: since when rows are too old.
    """
    return not _has_any(connection, [query for _, query in _kept(old, limits)])


def _has_any(connection: Connection, queries: Sequence[sa.Select[Any]]) -> bool:
    return any(connection.scalar(query.limit(1)) for query in queries)


def _candidates(connection: Connection, limits: Limits) -> Iterator[Old]:
    told = _told(connection)
    if limits.events is not None:
        for one, has in _ended(told.get(_EVENTS, ()), limits.events):
            yield Old(((_EVENTS, one),), has)
    if limits.strips and limits.states is not None:
        for one, has in _ended(told.get(STATES, ()), limits.states):
            yield Old(((STATES, one),), has)
    if limits.jobs is None or (before := limits.any_return) is None:
        return
    ended = {*_ended(told.get(RETURNS, ()), before), *_ended(told.get(STATES, ()), before)}
    for one, has in sorted(ended, key=str):
        tables = [table for table in (RETURNS, STATES) if (one, has) in told.get(table, ())]
        others = tuple(table for table in (RETURNS, STATES) if table not in tables)
        yield Old(tuple((table, one) for table in tables), has, others, are_jobs=True)


def _told(connection: Connection) -> dict[sa.Table, list[tuple[Range, Range]]]:
    dialect = dialect_of(connection)
    found = make.found(connection, dialect).items()
    return {table: _with_rows(parts, dialect.partitions.has_no_lower) for table, parts in found}


def _with_rows(parts: Sequence[Range], has_no_lower: bool) -> list[tuple[Range, Range]]:
    """Return partitions in order, each with the range of the rows that it has."""
    found = []
    lower = None
    for one in parts:
        found.append((one, Range(lower, one.upper) if has_no_lower and one.upper is not None else one))
        lower = one.upper
    return found


def _ended(parts: Sequence[tuple[Range, Range]], before: datetime) -> list[tuple[Range, Range]]:
    """Those that end before a time; a job id may be of the time of a master that is ahead."""
    last = (before - timedelta(days=1)).date()
    return [(one, has) for one, has in parts if one.upper is not None and one.upper <= last]


def _kept(old: Old, limits: Limits) -> Iterator[tuple[sa.Table, sa.Select[Any]]]:
    """Yield questions for rows that are to be kept, each with its table."""
    table, one = old.parts[0][0], old.has
    some = sa.select(sa.literal(1))
    if table is _EVENTS:
        yield table, some.where(make.within(table, one), _is_young(_EVENTS.c.stamp, limits.events))
        return
    yield STATES, some.where(make.within(table, one, STATES.c.jid), _is_young(STATES.c.stamp, limits.states))
    if not old.are_jobs:
        return
    yield JOBS, some.where(make.within(table, one, JOBS.c.jid), _is_young(JOBS.c.stamp, limits.jobs))
    in_range = make.within(table, one, RETURNS.c.jid)
    has_failed = RETURNS.c.success.is_(sa.false())
    yield RETURNS, some.where(in_range, has_failed, _is_young(RETURNS.c.stamp, limits.failed))
    has_not = sa.or_(RETURNS.c.success.is_(None), RETURNS.c.success.is_(sa.true()))
    yield RETURNS, some.where(in_range, has_not, _is_young(RETURNS.c.stamp, limits.returns))


def _is_young(stamp: sa.Column[datetime], limit: datetime | None) -> sa.ColumnElement[bool]:
    return sa.true() if limit is None else stamp >= limit
