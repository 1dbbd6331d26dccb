"""
The newest jobs that were for a minion, or that it answered.

Those it answered are found by its returns, the newest of them first: a job is older than its returns, so what is newer
than the last return that was looked at is found. Those it has not answered stand only in the lists of jobs, and are
looked for among the jobs that are as new as the ones already found.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from salt_eventsd.database.dialects.base.questions import is_glob
from salt_eventsd.database.questions.read import Reader
from salt_eventsd.database.questions.which import Condition, all_of, of_name, older
from salt_eventsd.database.schema import jobs, returns

#: So many returns are looked at first, and then twice as many each time.
_FIRST = 200
_MOST_AT_ONCE = 6400
#: No database has to read a statement with more values than this.
_NAMED_AT_ONCE = 500
#: When a job was published, and its id.
Place = tuple[str, str]


def newest(reader: Reader, minion: str, conditions: Sequence[Condition], size: int) -> list[Place]:
    """
    Return where the newest jobs of a minion are in time, the newest first.

    :param reader: of the history.
    :param minion: its id, or a glob.
    :param conditions: of jobs.
    :param size: no more than so many.
    """
    asked = [*conditions, reader.dialect.questions.has(jobs.c.minions, minion)]
    if is_glob(minion):
        answer = of_name(reader, returns.c.minion_id, minion)
        found = _places(reader, [*conditions, sa.exists().where(returns.c.jid == jobs.c.jid, *answer)], size)
    else:
        found = _answered(reader, minion, conditions, size)
    if len(found) == size:
        asked.append(jobs.c.stamp >= datetime.fromisoformat(found[-1][0]))
    found = [*found, *_places(reader, asked, size)]
    return sorted(set(found), reverse=True)[:size]


def _answered(reader: Reader, minion_id: str, conditions: Sequence[Condition], size: int) -> list[Place]:
    found: set[Place] = set()
    order = (returns.c.stamp.desc(), returns.c.id.desc())
    look = sa.select(returns.c.jid, returns.c.stamp, returns.c.id).where(returns.c.minion_id == minion_id)
    behind: list[Condition] = []
    count = max(_FIRST, 2 * size)
    while True:
        page = reader.rows(look.where(all_of(behind)).order_by(*order).limit(count))
        jids = list(dict.fromkeys(row["jid"] for row in page))
        for start in range(0, len(jids), _NAMED_AT_ONCE):
            some = jobs.c.jid.in_(jids[start : start + _NAMED_AT_ONCE])
            found.update(_places(reader, [*conditions, some]))
        best = sorted(found, reverse=True)[:size]
        if len(page) < count or (len(best) == size and best[-1][0] >= page[-1]["stamp"]):
            return best
        last = (datetime.fromisoformat(page[-1]["stamp"]), page[-1]["id"])
        behind = [older(returns.c.stamp, returns.c.id, last)]
        count = min(2 * count, _MOST_AT_ONCE)


def _places(reader: Reader, conditions: Sequence[Condition], size: int | None = None) -> list[Place]:
    which: sa.Select[Any] = sa.select(jobs.c.stamp, jobs.c.jid).where(all_of(conditions))
    if size is not None:
        which = which.order_by(jobs.c.stamp.desc(), jobs.c.jid.desc()).limit(size)
    return [(row["stamp"], row["jid"]) for row in reader.rows(which)]
