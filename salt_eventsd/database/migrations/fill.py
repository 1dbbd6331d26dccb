"""
Fill new columns in old rows, some at a time, so that nobody waits for it.
"""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from salt_eventsd.database.dialects.base.conditions import behind
from salt_eventsd.database.schema import IS_RUN, MARK, SLOW_MS, minions, returns, states

_AT_ONCE = 200
#: With the column of marks, which no model has: nothing that writes names it.
_STATES = sa.table(
    states.name,
    *(sa.column(one.name, one.type) for one in (*states.primary_key, states.c.duration_ms)),
    sa.column(MARK),
)


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


def mark_slow(connection: Connection, go_on: Callable[[], bool] = lambda: True) -> bool:
    """
    Mark the states that took long, where that was written before there were marks. The table is gone through once, in
    the order of its key.

    :param connection: as in :func:`count_states`.
    :param go_on: likewise.
    :returns: whether all is done.
    """
    took, mark = _STATES.c.duration_ms, _STATES.c[MARK]
    key = [_STATES.c[one.name] for one in states.primary_key]
    # An expression has no index: what took long, sorted anew for each step, would be read again and again.
    is_left = sa.and_(took + 0 >= SLOW_MS, mark.is_(None))
    asked = sa.select(*key).where(is_left).order_by(*key).limit(_AT_ONCE)
    some = connection.execute(asked).all()
    while some:
        if not go_on():
            return False
        its = [sa.and_(*(one == value for one, value in zip(key, row, strict=True))) for row in some]
        connection.execute(sa.update(_STATES).where(sa.or_(*its), mark.is_(None)).values({MARK: took}))
        some = connection.execute(asked.where(behind(key, some[-1]))).all() if len(some) == _AT_ONCE else []
    return True


def _number(*conditions: sa.ColumnElement[bool]) -> sa.ScalarSelect[int]:
    its = [states.c.jid == returns.c.jid, states.c.minion_id == returns.c.minion_id, *conditions]
    return sa.select(sa.func.count()).select_from(states).where(*its).correlate(returns).scalar_subquery()


_COUNT = sa.update(returns).values(
    states=_number(),
    states_changed=_number(states.c.changed == sa.true()),
    states_failed=_number(states.c.result == sa.false()),
)
