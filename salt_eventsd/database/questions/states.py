"""
States: what was changed on minions, and what took long.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from salt_eventsd.common.globs import is_glob
from salt_eventsd.common.grouping import grouped
from salt_eventsd.database.questions.newest import flagged, floor, found_near
from salt_eventsd.database.questions.read import Reader, Row
from salt_eventsd.database.questions.returns import of_state
from salt_eventsd.database.questions.runs.changed import few_ways, of_named
from salt_eventsd.database.questions.totals import RESULTS
from salt_eventsd.database.questions.wanted import Wanted
from salt_eventsd.database.questions.which import Condition, all_of, of_name, since
from salt_eventsd.database.schema import RUNS_STATES, SLOW_MS, jobs, returns, states

#: No database has to read a statement with more values than this.
_MOST_MOMENTS = 500
#: The states of so many runs are looked at together.
_RUNS_AT_ONCE = 200
#: Whoever asks for more of what took longest than so many asks for much.
_OFTEN_ASKED = 250
#: So many rows there are for a return, at most places.
_STATES_OF_RETURN = 8
#: No parameter, as in the condition of the index.
_SLOW_MS: sa.ColumnElement[int] = sa.literal_column(str(SLOW_MS))
_CHANGED = ("stamp", "minion_id", "fun", "sls", "state_id", "state", "name", "result", "changes", "comment")
_SLOW = ("duration_ms", "minion_id", "jid", "fun", "sls", "state_id", "state", "name", "result", "stamp")
_SLOW_RETURNS = ("duration_ms", "minion_id", "jid", "fun", "success", "stamp")


def changes(
    reader: Reader,
    limit: int,
    *,
    minion: str | None = None,
    state: str | None = None,
    name: str | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
) -> list[Row]:
    """
    Return the states that changed something, each with who ran them. Test runs change nothing.

    :param reader: of the history.
    :param limit: no more than so many.
    :param minion: only on such minions.
    :param state: only states whose module, function, id or name fits this glob.
    :param name: only states whose name or id fits this glob, such as ``/etc/ntp.conf``.
    :param start: not before this.
    :param end: before this.
    """
    whose = of_name(reader, states.c.minion_id, minion)
    rest: list[Condition] = []
    if state is not None:
        rest.append(of_state(reader, state))
    is_of_one = minion is not None and not is_glob(minion)
    is_name = name is not None and not is_glob(name)
    # One minion, or one name, has fewer states than there are changes.
    is_near = not is_of_one and not is_name
    # Without indexes of names, all changes are looked through: whoever asks for a name wants its last change.
    named: Sequence[Condition] | None = None
    if is_near and reader.dialect.ddl.partial_indexes:
        named = few_ways(reader, minion, state, name)
        if named == ():
            return []
    elif name and not is_of_one and reader.dialect.ddl.partial_indexes:
        named = of_named(name)
    if name is not None:
        fits = reader.dialect.questions.fits
        rest.append(sa.or_(fits(states.c.name, name), fits(states.c.state_id, name)))
    nearly = (
        sa.or_(states.c.test.is_(None), states.c.test == sa.false()),
        # An orchestration repeats what the minions have told themselves.
        sa.or_(states.c.state.is_(None), states.c.state != RUNS_STATES),
    )
    questions = reader.dialect.questions
    beside = Wanted((questions.beside(states.c.changed) == sa.true(),))
    # How far back to look is known from the index over all changes, by whatever they are found then.
    is_beside = is_of_one or bool(named and not is_near)
    changed = beside if is_beside else flagged(reader, states.c.changed, True)
    wanted = replace(
        changed.also(*since(states.c.stamp, start, end)),
        rest=(*whose, *rest),
        nearly=nearly,
        has_begin=start is not None,
    )

    def times(bounded: Wanted) -> list[datetime]:
        if named and is_near:
            bounded = replace(bounded, all=(*beside.all, *bounded.all[len(changed.all) :]))
        parts = [part for one in named or [sa.true()] for part in bounded.also(one).parts(reader)]
        newest = [one.newest(sa.select(states.c.stamp), [states.c.stamp], limit) for one in parts]
        return [datetime.fromisoformat(row["stamp"]) for one in newest for row in reader.rows(one)]

    # An index knows no more of the order than the time; so first comes how old the page is.
    moments = sorted(set(found_near(reader, states.c.stamp, wanted, limit, times) if is_near else times(wanted)))
    # The page, and only then who ran it.
    found = _of_moments(reader, wanted, moments[-limit:], limit, is_named=bool(named))
    who = _who(reader, {row["jid"] for row in found})
    return [{**row, **who.get(row["jid"], {"user": None, "kind": None})} for row in found]


def _of_moments(reader: Reader, wanted: Wanted, moments: list[datetime], limit: int, *, is_named: bool) -> list[Row]:
    """Return the newest changes, whose times are among some; ``is_named`` if there may be many others between."""
    conditions = [wanted.whole]
    if is_named:
        # By their times now.
        conditions.append(reader.dialect.questions.among(states.c.changed, True))
    order = (states.c.stamp.desc(), states.c.jid.desc(), states.c.minion_id, states.c.run_num)
    names = (*_CHANGED, "duration_ms", "jid", "run_num")
    page = sa.select(*(states.c[one] for one in names)).where(all_of(conditions)).order_by(*order)
    if len(moments) > _MOST_MOMENTS and not is_named:
        return reader.rows(page.where(states.c.stamp >= moments[0]).limit(limit))
    found: list[Row] = []
    for some in grouped(reversed(moments), lambda _: 1, _MOST_MOMENTS):
        found += reader.rows(page.where(states.c.stamp.in_(some)).limit(limit - len(found)))
        if len(found) == limit:
            break
    return found


def slow(reader: Reader, limit: int, start: datetime | None = None) -> list[Row]:
    """
    Return the states and the returns that took longest, the slowest first; ``what`` says which of both a row is.

    :param reader: of the history.
    :param limit: no more than so many.
    :param start: not before this.
    """
    if start is not None and _is_short(reader, start, limit):
        found = _of_time(reader, states, _SLOW, limit, start) + _of_time(reader, returns, _SLOW_RETURNS, limit, start)
        return sorted(found, key=_by_duration)[:limit]
    is_known = returns.c.duration_ms.is_not(None)
    of_returns = _slowest(reader, returns, _SLOW_RETURNS, returns.c.duration_ms, is_known, limit, start)
    return _with_states(reader, of_returns, limit, start)


def _by_duration(row: Row) -> float:
    return -float(row["duration_ms"])


def _with_states(reader: Reader, found: list[Row], limit: int, start: datetime | None) -> list[Row]:
    """Return what took longest of some rows and all states, the slowest first."""
    if not reader.has_marks():
        return sorted(found + _of_time(reader, states, _SLOW, limit, start), key=_by_duration)[:limit]
    took, mark = states.c.duration_ms, states.c.slow_ms
    is_partial = reader.dialect.ddl.partial_indexes
    is_marked = sa.or_(mark.is_not(None), took >= _SLOW_MS) if is_partial else mark.is_not(None)
    marked = _slowest(reader, states, _SLOW, took if is_partial else mark, is_marked, limit, start)
    found = sorted(found + marked, key=_by_duration)[:limit]
    # A run may have several marks, the longest of which comes first.
    runs: dict[tuple[str, str], float] = {}
    for row in marked:
        runs.setdefault((row["jid"], row["minion_id"]), row["duration_ms"])
    for some in grouped(runs.items(), lambda _: 1, _RUNS_AT_ONCE):
        least = found[-1]["duration_ms"] if len(found) == limit else None
        # What took longer than that, and is not marked, is of a run of which something took longer still.
        if least is not None and (least >= SLOW_MS or some[0][1] <= least):
            break
        more = _of_runs(reader, [run for run, _ in some], is_marked, limit, start, least)
        found = sorted(found + more, key=_by_duration)[:limit]
    return found


def _of_runs(
    reader: Reader,
    runs: Sequence[tuple[str, str]],
    is_marked: sa.ColumnElement[bool],
    limit: int,
    start: datetime | None,
    least: float | None,
) -> list[Row]:
    """Return the slowest states of some runs that are not marked, and took longer than the least that matters."""
    asked = _asked(states, _SLOW).where(sa.not_(is_marked), *since(states.c.stamp, start))
    asked = reader.dialect.questions.of_pairs(asked, (states.c.jid, states.c.minion_id), runs)
    # No index over what took long is wanted, and an expression has none.
    took = states.c.duration_ms + 0
    asked = asked.where(took.is_not(None) if least is None else took > least)
    return reader.rows(asked.order_by(took.desc()).limit(limit))


def _slowest(
    reader: Reader,
    table: sa.Table,
    names: Sequence[str],
    order: sa.ColumnElement[Any],
    is_known: sa.ColumnElement[bool],
    limit: int,
    start: datetime | None,
) -> list[Row]:
    """Return the rows of a table that took longest, the slowest first: those that an index over that knows."""
    page = _asked(table, names).where(is_known, *since(table.c.stamp, start))
    page = page.where(order.is_not(None)).order_by(order.desc()).limit(limit)
    return reader.rows(page if reader.dialect.ddl.partial_indexes else _by_key(table, page, order))


def _of_time(reader: Reader, table: sa.Table, names: Sequence[str], limit: int, start: datetime | None) -> list[Row]:
    """Return the same where all of a time is looked through: no index over what took long is wanted."""
    took = table.c.duration_ms + 0
    page = _asked(table, names).where(took.is_not(None), *since(table.c.stamp, start))
    parts = RESULTS if table is states and start is not None else (sa.true(),)
    return [row for part in parts for row in reader.rows(page.where(part).order_by(took.desc()).limit(limit))]


def _asked(table: sa.Table, names: Sequence[str]) -> sa.Select[Any]:
    what: sa.Label[str] = sa.literal_column("'state'" if table is states else "'job'").label("what")
    return sa.select(what, *(table.c[name] for name in names))


def _by_key(table: sa.Table, page: sa.Select[Any], order: sa.ColumnElement[Any]) -> sa.Select[Any]:
    """Find the keys of a page first: the times of what took longer at other times need no look at their rows."""
    longest = page.with_only_columns(*table.primary_key, order.label("took")).subquery()
    is_it = all_of(one == longest.c[one.name] for one in table.primary_key)
    return sa.select(*page.selected_columns).join(longest, is_it).order_by(longest.c.took.desc())


def _is_short(reader: Reader, start: datetime, limit: int) -> bool:
    """Whether so little is newer than a time that to look through all of it is the least work."""
    # The more are asked for, the more of other times an index over what took long is gone through.
    most = reader.dialect.questions.reach // _STATES_OF_RETURN * max(1, limit // _OFTEN_ASKED)
    return floor(reader, returns.c.stamp, Wanted((returns.c.stamp >= start,)), most) is None


def _who(reader: Reader, jids: set[str]) -> dict[str, Row]:
    if not jids:
        return {}
    asked = sa.select(jobs.c.jid, jobs.c.user, jobs.c.kind).where(jobs.c.jid.in_(sorted(jids)))
    return {row["jid"]: {"user": row["user"], "kind": row["kind"]} for row in reader.rows(asked)}
