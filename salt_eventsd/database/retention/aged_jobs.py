"""
Jobs that are too old as a whole: their row, their returns and their states.

A job is too old when each of its rows is. Returns and states without a job's row are judged in the same way, together
by their job id.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from salt_eventsd.common.grouping import grouped
from salt_eventsd.database import schema
from salt_eventsd.database.retention.keep import Limits
from salt_eventsd.database.rows.digest import NO_JID

JOBS, RETURNS, STATES = schema.jobs, schema.returns, schema.states
#: How a row went, by its ``success`` or ``result``.
OUTCOMES = {True: "succeeded", False: "failed", None: "unknown"}
#: (name of a table, outcome) -> rows; jobs, events and numbers have the outcome "".
Counts = Counter[tuple[str, str]]
#: So many job ids are named in one statement.
_NAMED_AT_ONCE = 200


class AgedJob(NamedTuple):
    """
    A job that is too old.

    :param jid: its id.
    :param counts: its rows.
    :param last: when its last return came, None if it has none.
    """

    jid: str
    counts: Counts
    last: datetime | None

    @property
    def rows(self) -> int:
        """How many rows it has in all tables."""
        return sum(self.counts.values())


def find(connection: Connection, jids: Iterable[str], limits: Limits) -> list[AgedJob]:
    """
    Return those of some jobs that are too old.

    :param connection: to the database.
    :param jids: which; what is no job's id is passed by.
    :param limits: since when rows are too old.
    """
    found: list[AgedJob] = []
    for some in grouped([jid for jid in jids if jid not in NO_JID], lambda _: 1, _NAMED_AT_ONCE):
        found += _find(connection, some, limits)
    return found


def _find(connection: Connection, jids: Sequence[str], limits: Limits) -> list[AgedJob]:
    counts: dict[str, Counts] = {jid: Counter() for jid in jids}
    last: dict[str, datetime] = {}
    kept: set[str] = set()
    for jid, success, rows, stamp in _grouped(connection, RETURNS, RETURNS.c.success, jids):
        counts[jid]["returns", OUTCOMES[success]] += rows
        last[jid] = max(stamp, last.get(jid, stamp))
        if not _is_old(stamp, limits.failed if success is False else limits.returns):
            kept.add(jid)
    for jid, result, rows, stamp in _grouped(connection, STATES, STATES.c.result, jids):
        counts[jid]["states", OUTCOMES[result]] += rows
        if not _is_old(stamp, limits.states):
            kept.add(jid)
    for jid, stamp in connection.execute(sa.select(JOBS.c.jid, JOBS.c.stamp).where(JOBS.c.jid.in_(jids))):
        counts[jid]["jobs", ""] += 1
        if not _is_old(in_utc(stamp), limits.jobs):
            kept.add(jid)
    return [AgedJob(jid, counts[jid], last.get(jid)) for jid in jids if jid not in kept and counts[jid]]


def _grouped(
    connection: Connection, table: sa.Table, outcome: sa.Column[bool], jids: Sequence[str]
) -> Iterator[tuple[str, bool | None, int, datetime]]:
    query = sa.select(table.c.jid, outcome, sa.func.count(), sa.func.max(table.c.stamp))
    for jid, how, rows, stamp in connection.execute(query.where(table.c.jid.in_(jids)).group_by(table.c.jid, outcome)):
        yield jid, None if how is None else bool(how), rows, in_utc(stamp)


def _is_old(stamp: datetime, limit: datetime | None) -> bool:
    return limit is not None and stamp < limit


def in_utc(stamp: datetime) -> datetime:
    """
    Return a time as the database gave it, with its time zone.

    :param stamp: from a column of times.
    """
    return stamp.replace(tzinfo=timezone.utc) if stamp.tzinfo is None else stamp.astimezone(timezone.utc)


class Step(NamedTuple):
    """
    What is deleted in one transaction: several small jobs, or a part of a large one.

    :param jids: their job ids.
    :param statements: what deletes them.
    """

    jids: Sequence[str]
    statements: Sequence[sa.Delete]


def delete(
    connection: Connection, step: Step, begun: Mapping[str, bool], limits: Limits
) -> tuple[Mapping[str, bool], int]:
    """
    Take a step. Return which of its jobs stay as a whole, since one of their minions has answered meanwhile, and how
    many rows are gone.

    :param connection: in a transaction.
    :param step: from :func:`steps`.
    :param begun: of jobs of earlier steps, whether they stay: a large job is looked through only once.
    :param limits: by which the jobs were found.
    """
    new = [jid for jid in step.jids if jid not in begun]
    late = sa.select(RETURNS.c.jid).distinct().where(RETURNS.c.jid.in_(new), ~old_return(limits))
    are_late = set(connection.scalars(late)) if new else set()
    stays = {jid: begun.get(jid, jid in are_late) for jid in step.jids}
    stay = [jid for jid, it_does in stays.items() if it_does]
    if len(stay) == len(stays):
        return stays, 0
    rows = 0
    for statement in step.statements:
        of = statement.table.c.jid
        rows += connection.execute(statement.where(of.not_in(stay)) if stay else statement).rowcount
    return stays, rows


def steps(connection: Connection, jobs: Iterable[AgedJob], most_rows: int, limits: Limits) -> Iterator[Step]:
    """
    Yield the steps that delete some jobs. What comes in after the jobs were found stays.

    :param connection: to the database; where a job is large, it is asked for its minions.
    :param jobs: from :func:`find`.
    :param most_rows: of a transaction.
    :param limits: by which they were found.
    """
    for piece in pieces(connection, jobs, most_rows):
        if piece.minions is not None and len(piece.minions) == 1:
            for page in _of_one(connection, piece.jids[0], piece.minions[0], most_rows, limits):
                yield Step(piece.jids, page)
        found = _of_minions(piece.jids, piece.minions, limits)
        yield Step(piece.jids, found if piece.minions is not None else [*found, _of_jobs(piece.jids, limits)])


class Piece(NamedTuple):
    """
    Several small jobs, or a part of a large one.

    :param jids: the job ids.
    :param minions: of which minions, None for all, and the job itself.
    :param is_rest: all minions of it had a piece before.
    """

    jids: list[str]
    minions: list[str] | None
    is_rest: bool


def pieces(connection: Connection, jobs: Iterable[AgedJob], most_rows: int) -> Iterator[Piece]:
    """
    Yield some jobs in pieces.

    :param connection: to the database; where a job is large, it is asked for its minions.
    :param jobs: from :func:`find`.
    :param most_rows: of a piece; one minion may have more.
    """
    for some in grouped(jobs, lambda job: job.rows, most_rows, _NAMED_AT_ONCE):
        jids = [job.jid for job in some]
        is_large = len(some) == 1 and some[0].rows > most_rows
        if is_large:
            for minions in _minions(connection, jids[0], most_rows):
                yield Piece(jids, minions, is_rest=False)
        yield Piece(jids, None, is_large)


def _minions(connection: Connection, jid: str, most_rows: int) -> Iterator[list[str]]:
    """Yield the minions of a large job, as many at a time as have so many rows."""
    rows: Counter[str] = Counter()
    for table in (STATES, RETURNS):
        query = sa.select(table.c.minion_id, sa.func.count()).where(table.c.jid == jid).group_by(table.c.minion_id)
        for minion_id, count in connection.execute(query):
            rows[minion_id] += count
    yield from grouped(sorted(rows), lambda minion_id: rows[minion_id], most_rows, _NAMED_AT_ONCE)


def _of_minions(jids: Sequence[str], minions: Sequence[str] | None, limits: Limits) -> list[sa.Delete]:
    found = []
    for table, is_old in ((STATES, _before(STATES, limits.states)), (RETURNS, old_return(limits))):
        statement = sa.delete(table).where(table.c.jid.in_(jids), is_old)
        found.append(statement if minions is None else statement.where(table.c.minion_id.in_(minions)))
    return found


def _of_one(
    connection: Connection, jid: str, minion_id: str, most_rows: int, limits: Limits
) -> Iterator[list[sa.Delete]]:
    """Yield what deletes the rows of one minion but for the last ones: a minion may answer a job without end."""
    for table, key, is_old in (
        (STATES, STATES.c.run_num, _before(STATES, limits.states)),
        (RETURNS, RETURNS.c.digest, old_return(limits)),
    ):
        rest = sa.and_(table.c.jid == jid, table.c.minion_id == minion_id)
        page = sa.select(key).order_by(key).offset(most_rows - 1).limit(1)
        some = rest
        while (last := connection.scalar(page.where(some))) is not None:
            yield [sa.delete(table).where(some, key <= last, is_old)]
            some = sa.and_(rest, key > last)


def _of_jobs(jids: Sequence[str], limits: Limits) -> sa.Delete:
    has_returns = sa.exists().where(RETURNS.c.jid == JOBS.c.jid)
    return sa.delete(JOBS).where(JOBS.c.jid.in_(jids), _before(JOBS, limits.jobs), ~has_returns)


def _before(table: sa.Table, limit: datetime | None) -> sa.ColumnElement[bool]:
    return sa.false() if limit is None else table.c.stamp < limit


def old_return(limits: Limits) -> sa.ColumnElement[bool]:
    """
    Return the condition that a return is too old.

    :param limits: since when rows are too old.
    """
    failed = RETURNS.c.success.is_(sa.false())
    parts = []
    if limits.returns is not None:
        parts.append(sa.and_(sa.or_(RETURNS.c.success.is_(None), ~failed), RETURNS.c.stamp < limits.returns))
    if limits.failed is not None:
        parts.append(sa.and_(failed, RETURNS.c.stamp < limits.failed))
    return sa.or_(sa.false(), *parts)
