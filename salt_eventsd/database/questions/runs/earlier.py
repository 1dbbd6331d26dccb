"""
The last run of states that each minion had had by a time, where a look for each minion would begin at its newest
return, and not at the time.

Instead, some time before is looked through for all minions together: as much as has a few returns of each. Who has no
run in it is asked for by its name.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from salt_eventsd.common.grouping import grouped
from salt_eventsd.database.questions.newest import floor
from salt_eventsd.database.questions.read import Reader, Row
from salt_eventsd.database.questions.wanted import Wanted
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
# Of an index over functions, the database would look for each minion how many rows it has.
_IS_RUN = IS_RUN.replace("fun IN", "COALESCE(fun) IN")
_WITHIN = " AND jid >= :first AND jid < :behind"
#: No more returns than these are passed over on the way back to a time.
_FEW_LATER = 10_000
#: So much time is looked through as has so many returns for each minion. To look through more takes longer than to ask
#: for all that are left by their names.
_RETURNS = 20
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
    if len(rest) > _FEW:
        known = reader.values(sa.select(sa.func.count()).select_from(minions))[0]
        time, is_all = _before(reader, at, _RETURNS * known)
        found.update(_by_name(reader.rows(_newest(rest, [*time, *_bounds(within)]))))
        rest = [] if is_all else [name for name in rest if name not in found]
    for some in grouped(rest, lambda _: 1, _FEW):
        found.update(_by_name(_one_by_one(reader, some, at, within)))
    nothing = dict.fromkeys(column.name for column in RUN)
    return [found.get(name) or {"minion_id": name, **nothing} for name in names]


def _bounds(within: Within | None) -> list[Condition]:
    return within.conditions() if within else []


def _by_name(rows: Iterable[Row]) -> dict[str, Row]:
    return {row["minion_id"]: row for row in rows}


def _before(reader: Reader, at: datetime, most: int) -> tuple[list[Condition], bool]:
    """Return the conditions of so many returns before a time, and whether there are no more."""
    begin = floor(reader, returns.c.stamp, Wanted((returns.c.stamp <= at,)), most)
    time = [returns.c.stamp <= at, *since(returns.c.stamp, begin)]
    first, last = reader.tuples(sa.select(sa.func.min(returns.c.id), sa.func.max(returns.c.id)).where(*time))[0]
    # Most of them stand beside one another, and are read several times as fast so as by any other index.
    return [*time, returns.c.id >= (first or 0), returns.c.id <= (last or 0)], begin is None


def _newest(names: Sequence[str], bounds: list[Condition]) -> sa.Select[Any]:
    """Return the question for the last runs of some minions, and perhaps of others, in a time."""
    order = (returns.c.stamp.desc(), returns.c.id.desc())
    place = sa.func.row_number().over(partition_by=returns.c.minion_id, order_by=order)
    are_its = [returns.c.minion_id.in_(names)] if len(names) <= MOST_NAMES else []
    runs = sa.select(returns.c.minion_id, *RUN, place.label("place")).where(sa.text(IS_RUN), *bounds, *are_its)
    told = runs.subquery("told")
    return sa.select(*(told.c[name] for name in ("minion_id", *(one.name for one in RUN)))).where(told.c.place == 1)


def _one_by_one(reader: Reader, names: Sequence[str], at: datetime, within: Within | None) -> list[Row]:
    """Ask for each minion by its name; many are asked at once."""
    # As text: to make it of SQLAlchemy's objects takes longer than to answer it.
    asked = " UNION ALL ".join(
        _ONE_RUN.format(number=number, is_run=_IS_RUN, within=_WITHIN if within else "") for number in range(len(names))
    )
    values = {f"minion{number}": name for number, name in enumerate(names)}
    when = sa.bindparam("at", at, returns.c.stamp.type)
    ids = reader.values(sa.text(asked).bindparams(when, **values, **(within._asdict() if within else {})))
    rows = sa.select(returns.c.minion_id, *RUN).where(returns.c.id.in_(ids), *_bounds(within))
    return reader.rows(rows) if ids else []
