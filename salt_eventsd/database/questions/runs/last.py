"""
The last run of states of each minion: one look for a minion into an index.

Where the table has partitions, each look is one into each of them. If these are many, the last days come first, by the
job id, whose beginning is its time; then what has come late, or has another job id, in one question; and only what is
not found so is looked for everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

import sqlalchemy as sa

from salt_eventsd.database.questions.read import Reader, Row
from salt_eventsd.database.questions.runs.earlier import Within, has_many_later, one_by_one, runs_of
from salt_eventsd.database.questions.runs.together import MOST_NAMES, RUN
from salt_eventsd.database.questions.which import Condition, all_of
from salt_eventsd.database.schema import IS_RUN, minions, returns

#: With no more looks into partitions, all are looked at.
_FEW_LOOKS = 20_000
#: Of no more minions, a look for each from a time back takes no longer than to see how much is newer.
_FEW_NAMES = 20
#: The last days: most minions have a run in them, or none that is of interest.
_LAST = timedelta(days=9)
#: A job id is of the master's own time, which no zone puts further ahead than this.
_AHEAD = timedelta(days=2)
#: With more runs that have other job ids than their time says, all is looked for everywhere.
_MOST_LATE = 5000


def last_runs(reader: Reader, conditions: list[Condition], at: datetime | None) -> list[Row]:
    """
    Return a row for each minion, with its last run of states that was no test, or None in its columns.

    :param reader: of the history.
    :param conditions: of minions.
    :param at: no run that came later.
    """
    partitions = reader.partitions_of(returns)
    asked = sa.select(minions.c.minion_id).where(all_of(conditions)).limit(_FEW_LOOKS + 1).subquery()
    if not partitions or partitions * reader.values(sa.select(sa.func.count()).select_from(asked))[0] <= _FEW_LOOKS:
        return _looked_up(reader, conditions, at)
    now = at or datetime.now(timezone.utc)
    begin = now - _LAST
    within = Within(f"{begin:%Y%m%d}", f"{now + _AHEAD:%Y%m%d}")
    found = {row["minion_id"]: row for row in _looked_up(reader, conditions, at, within)}
    late = _late(reader, begin, at, within)
    if late is None:
        return _looked_up(reader, conditions, at)
    for row in late:
        known = found.get(row["minion_id"])
        if known is not None and _place(row) > _place(known):
            found[row["minion_id"]] = row
    # Of a run before those days, nobody has looked yet whether there is a later one.
    rest = [name for name, row in found.items() if row["id"] is None or datetime.fromisoformat(row["stamp"]) < begin]
    for start in range(0, len(rest), MOST_NAMES):
        some = minions.c.minion_id.in_(rest[start : start + MOST_NAMES])
        found.update((row["minion_id"], row) for row in _looked_up(reader, [some], at))
    return list(found.values())


def _looked_up(
    reader: Reader, conditions: list[Condition], at: datetime | None, within: Within | None = None
) -> list[Row]:
    if reader.dialect.questions.looks_within:
        return _each(reader, conditions, at, within)
    names = reader.values(sa.select(minions.c.minion_id).where(all_of(conditions)).order_by(minions.c.minion_id))

    def look(some: Sequence[str]) -> list[Row]:
        if at is not None and (len(some) <= _FEW_NAMES or has_many_later(reader, at)):
            return one_by_one(reader, some, at, within)
        return _each(reader, [minions.c.minion_id.in_(some)], at, within)

    return runs_of(reader, names, at, within, look)


def _each(reader: Reader, conditions: list[Condition], at: datetime | None, within: Within | None) -> list[Row]:
    """Look for each minion by itself, from its newest return back."""
    bounds = within.conditions() if within else []
    is_its: list[Any] = [returns.c.minion_id == minions.c.minion_id, sa.text(IS_RUN), *bounds]
    if at is not None:
        is_its.append(returns.c.stamp <= at)
    order = (returns.c.stamp.desc(), returns.c.id.desc())
    if reader.dialect.questions.lateral:
        run = sa.select(*RUN).where(*is_its).order_by(*order).limit(1).correlate(minions).lateral("run")
        looked = sa.select(minions.c.minion_id, *run.c).select_from(minions.outerjoin(run, sa.true()))
        return reader.rows(looked.where(all_of(conditions)).order_by(minions.c.minion_id))
    last = sa.select(returns.c.id).where(*is_its).order_by(*order).limit(1).correlate(minions).scalar_subquery()
    each = sa.select(minions.c.minion_id, last.label("last_id")).where(all_of(conditions)).subquery()
    is_last = all_of([returns.c.id == each.c.last_id, *bounds])
    asked = sa.select(each.c.minion_id, *RUN).select_from(each.outerjoin(returns, is_last))
    return reader.rows(asked.order_by(each.c.minion_id))


def _late(reader: Reader, begin: datetime, at: datetime | None, within: Within) -> list[Row] | None:
    """Return the runs of a time whose job ids are of another one; None if there are many."""
    of_time = [returns.c.stamp >= begin, *([returns.c.stamp <= at] if at is not None else [])]
    asked = sa.select(returns.c.minion_id, *RUN).where(sa.text(IS_RUN), *of_time)
    found: list[Row] = []
    for outside in (sa.not_(one) for one in within.conditions()):
        found += reader.rows(asked.where(outside).limit(_MOST_LATE + 1))
    return found if len(found) <= _MOST_LATE else None


def _place(row: Row) -> tuple[str, int]:
    return row["stamp"] or "", row["id"] or 0
