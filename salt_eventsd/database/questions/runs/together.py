"""
The last runs of states of many minions, found together: among the newest runs of all, by the functions that run states.

Who has none among them has to be asked for by its name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

import sqlalchemy as sa

from salt_eventsd.database.questions import newest
from salt_eventsd.database.questions.read import Reader, Row, aware
from salt_eventsd.database.questions.wanted import Names, Wanted
from salt_eventsd.database.questions.which import Condition, since
from salt_eventsd.database.schema import IS_RUN, RUN_BY_SSH, STATE_RUNS, minions, returns

#: What is told of a run.
RUN = (
    *(returns.c[name] for name in ("id", "jid", "fun", "stamp", "success", "states")),
    returns.c.states_changed.label("changed"),
    returns.c.states_failed.label("failed"),
)
#: So many runs for each minion are looked at first, and then so many more each time: each may be a page that has to be
#: read from the disk. To look at even more takes longer than to ask for all that are left by their names.
_RUNS = (2, 2, 4)
#: With more functions than this, somebody sends names they made up: so many returns for each minion are looked at.
_MOST_FUNCTIONS = 2000
_MOST_RUN_FUNCTIONS = 20
_RETURNS = 20
#: No database has to read a statement with more values than this.
MOST_NAMES = 500


def together(
    reader: Reader, names: Sequence[str], at: datetime | None, bounds: Sequence[Condition]
) -> Iterator[tuple[list[Row], bool]]:
    """
    Yield the last runs in a time, and then in the time before it, each with whether that is all there is.

    :param reader: of the history.
    :param names: of minions; there may be runs of others, too.
    :param at: no run that came later.
    :param bounds: only such runs.
    """
    known = reader.values(sa.select(sa.func.count()).select_from(minions))[0]
    time: list[Condition] = [] if at is None else [returns.c.stamp <= at]
    functions = _functions(reader)
    if functions is None:
        time, is_all = _before(reader, time, _RETURNS * known)
        yield reader.rows(_newest(names, [*time, *bounds])), is_all
        return
    is_run = returns.c.fun.in_(functions)
    runs = Wanted(names=(Names(returns.c.fun, reader.dialect.questions.beside(returns.c.fun), functions),))
    for most in (number * known for number in _RUNS):
        if runs.is_nothing:
            yield [], True
            return
        page = newest.select(reader, (returns.c.stamp, returns.c.id), runs.also(*time), most).subquery()
        begin, count = reader.tuples(sa.select(sa.func.min(page.c.stamp), sa.func.count()))[0]
        its = [is_run, *time, returns.c.stamp >= aware(begin)] if count else [sa.false()]
        yield reader.rows(_newest(names, [*its, *bounds])), count < most
        if count < most:
            return
        time = [returns.c.stamp < aware(begin)]


def _functions(reader: Reader) -> tuple[str, ...] | None:
    """Return the functions that run states, alone or among others; None if there are too many of any."""
    known = reader.values(reader.dialect.questions.distinct(returns.c.fun).limit(_MOST_FUNCTIONS + 1))
    # To some databases, blanks at the end of a name make no other name.
    runs = (*STATE_RUNS, RUN_BY_SSH)
    found = tuple(fun for fun in known if any(one.rstrip(" ") in runs for one in fun.split(",")))
    return None if len(known) > _MOST_FUNCTIONS or len(found) > _MOST_RUN_FUNCTIONS else found


def _before(reader: Reader, time: list[Condition], most: int) -> tuple[list[Condition], bool]:
    """Return the conditions of so many returns of a time, and whether there are no more."""
    begin = newest.floor(reader, returns.c.stamp, Wanted(tuple(time)), most)
    time = [*time, *since(returns.c.stamp, begin)]
    first, last = reader.tuples(sa.select(sa.func.min(returns.c.id), sa.func.max(returns.c.id)).where(*time))[0]
    # Most of them stand beside one another, and are read several times as fast so as by any other index.
    return [*time, returns.c.id >= (first or 0), returns.c.id <= (last or 0)], begin is None


def _newest(names: Sequence[str], bounds: Sequence[Condition]) -> sa.Select[tuple[object, ...]]:
    """Return the question for the last runs of some minions, and perhaps of others, in a time."""
    order = (returns.c.stamp.desc(), returns.c.id.desc())
    place = sa.func.row_number().over(partition_by=returns.c.minion_id, order_by=order)
    are_its = [returns.c.minion_id.in_(names)] if len(names) <= MOST_NAMES else []
    runs = sa.select(returns.c.minion_id, *RUN, place.label("place")).where(sa.text(IS_RUN), *bounds, *are_its)
    told = runs.subquery("told")
    return sa.select(*(told.c[name] for name in ("minion_id", *(one.name for one in RUN)))).where(told.c.place == 1)
