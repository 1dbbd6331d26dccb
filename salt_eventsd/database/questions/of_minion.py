"""
The newest jobs that were for a minion, or that it answered.

Most minions are soon met among the newest jobs, which are looked through first: so many, with all that they asked and
were answered. Those behind them that a minion answered are found by its returns, the newest of them first: a job is
older than its returns, so what is newer than the last return that was looked at is found. Those behind them that it has
not answered stand only in the lists of jobs, which no index knows; the answer says that they are not in it.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import sqlalchemy as sa

from salt_eventsd.common.grouping import grouped
from salt_eventsd.database.questions import newest as by_name
from salt_eventsd.database.questions.answers import SLACK
from salt_eventsd.database.questions.read import Reader, aware, plain_time
from salt_eventsd.database.questions.wanted import Wanted
from salt_eventsd.database.questions.which import Condition, is_there, of_name, older
from salt_eventsd.database.schema import jobs, returns

#: So many returns are looked at first, and then twice as many each time.
_FIRST = 200
#: Where each is a look at a row by its key, and at that of its job: so many more than jobs.
_MORE_FIRST = 14
_MOST_AT_ONCE = 6400
#: And no more than so many: those of others are of jobs that the history does not have.
_MOST_RETURNS = 10_000
#: No database has to read a statement with more values than this.
_JOBS_AT_ONCE = 500
#: Twice as many returns may have come in so many times as long.
_SLOWER = 3
#: No history begins earlier, and not every database knows earlier times.
_FIRST_TIME = datetime(1000, 1, 1, tzinfo=timezone.utc)
#: Of no more answers, the jobs are known by their ids.
_FEW_ANSWERED = 1000
#: A list of minions takes so many times as long to look through as a row.
_LISTS = 4
#: When a job was published, and its id.
Place = tuple[str, str]
_PLACE = (jobs.c.stamp, jobs.c.jid)
_RETURN = (returns.c.stamp, returns.c.id)


def newest(reader: Reader, minion: str, wanted: Wanted, size: int) -> list[Place]:
    """
    Return where the newest jobs of a minion are in time, the newest first.

    :param reader: of the history.
    :param minion: its id, or a glob.
    :param wanted: which jobs.
    :param size: no more than so many.
    """
    of_its = by_name.names(reader, returns.c.minion_id, minion)
    begin = by_name.floor(reader, jobs.c.stamp, wanted, reader.dialect.questions.reach // _LISTS)
    near = wanted if begin is None else wanted.also(jobs.c.stamp >= begin)
    has_answered = _has_answered(reader, minion, of_its, begin)
    asked = reader.dialect.questions.has(jobs.c.minions, minion)
    whose = asked if of_its.is_nothing else sa.or_(has_answered, asked)
    found = [(plain_time(stamp), jid) for stamp, jid in by_name.newest(reader, _PLACE, near.also(whose), size)]
    if begin is None or len(found) == size:
        return found
    reader.notes.append(
        f"behind {plain_time(begin)} there are only jobs that {minion} has answered; until= that time has the others"
    )
    # What is newer has been looked at.
    known = set(found)
    behind = _answered(reader, minion, of_its, wanted.also(jobs.c.stamp < begin), size - len(known))
    return sorted({*known, *behind}, reverse=True)[:size]


def _has_answered(reader: Reader, minion: str, of_its: Wanted, begin: datetime | None) -> Condition:
    """Return the condition that a minion has answered a job: one of those that it answered of late, if they are few."""
    known = of_its.names[0].values if of_its.names else ()
    if known and begin is not None:
        late = sa.select(returns.c.jid).where(returns.c.minion_id.in_(known), returns.c.stamp >= begin - SLACK)
        answered = reader.values(late.limit(_FEW_ANSWERED + 1))
        if len(answered) <= _FEW_ANSWERED:
            return jobs.c.jid.in_(sorted(set(answered)))
    return is_there(returns, (returns.c.jid == jobs.c.jid, *of_name(reader, returns.c.minion_id, minion)))


def _answered(reader: Reader, minion: str, of_its: Wanted, wanted: Wanted, size: int) -> list[Place]:
    found: set[Place] = set()
    best: list[Place] = []
    seen: set[str] = set()
    looked = 0
    count = max(_FIRST, 2 * size) if reader.dialect.ddl.partial_indexes else size + _MORE_FIRST
    behind = of_its
    begin: datetime | None = None
    while not (of_its.is_nothing or wanted.is_nothing):
        page = _page(reader, behind, count, begin)
        found.update(_jobs_of(reader, wanted, {jid for *_, jid in page} - seen))
        seen.update(jid for *_, jid in page)
        best = sorted(found, reverse=True)[:size]
        if len(page) < count:
            break
        stamp, key = page[-1][:2]
        if len(best) == size and best[-1][0] >= plain_time(stamp):
            break
        looked += len(page)
        if looked >= _MOST_RETURNS:
            reader.notes.append(
                f"of {minion}, {looked:,} returns were looked at, down to {plain_time(stamp)}; until= that time goes on"
            )
            break
        behind = of_its.also(older(*_RETURN, (aware(stamp), key)))
        # Twice as many may have come in somewhat more than twice the time.
        span = _SLOWER * (page[0][0] - stamp)
        # A clock that is wrong may make it longer than there are times.
        begin = aware(stamp) - span if span < aware(stamp) - _FIRST_TIME else None
        count = min(2 * count, _MOST_AT_ONCE)
    return best


def _page(reader: Reader, of_its: Wanted, count: int, begin: datetime | None) -> list[tuple[Any, ...]]:
    """Return the times, keys and jobs of so many returns, the newest first; most likely, these came since a time."""
    columns = (*_RETURN, returns.c.jid)
    if begin is not None and (its := of_its.of_time(returns.c.stamp, begin)) and not reader.dialect.ddl.partial_indexes:
        # An index has the returns of each minion in a time, of which no row is read. That of all times has no minions.
        stamp = reader.dialect.questions.sorted_by(returns.c.stamp).label("stamp")
        page = by_name.newest(reader, (stamp, *columns[1:]), its, count)
        if len(page) == count:
            return page
    return by_name.newest(reader, columns, of_its, count)


def _jobs_of(reader: Reader, wanted: Wanted, jids: set[str]) -> list[Place]:
    """Return where those of some jobs that are wanted are in time: each is looked at once, however many returned it."""
    return [
        (plain_time(stamp), jid)
        for some in grouped(sorted(jids), lambda _: 1, _JOBS_AT_ONCE)
        for stamp, jid in reader.tuples(sa.select(*_PLACE).where(jobs.c.jid.in_(some), wanted.aside))
    ]
