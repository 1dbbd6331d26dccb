"""
Fill new columns in old rows, some at a time, so that nobody waits for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from salt_eventsd.database.dialects import dialect_of
from salt_eventsd.database.dialects.base.conditions import behind
from salt_eventsd.database.schema import IS_RUN, SLOW_MS, minions, returns, states

_AT_ONCE = 200
#: So many states are looked through together.
_ROWS = 5000


def count_states(connection: Connection, go_on: Callable[[], bool] = lambda: True) -> bool:
    """
    Count the states of each minion's last run, where the release that has written it has not done so. Runs before that
    are counted when somebody asks for them, which hardly anybody does.

    :param connection: to the database; each step is a transaction of its own if it commits by itself.
    :param go_on: asked before each step; if it says no, the rest is left.
    :returns: whether all is done.
    """
    is_its = [returns.c.minion_id == minions.c.minion_id, sa.and_(sa.text(IS_RUN))]
    order = (returns.c.stamp.desc(), returns.c.id.desc())
    last = sa.select(returns.c.id).where(*is_its).order_by(*order).limit(1).correlate(minions).scalar_subquery()
    each = sa.select(last.label("last_id")).select_from(minions).subquery()
    asked = sa.select(returns.c.id).join(each, returns.c.id == each.c.last_id).where(returns.c.states.is_(None))
    ids = list(connection.execute(asked).scalars())
    for start in range(0, len(ids), _AT_ONCE):
        if not go_on():
            return False
        some = returns.c.id.in_(ids[start : start + _AT_ONCE])
        connection.execute(_COUNT.where(some, returns.c.states.is_(None)))
    return True


def mark_longest(connection: Connection, go_on: Callable[[], bool] = lambda: True) -> bool:
    """
    Mark the states that took long, where that was written before there were marks: see
    :mod:`salt_eventsd.database.rows.longest`. The table is gone through once, in the order of its key.

    :param connection: as in :func:`count_states`.
    :param go_on: likewise.
    :returns: whether all is done.
    """
    key = list(states.primary_key)
    joined = not dialect_of(connection).ddl.partial_indexes
    edges = sa.select(*key).order_by(*key)
    first: Sequence[Any] | None = None
    while go_on():
        rest = edges if first is None else edges.where(behind(key, first))
        last = connection.execute(rest.offset(_ROWS).limit(1)).first()
        # A run that two steps share gets a mark in each.
        connection.execute(_marked(_between(key, first, last), joined=joined))
        if last is None:
            return True
        first = last
    return False


def _between(
    key: Sequence[sa.Column[Any]], first: Sequence[Any] | None, last: Sequence[Any] | None
) -> list[sa.ColumnElement[bool]]:
    """Return the conditions of what comes behind one key, and not behind another; None is an end of the table."""
    found = []
    if first is not None and last is not None:
        # Of a job of many minions not all is looked through each time.
        while first[0] == last[0]:
            found.append(key[0] == first[0])
            key, first, last = key[1:], first[1:], last[1:]
    if first is not None:
        found.append(behind(key, first))
    if last is not None:
        found += [key[0] <= last[0], sa.not_(behind(key, last))]
    return found


def _marked(conditions: Sequence[sa.ColumnElement[bool]], *, joined: bool) -> sa.Update:
    took, key = states.c.duration_ms, list(states.primary_key)
    run = (states.c.jid, states.c.minion_id, states.c.stamp)
    place = sa.func.row_number().over(partition_by=run, order_by=took.desc())
    each = sa.select(*key, took, place.label("place")).where(*conditions, took.is_not(None)).subquery()
    longest = sa.select(*(each.c[one.name] for one in key)).where(
        sa.or_(each.c.place == 1, each.c.duration_ms >= SLOW_MS)
    )
    update = sa.update(states).where(states.c.slow_ms.is_(None)).values(slow_ms=took)
    if joined:
        # MariaDB would look for them anew for each row.
        found = longest.subquery("longest")
        return update.where(*(one == found.c[one.name] for one in key))
    return update.where(*conditions, sa.tuple_(*key).in_(longest))


def _number(*conditions: sa.ColumnElement[bool]) -> sa.ScalarSelect[int]:
    its = [states.c.jid == returns.c.jid, states.c.minion_id == returns.c.minion_id, *conditions]
    return sa.select(sa.func.count()).select_from(states).where(*its).correlate(returns).scalar_subquery()


_COUNT = sa.update(returns).values(
    states=_number(),
    states_changed=_number(states.c.changed == sa.true()),
    states_failed=_number(states.c.result == sa.false()),
)
