"""
The last run of states that each minion had had by a time, where a look for each minion would begin at its newest
return, and not at the time.

Instead, some time before is looked through for all minions together, by the index of their returns: first as much as
has a few returns of each, and then, for those without a run in it, four times as much. Who has none in that either is
asked for by its name.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from salt_eventsd.common.grouping import grouped
from salt_eventsd.database.questions.newest import Wanted, floor
from salt_eventsd.database.questions.read import Reader, Row
from salt_eventsd.database.questions.which import Condition, all_of, since
from salt_eventsd.database.schema import IS_RUN, minions, returns

#: What is told of a run.
RUN = (
    *(returns.c[name] for name in ("id", "jid", "fun", "stamp", "success", "states")),
    returns.c.states_changed.label("changed"),
    returns.c.states_failed.label("failed"),
)
_ONE_RUN = (
    "(SELECT id FROM eventsd_returns WHERE minion_id = :minion{number} AND {is_run} AND stamp <= :at{within}"
    " ORDER BY stamp DESC, id DESC LIMIT 1)"
)
_WITHIN = " AND jid >= :first AND jid < :behind"
#: No more returns than these are passed over on the way back to a time.
_FEW_LATER = 40_000
#: So much time is looked through as has so many returns for each minion, and then so many.
_RETURNS = (20, 80)
#: No database has to read a statement with more values than this.
MOST_NAMES = 500
#: So many are asked for by their names at once: each has a part of a statement of its own.
_FEW = 100


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


def has_many_later(reader: Reader, at: datetime) -> bool:
    """
    Say whether it takes long to look from the newest return of each minion back to a time.

    :param reader: of the history.
    :param at: the time.
    """
    later = sa.select(returns.c.stamp).where(returns.c.stamp > at).order_by(returns.c.stamp)
    return bool(reader.values(later.offset(_FEW_LATER).limit(1)))


def earlier_runs(reader: Reader, conditions: list[Condition], at: datetime, within: Within | None) -> list[Row]:
    """
    Return a row for each minion, with its last run of states that was no test, or None in its columns.

    :param reader: of the history.
    :param conditions: of minions.
    :param at: no run that came later.
    :param within: only runs of these days' jobs.
    """
    names = reader.values(sa.select(minions.c.minion_id).where(all_of(conditions)).order_by(minions.c.minion_id))
    found: dict[str, Row] = {}
    rest: list[str] = names
    for each in _RETURNS:
        if len(rest) <= _FEW:
            break
        known = reader.values(sa.select(sa.func.count()).select_from(minions))[0]
        begin = floor(reader, returns.c.stamp, Wanted((returns.c.stamp <= at,)), each * known)
        time = [returns.c.stamp <= at, *since(returns.c.stamp, begin), *_bounds(within)]
        for some in grouped(rest, lambda _: 1, MOST_NAMES):
            found.update(_last_of(reader.rows(_newest(some, time))))
        # Without a beginning, that was all there is.
        rest = [name for name in rest if name not in found] if begin else []
    for some in grouped(rest, lambda _: 1, _FEW):
        found.update(_last_of(_one_by_one(reader, some, at, within)))
    nothing = dict.fromkeys(column.name for column in RUN)
    return [found.get(name) or {"minion_id": name, **nothing} for name in names]


def _bounds(within: Within | None) -> list[Condition]:
    return within.conditions() if within else []


def _last_of(rows: Iterable[Row]) -> dict[str, Row]:
    """Return the last of each minion's rows, by its name."""
    return {row["minion_id"]: row for row in sorted(rows, key=lambda row: (row["stamp"], row["id"]))}


def _newest(names: Sequence[str], bounds: list[Condition]) -> sa.Select[Any]:
    """Return the question for the newest runs of some minions in a time, of which several may have one moment."""
    are_runs = sa.and_(sa.text(IS_RUN), *bounds)
    last = sa.select(returns.c.minion_id, sa.func.max(returns.c.stamp).label("stamp"))
    last = last.where(returns.c.minion_id.in_(names), are_runs).group_by(returns.c.minion_id)
    newest = last.subquery("newest")
    is_its = sa.and_(returns.c.minion_id == newest.c.minion_id, returns.c.stamp == newest.c.stamp)
    return sa.select(returns.c.minion_id, *RUN).select_from(newest.join(returns, is_its)).where(are_runs)


def _one_by_one(reader: Reader, names: Sequence[str], at: datetime, within: Within | None) -> list[Row]:
    """Ask for each minion by its name; many are asked at once."""
    # As text: to make it of SQLAlchemy's objects takes longer than to answer it.
    asked = " UNION ALL ".join(
        _ONE_RUN.format(number=number, is_run=IS_RUN, within=_WITHIN if within else "") for number in range(len(names))
    )
    values = {f"minion{number}": name for number, name in enumerate(names)}
    when = sa.bindparam("at", at, returns.c.stamp.type)
    ids = reader.values(sa.text(asked).bindparams(when, **values, **(within._asdict() if within else {})))
    rows = sa.select(returns.c.minion_id, *RUN).where(returns.c.id.in_(ids), *_bounds(within))
    return reader.rows(rows) if ids else []
