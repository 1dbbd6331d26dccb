"""
Minions: what is known of one, and how they are after their last run of states.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from salt_eventsd.database.questions import returns as of_returns
from salt_eventsd.database.questions.read import Reader, Row
from salt_eventsd.database.questions.runs.last import last_runs
from salt_eventsd.database.questions.which import all_of, is_there, of_name
from salt_eventsd.database.schema import STATE_RUNS, minions, returns, states
from salt_eventsd.database.views import STALE_DAYS
from salt_eventsd.event.clip import named

#: After this a run of states says nothing of how a minion is.
STALE = timedelta(days=STALE_DAYS)
_AT_ONCE = 500
_COUNTS = ("states", "changed", "failed")
#: Runs, by their id, and what their counts would be.
_COUNTED = (
    sa.select(
        returns.c.id,
        sa.func.count(states.c.run_num).label("states"),
        sa.func.coalesce(sa.func.sum(sa.case((states.c.changed == sa.true(), 1), else_=0)), 0).label("changed"),
        sa.func.coalesce(sa.func.sum(sa.case((states.c.result == sa.false(), 1), else_=0)), 0).label("failed"),
    )
    .select_from(
        returns.outerjoin(states, sa.and_(states.c.jid == returns.c.jid, states.c.minion_id == returns.c.minion_id))
    )
    .group_by(returns.c.id)
)


def one(reader: Reader, minion_id: str, limit: int) -> Row | None:
    """
    Return what is known of a minion: when it was seen, its last returns, and its last run of states. None if it is
    unknown.

    :param reader: of the history.
    :param minion_id: the minion's.
    :param limit: no more returns than so many.
    """
    minion_id = named(minion_id)
    known = reader.rows(sa.select(minions).where(minions.c.minion_id == minion_id))
    last = of_returns.find(reader, of_returns.Which(minion=minion_id), limit)
    if not known and not last:
        return None
    seen = known[0] if known else {**dict.fromkeys(minions.c.keys()), "minion_id": minion_id}
    told = conformity(reader, minion_id) if known else []
    kept = ("id", "jid", "fun", "fun_args", "retcode", "success", "test", "duration_ms", "stamp", "schedule")
    return {
        **seen,
        "outcome": told[0]["outcome"] if told else None,
        "last_state_run": {key: value for key, value in told[0].items() if key != "minion_id"} if told else None,
        "last_runs": [{key: row[key] for key in kept} for row in last],
    }


def conformity(
    reader: Reader, minion: str | None = None, at: datetime | None = None, stale: timedelta = STALE
) -> list[Row]:
    """
    Return how minions are, by the last run of states of each: healthy, changed, failed, stale or never. Test runs do
    not count.

    :param reader: of the history.
    :param minion: only such minions.
    :param at: as it was then; minions that nothing was known of then are left out.
    :param stale: what is older says nothing.
    """
    conditions = of_name(reader, minions.c.minion_id, minion)
    if at is not None:
        is_known = minions.c.first_seen <= at
        # What was imported, or came late, is older than the row that the engine made when it first saw the minion.
        is_older = is_there(returns, [returns.c.minion_id == minions.c.minion_id, returns.c.stamp <= at])
        later = sa.select(minions.c.minion_id).where(all_of([*conditions, ~is_known])).limit(1)
        has_older = reader.values(later) and reader.values(later.where(is_older))
        conditions.append(sa.or_(is_known, is_older) if has_older else is_known)
    known = last_runs(reader, conditions, at)
    _count(reader, [row for row in known if row["id"] is not None and row["states"] is None])
    limit = (at or datetime.now().astimezone()) - stale
    return [_judged(row, limit) for row in known]


def _count(reader: Reader, runs: list[Row]) -> None:
    """Count the states of runs that a release before 1.0 has written, which has not done so."""
    by_id = {row["id"]: row for row in runs}
    ids = list(by_id)
    for start in range(0, len(ids), _AT_ONCE):
        for row in reader.rows(_COUNTED.where(returns.c.id.in_(ids[start : start + _AT_ONCE]))):
            by_id[row["id"]].update(row)


def _judged(run: Row, limit: datetime) -> Row:
    about = {name: run[name] for name in ("stamp", "jid", "fun")}
    if run["id"] is None:
        return {"minion_id": run["minion_id"], "outcome": "never", **dict.fromkeys(_COUNTS, 0), **about}
    if datetime.fromisoformat(run["stamp"]) < limit:
        outcome = "stale"
    elif run["failed"] or (run["success"] is False and run["fun"] in STATE_RUNS):
        outcome = "failed"
    else:
        outcome = "changed" if run["changed"] else "healthy"
    return {"minion_id": run["minion_id"], "outcome": outcome, **{name: int(run[name]) for name in _COUNTS}, **about}
