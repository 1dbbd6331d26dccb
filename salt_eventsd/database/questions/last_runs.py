"""
The last run of states of each minion: one look for a minion into an index.

Where the table has partitions, each look is one into each of them. If these are many, the last days come first, by the
job id, whose beginning is its time; then what has come late, or has another job id, in one question; and only what is
not found so is looked for everywhere.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple

import sqlalchemy as sa

from salt_eventsd.database.questions.read import Reader, Row
from salt_eventsd.database.questions.which import Condition, all_of
from salt_eventsd.database.schema import IS_RUN, minions, returns

_RUN = (
    *(returns.c[name] for name in ("id", "jid", "fun", "stamp", "success", "states")),
    returns.c.states_changed.label("changed"),
    returns.c.states_failed.label("failed"),
)
_ONE_RUN = (
    "(SELECT id FROM eventsd_returns WHERE minion_id = :minion{number} AND {is_run} AND stamp <= :at{within}"
    " ORDER BY stamp DESC, id DESC LIMIT 1)"
)
_WITHIN = " AND jid >= :first AND jid < :behind"
#: Each has a part of a statement of its own.
_NAMES_AT_ONCE = 100
#: No database has to read a statement with more values than this.
_MOST_NAMES = 500
#: With no more looks into partitions, all are looked at.
_FEW_LOOKS = 20_000
#: No more returns than these are passed over on the way back to a time.
_FEW_LATER = 100_000
#: The last days: most minions have a run in them, or none that is of interest.
_LAST = timedelta(days=9)
#: A job id is of the master's own time, which no zone puts further ahead than this.
_AHEAD = timedelta(days=2)
#: With more runs that have other job ids than their time says, all is looked for everywhere.
_MOST_LATE = 5000


class Within(NamedTuple):
    """
    Some days, by the ids of their jobs.

    :param first: the beginning of the first one.
    :param behind: that of the one behind the last.
    """

    first: str
    behind: str

    def conditions(self) -> list[Condition]:
        """Return the conditions that a return is of a job of those days, which a database sees by its partitions."""
        return [returns.c.jid >= self.first, returns.c.jid < self.behind]


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
    for start in range(0, len(rest), _MOST_NAMES):
        some = minions.c.minion_id.in_(rest[start : start + _MOST_NAMES])
        found.update((row["minion_id"], row) for row in _looked_up(reader, [some], at))
    return list(found.values())


def _looked_up(
    reader: Reader, conditions: list[Condition], at: datetime | None, within: Within | None = None
) -> list[Row]:
    if at is not None and not reader.dialect.questions.looks_within and _has_many_later(reader, at):
        return _one_by_one(reader, conditions, at, within)
    bounds = within.conditions() if within else []
    is_its: list[Any] = [returns.c.minion_id == minions.c.minion_id, sa.text(IS_RUN), *bounds]
    if at is not None:
        is_its.append(returns.c.stamp <= at)
    order = (returns.c.stamp.desc(), returns.c.id.desc())
    if reader.dialect.questions.lateral:
        run = sa.select(*_RUN).where(*is_its).order_by(*order).limit(1).correlate(minions).lateral("run")
        looked = sa.select(minions.c.minion_id, *run.c).select_from(minions.outerjoin(run, sa.true()))
        return reader.rows(looked.where(all_of(conditions)).order_by(minions.c.minion_id))
    last = sa.select(returns.c.id).where(*is_its).order_by(*order).limit(1).correlate(minions).scalar_subquery()
    each = sa.select(minions.c.minion_id, last.label("last_id")).where(all_of(conditions)).subquery()
    is_last = all_of([returns.c.id == each.c.last_id, *bounds])
    asked = sa.select(each.c.minion_id, *_RUN).select_from(each.outerjoin(returns, is_last))
    return reader.rows(asked.order_by(each.c.minion_id))


def _has_many_later(reader: Reader, at: datetime) -> bool:
    """Whether it takes long to look from the newest return of each minion back to a time."""
    later = sa.select(returns.c.stamp).where(returns.c.stamp > at).order_by(returns.c.stamp)
    return bool(reader.values(later.offset(_FEW_LATER).limit(1)))


def _one_by_one(reader: Reader, conditions: list[Condition], at: datetime, within: Within | None) -> list[Row]:
    """Ask for each minion by its name; many are asked at once."""
    names = reader.values(sa.select(minions.c.minion_id).where(all_of(conditions)).order_by(minions.c.minion_id))
    found: dict[str, Row] = {}
    for start in range(0, len(names), _NAMES_AT_ONCE):
        part = names[start : start + _NAMES_AT_ONCE]
        # As text: to make it of SQLAlchemy's objects takes longer than to answer it.
        asked = " UNION ALL ".join(
            _ONE_RUN.format(number=number, is_run=IS_RUN, within=_WITHIN if within else "")
            for number in range(len(part))
        )
        values = {f"minion{number}": name for number, name in enumerate(part)}
        bounds = within._asdict() if within else {}
        when = sa.bindparam("at", at, returns.c.stamp.type)
        ids = reader.values(sa.text(asked).bindparams(when, **values, **bounds))
        rows = sa.select(returns.c.minion_id, *_RUN).where(
            returns.c.id.in_(ids), *(within.conditions() if within else [])
        )
        found.update((row["minion_id"], row) for row in (reader.rows(rows) if ids else []))
    nothing = dict.fromkeys(column.name for column in _RUN)
    return [found.get(name) or {"minion_id": name, **nothing} for name in names]


def _late(reader: Reader, begin: datetime, at: datetime | None, within: Within) -> list[Row] | None:
    """Return the runs of a time whose job ids are of another one; None if there are many."""
    of_time = [returns.c.stamp >= begin, *([returns.c.stamp <= at] if at is not None else [])]
    asked = sa.select(returns.c.minion_id, *_RUN).where(sa.text(IS_RUN), *of_time)
    found: list[Row] = []
    for outside in (sa.not_(one) for one in within.conditions()):
        found += reader.rows(asked.where(outside).limit(_MOST_LATE + 1))
    return found if len(found) <= _MOST_LATE else None


def _place(row: Row) -> tuple[str, int]:
    return row["stamp"] or "", row["id"] or 0
