"""
What went wrong in a time, by what it was: failed functions and states with one of their errors each, the newest
failures, changes with their beginnings, and the minions that did not answer.

All that an answer holds is bounded in bytes, whatever minions returned: of long texts the database hands over the
beginning.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from salt_eventsd.database.questions.answers import answers_of
from salt_eventsd.database.questions.read import Reader, Row
from salt_eventsd.database.questions.totals import name_of
from salt_eventsd.database.questions.which import all_of, since
from salt_eventsd.database.schema import jobs, minions, returns, states

#: How much of a text is handed over, in characters.
TEXT_LENGTH = 600
#: How many names of minions are looked through for those that did not answer.
_MOST_ASKED = 200_000
_AT_ONCE = 200
#: Failures of one moment among which an error is looked for.
_MOST_EXAMPLES = 2000


def beginning(column: sa.ColumnElement[Any], label: str) -> sa.Label[str]:
    """
    Return the beginning of a text, or of JSON as text.

    :param column: of either.
    :param label: what the result is called.
    """
    return sa.func.substr(sa.cast(column, sa.Text), 1, TEXT_LENGTH).label(label)


def failed_functions(reader: Reader, start: datetime, end: datetime, limit: int) -> list[Row]:
    """
    Return which functions failed, how often and on how many minions, with the newest of their errors; ``of`` says how
    many failed.

    :param reader: of the history.
    :param start: the beginning of the time.
    :param end: its end, which is not in it.
    :param limit: no more than so many, what failed most often first.
    """
    is_failed = reader.dialect.questions.among(returns.c.success, False)
    failed = all_of([is_failed, *since(returns.c.stamp, start, end)])
    times = sa.func.count().label("failed")
    asked = sa.select(
        returns.c.fun,
        times,
        sa.func.count(sa.distinct(returns.c.minion_id)).label("minions"),
        sa.func.max(returns.c.stamp).label("stamp"),
        sa.func.count().over().label("of"),
    )
    grouped = asked.where(failed).group_by(returns.c.fun).order_by(times.desc(), returns.c.fun).limit(limit)
    found = reader.rows(grouped)
    names = (returns.c.fun, returns.c.minion_id, returns.c.jid, returns.c.stamp)
    newest = _of_moments(returns, found, sa.select(*names, beginning(returns.c["return"], "returned")), failed)
    examples = {(row["fun"], row["stamp"]): row for row in reader.rows(newest)} if found else {}
    return with_states(reader, [{**row, **examples.get((row["fun"], row["stamp"]), _NO_EXAMPLE)} for row in found])


def failed_states(reader: Reader, start: datetime, end: datetime, limit: int) -> list[Row]:
    """
    Return which states failed, how often and on how many minions, with the newest of their comments; ``of`` says how
    many failed.

    :param reader: of the history.
    :param start: the beginning of the time.
    :param end: its end, which is not in it.
    :param limit: no more than so many, what failed most often first.
    """
    failed = all_of([states.c.result == sa.false(), *since(states.c.stamp, start, end)])
    state_id, sls = name_of(states.c.state_id, "state_id"), name_of(states.c.sls, "sls")
    times = sa.func.count().label("failed")
    asked = sa.select(
        states.c.state,
        state_id,
        sls,
        times,
        sa.func.count(sa.distinct(states.c.minion_id)).label("minions"),
        sa.func.max(states.c.stamp).label("stamp"),
        sa.func.count().over().label("of"),
    )
    grouped = asked.where(failed).group_by(states.c.state, state_id.element, sls.element)
    found = reader.rows(grouped.order_by(times.desc(), states.c.state, state_id.element).limit(limit))
    names = (states.c.state, state_id, states.c.minion_id, states.c.jid, states.c.stamp)
    newest = _of_moments(states, found, sa.select(*names, beginning(states.c.comment, "comment")), failed)
    key = ("state", "state_id", "stamp")
    examples = {tuple(row[one] for one in key): row for row in reader.rows(newest)} if found else {}
    return [{**row, **examples.get(tuple(row[one] for one in key), {})} for row in found]


def newest_failures(reader: Reader, start: datetime, end: datetime, limit: int) -> list[Row]:
    """
    Return the newest failed answers, each with the beginning of what was returned, and of a state's that failed.

    :param reader: of the history.
    :param start: the beginning of the time.
    :param end: its end, which is not in it.
    :param limit: no more than so many.
    """
    names = (returns.c.stamp, returns.c.minion_id, returns.c.fun, returns.c.retcode, returns.c.jid)
    asked = sa.select(*names, beginning(returns.c["return"], "returned"))
    is_failed = reader.dialect.questions.among(returns.c.success, False)
    failed = asked.where(is_failed, *since(returns.c.stamp, start, end))
    return with_states(reader, reader.rows(failed.order_by(returns.c.stamp.desc(), returns.c.id.desc()).limit(limit)))


def newest_changes(reader: Reader, start: datetime, end: datetime, limit: int) -> list[Row]:
    """
    Return the newest states that changed something, each with the beginning of its changes, and who ran it.

    :param reader: of the history.
    :param start: the beginning of the time.
    :param end: its end, which is not in it.
    :param limit: no more than so many.
    """
    asked = sa.select(
        states.c.stamp,
        states.c.minion_id,
        states.c.state,
        name_of(states.c.name, "name"),
        name_of(states.c.sls, "sls"),
        states.c.jid,
        beginning(states.c.changes, "changed"),
        sa.select(jobs.c.user).where(jobs.c.jid == states.c.jid).scalar_subquery().label("user"),
    ).where(
        reader.dialect.questions.among(states.c.changed, True),
        sa.or_(states.c.test.is_(None), states.c.test == sa.false()),
        *since(states.c.stamp, start, end),
    )
    order = (states.c.stamp.desc(), states.c.jid.desc(), states.c.minion_id, states.c.run_num)
    return reader.rows(asked.order_by(*order).limit(limit))


def silent_minions(reader: Reader, start: datetime, end: datetime, limit: int) -> tuple[list[Row], Row]:
    """
    Return the minions that did not answer, each with how often, to which job last, and when it was seen last; and
    ``jobs``, how many jobs somebody did not answer, ``looked_at``, at how many of those it was looked, the newest,
    and ``minions``, how many minions that are.

    :param reader: of the history.
    :param start: the beginning of the time.
    :param end: its end, which is not in it.
    :param limit: no more minions than so many, those that were silent most often first.
    """
    answered = (
        sa.select(sa.func.count(sa.distinct(returns.c.minion_id))).where(returns.c.jid == jobs.c.jid).scalar_subquery()
    )
    asked = sa.select(jobs.c.jid, jobs.c.minion_count, sa.func.count().over().label("of")).where(
        jobs.c.minion_count > answered, *since(jobs.c.stamp, start, end)
    )
    waiting = reader.rows(asked.order_by(jobs.c.stamp.desc(), jobs.c.jid.desc()).limit(_AT_ONCE * 5))
    found: dict[str, Row] = {}
    looked_at = 0
    for part in _parts(waiting):
        names = (jobs.c.jid, jobs.c.apart, jobs.c.fun, jobs.c.stamp, jobs.c.minions)
        page = reader.rows(sa.select(*names).where(jobs.c.jid.in_(part)).order_by(jobs.c.stamp.desc()))
        told = answers_of(reader, page, tells_failed=False)
        for job in page:
            looked_at += 1
            for minion_id in told[job["jid"], job["apart"]].missing:
                about = {name: job[name] for name in ("jid", "fun", "stamp")}
                one = found.setdefault(minion_id, {"minion_id": minion_id, "silent": 0, **about})
                one["silent"] += 1
    worst = sorted(found.values(), key=lambda row: (-row["silent"], row["minion_id"]))[:limit]
    seen = _last_seen(reader, [row["minion_id"] for row in worst])
    total = {"jobs": waiting[0]["of"] if waiting else 0, "looked_at": looked_at, "minions": len(found)}
    return [{**row, "last_seen": seen.get(row["minion_id"])} for row in worst], total


def with_states(reader: Reader, rows: list[Row]) -> list[Row]:
    """
    Add to failed answers the first state that failed in each: ``state``, ``state_id`` and ``comment``, or None.

    :param reader: of the history.
    :param rows: with ``jid`` and ``minion_id``.
    """
    known = [row for row in rows if row.get("jid") and row.get("minion_id")]
    found: dict[tuple[str, str], Row] = {}
    for first in range(0, len(known), _AT_ONCE):
        part = known[first : first + _AT_ONCE]
        which = [sa.and_(states.c.jid == row["jid"], states.c.minion_id == row["minion_id"]) for row in part]
        # Written so that the index over jids is taken, not that over all that failed.
        is_false = sa.case((states.c.result == sa.false(), 1), else_=0) == 1
        names = (states.c.jid, states.c.minion_id, states.c.state, name_of(states.c.state_id, "state_id"))
        asked = sa.select(*names, beginning(states.c.comment, "comment")).where(sa.or_(*which), is_false)
        for row in reader.rows(
            asked.order_by(states.c.jid, states.c.minion_id, states.c.run_num).limit(_MOST_EXAMPLES)
        ):
            found.setdefault((row["jid"], row["minion_id"]), row)
    empty = dict.fromkeys(("state", "state_id", "comment"))
    return [{**empty, **row, **found.get((str(row.get("jid")), str(row.get("minion_id"))), {})} for row in rows]


_NO_EXAMPLE: Mapping[str, Any] = dict.fromkeys(("minion_id", "jid", "returned"))


def _of_moments(
    table: sa.Table, found: Iterable[Row], asked: sa.Select[Any], failed: sa.ColumnElement[bool]
) -> sa.Select[Any]:
    """What failed at the moments at which something failed last: by the index, instead of by a look for each."""
    moments = sorted({datetime.fromisoformat(row["stamp"]) for row in found})
    return asked.where(failed, table.c.stamp.in_(moments)).limit(_MOST_EXAMPLES)


def _parts(waiting: list[Row]) -> Iterable[list[str]]:
    """Jobs in parts, until all their minions are as many as are looked through."""
    asked = 0
    part: list[str] = []
    held = 0
    for job in waiting:
        if asked and asked + job["minion_count"] > _MOST_ASKED:
            break
        asked += job["minion_count"]
        held += job["minion_count"]
        part.append(job["jid"])
        if len(part) == _AT_ONCE or held > _MOST_ASKED // 10:
            yield part
            part, held = [], 0
    if part:
        yield part


def _last_seen(reader: Reader, names: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for first in range(0, len(names), _AT_ONCE):
        part = names[first : first + _AT_ONCE]
        asked = sa.select(minions.c.minion_id, minions.c.last_seen).where(minions.c.minion_id.in_(part))
        found.update((row["minion_id"], row["last_seen"]) for row in reader.rows(asked))
    return found
