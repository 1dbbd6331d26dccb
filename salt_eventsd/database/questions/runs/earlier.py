"""
The last runs of states of many minions, and as of a time, where a look for each minion would begin at its newest
return, and not at the time.

First the newest runs of all are looked through for all minions together. Who has none among them is asked for by its
name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa

from salt_eventsd.common.grouping import grouped
from salt_eventsd.database.questions.read import Reader, Row
from salt_eventsd.database.questions.runs.together import MOST_NAMES, RUN, together
from salt_eventsd.database.questions.which import Condition
from salt_eventsd.database.schema import IS_RUN, returns

_ONE_RUN = (
    "(SELECT id FROM eventsd_returns WHERE minion_id = :minion{number} AND {is_run} AND stamp <= :at{within}"
    " ORDER BY stamp DESC, id DESC LIMIT 1)"
)
# Of an index over functions, the database would look for each minion how many rows it has.
_IS_RUN = IS_RUN.replace("fun IN", "COALESCE(fun) IN")
_WITHIN = " AND jid >= :first AND jid < :behind"
#: No more returns than these are passed over on the way back to a time.
_FEW_LATER = 10_000
#: No more minions than these are asked for by their names alone.
FEW = 100
#: So many are asked for at once: each has a part of a statement of its own.
_AT_ONCE = 100


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


def runs_of(
    reader: Reader,
    names: list[str],
    at: datetime | None,
    within: Within | None,
    look: Callable[[Sequence[str]], Iterable[Row]],
) -> list[Row]:
    """
    Return a row for each of some minions, with its last run of states that was no test, or None in its columns.

    :param reader: of the history.
    :param names: of the minions.
    :param at: no run that came later.
    :param within: only runs of these days' jobs.
    :param look: asks for the last runs of a few, no more than :data:`MOST_NAMES`, by their names.
    """
    found: dict[str, Row] = {}
    rest: list[str] = names
    if len(rest) > FEW:
        for rows, is_all in together(reader, rest, at, within.conditions() if within else []):
            found.update((row["minion_id"], row) for row in rows if row["minion_id"] not in found)
            rest = [] if is_all else [name for name in rest if name not in found]
            if len(rest) <= FEW:
                break
    for some in grouped(rest, lambda _: 1, MOST_NAMES):
        found.update((row["minion_id"], row) for row in look(some))
    nothing = dict.fromkeys(column.name for column in RUN)
    return [found.get(name) or {"minion_id": name, **nothing} for name in names]


def one_by_one(reader: Reader, names: Sequence[str], at: datetime, within: Within | None) -> list[Row]:
    """
    Return the last runs that minions had had by a time; who had none is left out.

    :param reader: of the history.
    :param names: of the minions.
    :param at: the time.
    :param within: only runs of these days' jobs.
    """
    bounds = within.conditions() if within else []
    when = sa.bindparam("at", at, returns.c.stamp.type)
    found: list[Row] = []
    for some in grouped(names, lambda _: 1, _AT_ONCE):
        # As text: to make it of SQLAlchemy's objects takes longer than to answer it.
        asked = " UNION ALL ".join(
            _ONE_RUN.format(number=number, is_run=_IS_RUN, within=_WITHIN if within else "")
            for number in range(len(some))
        )
        values = {f"minion{number}": name for number, name in enumerate(some)}
        ids = reader.values(sa.text(asked).bindparams(when, **values, **(within._asdict() if within else {})))
        rows = sa.select(returns.c.minion_id, *RUN).where(returns.c.id.in_(ids), *bounds)
        found += reader.rows(rows) if ids else []
    return found
