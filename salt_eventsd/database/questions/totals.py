"""
Totals of a time: how many jobs, answers, failures and changes there were, of which functions, and by whom.

Each is counted by the database, in an index where there is one, so that a million rows cost no memory here.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from salt_eventsd.database.questions.read import Reader, Row
from salt_eventsd.database.questions.which import Condition, all_of, since
from salt_eventsd.database.schema import jobs, minions, returns, states

#: No database has to read a statement with more parts than this.
_MOST_AT_ONCE = 50
#: Texts that a minion made up are told apart by so many of their first characters.
NAME_LENGTH = 160
#: Of states, a time is found by an index over results and times: each of these begins in it.
RESULTS = (states.c.result == sa.true(), states.c.result == sa.false(), states.c.result.is_(None))


def first_moment(reader: Reader, start: datetime, end: datetime) -> datetime | None:
    """
    Return when the first job or answer of a time was; None if there was none.

    :param reader: of the history.
    :param start: the beginning of the time.
    :param end: its end, which is not in it.
    """
    found = []
    for table in (jobs, returns):
        asked = sa.select(table.c.stamp).where(all_of(since(table.c.stamp, start, end)))
        found += reader.rows(asked.order_by(table.c.stamp).limit(1))
    return min((datetime.fromisoformat(row["stamp"]) for row in found), default=None)


def per_interval(reader: Reader, edges: Sequence[datetime]) -> list[Row]:
    """
    Return for each interval how many jobs were published in it, how many answers came, and how many of those failed.

    :param reader: of the history.
    :param edges: where the intervals begin, and where the last one ends.
    """
    is_failed = reader.dialect.questions.among(returns.c.success, False)
    found: list[Row] = []
    intervals = list(itertools.pairwise(edges))
    for first in range(0, len(intervals), _MOST_AT_ONCE):
        asked = [
            sa.select(
                sa.literal(first + number).label("place"),
                _count(jobs, start, end).label("jobs"),
                _count(returns, start, end).label("answers"),
                _count(returns, start, end, is_failed).label("failed"),
            )
            for number, (start, end) in enumerate(intervals[first : first + _MOST_AT_ONCE])
        ]
        found += reader.rows(sa.union_all(*asked))
    return sorted(found, key=lambda row: row["place"])


def of_time(reader: Reader, start: datetime, end: datetime) -> Row:
    """
    Return how many ``jobs``, ``answers``, ``failed`` answers and states that ``changed`` something a time had.

    :param reader: of the history.
    :param start: the beginning of the time.
    :param end: its end, which is not in it.
    """
    among = reader.dialect.questions.among
    is_failed, has_changed = among(returns.c.success, False), among(states.c.changed, True)
    no_test = sa.or_(states.c.test.is_(None), states.c.test == sa.false())
    asked = sa.select(
        _count(jobs, start, end).label("jobs"),
        _count(returns, start, end).label("answers"),
        _count(returns, start, end, is_failed).label("failed"),
        _count(states, start, end, has_changed, no_test).label("changed"),
        sa.select(sa.func.count()).select_from(minions).scalar_subquery().label("minions"),
        _failed_jobs(is_failed, start, end).label("failed_jobs"),
    )
    return reader.rows(asked)[0]


def of_functions(reader: Reader, start: datetime, end: datetime, most: int) -> list[Row]:
    """
    Return how many answers each function had in a time, and how many of them failed; functions without one are left
    out.

    :param reader: of the history.
    :param start: the beginning of the time.
    :param end: its end, which is not in it.
    :param most: no more functions than so many are looked at: anybody may make up names.
    """
    names = reader.values(reader.dialect.questions.distinct(returns.c.fun).limit(most))
    found: list[Row] = []
    for first in range(0, len(names), _MOST_AT_ONCE):
        asked = [
            sa.select(
                sa.literal(name).label("fun"), _count(returns, start, end, returns.c.fun == name).label("answers")
            )
            for name in names[first : first + _MOST_AT_ONCE]
        ]
        found += reader.rows(sa.union_all(*asked))
    return [row for row in found if row["answers"]]


def of_users(reader: Reader, start: datetime, end: datetime, limit: int) -> list[Row]:
    """
    Return who ran which functions in a time, how often, and when last; ``of`` says how many such rows there are.

    :param reader: of the history.
    :param start: the beginning of the time.
    :param end: its end, which is not in it.
    :param limit: no more rows than so many, what ran most often first.
    """
    times = sa.func.count().label("times")
    names = (jobs.c.user, jobs.c.kind, jobs.c.fun)
    asked = sa.select(
        *names,
        times,
        sa.func.sum(jobs.c.minion_count).label("minions"),
        sa.func.max(jobs.c.stamp).label("stamp"),
        sa.func.max(jobs.c.jid).label("jid"),
        sa.func.count().over().label("of"),
    )
    return _grouped(reader, asked, [*since(jobs.c.stamp, start, end)], names, times, limit)


def of_slow_states(reader: Reader, start: datetime, end: datetime, limit: int) -> list[Row]:
    """
    Return which states took longest in a time: how often each ran, how long it took on average, at most and all
    together, in milliseconds. ``of`` says how many there are.

    :param reader: of the history.
    :param start: the beginning of the time.
    :param end: its end, which is not in it.
    :param limit: no more rows than so many, the longest first.
    """
    took = states.c.duration_ms
    longest = sa.func.max(took).label("longest_ms")
    names = (states.c.state, name_of(states.c.state_id, "state_id"))
    asked = sa.select(
        *names,
        sa.func.count().label("times"),
        sa.func.avg(took).label("average_ms"),
        longest,
        sa.func.sum(took).label("total_ms"),
        sa.func.count().over().label("of"),
    )
    # True for all states: so the time is found by an index over results and times.
    conditions = [took.is_not(None), sa.or_(*RESULTS), *since(states.c.stamp, start, end)]
    return _grouped(reader, asked, conditions, names, longest, limit)


def name_of(column: sa.ColumnElement[Any], label: str) -> sa.Label[str]:
    """
    Return the beginning of a name, however long a minion made it.

    :param column: of names.
    :param label: what the result is called.
    """
    return sa.func.substr(column, 1, NAME_LENGTH).label(label)


def _grouped(
    reader: Reader,
    asked: sa.Select[Any],
    conditions: list[Condition],
    names: Sequence[sa.ColumnElement[Any]],
    order: sa.Label[Any],
    limit: int,
) -> list[Row]:
    inner = [name.element if isinstance(name, sa.Label) else name for name in names]
    grouped = asked.where(all_of(conditions)).group_by(*inner)
    return reader.rows(grouped.order_by(order.desc(), *inner).limit(limit))


def _count(table: sa.Table, start: datetime, end: datetime, *more: Condition) -> sa.ScalarSelect[Any]:
    asked = sa.select(sa.func.count()).select_from(table)
    return asked.where(*more, *since(table.c.stamp, start, end)).scalar_subquery()


def _failed_jobs(is_failed: Condition, start: datetime, end: datetime) -> sa.ScalarSelect[Any]:
    asked = sa.select(sa.func.count(sa.distinct(returns.c.jid))).select_from(returns)
    return asked.where(is_failed, *since(returns.c.stamp, start, end)).scalar_subquery()
