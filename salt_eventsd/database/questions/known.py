"""
Known: which jobs and returns the history has, of those that somebody else has kept, too.

A return is known if there is one of its minion to its job, whatever is in it. What the bus has brought and what a job
cache has kept of the same return may differ: Salt trims large events, and passwords may have been masked otherwise.

A job is known if this master has told of it. Of which another master has told may be another job with the same id;
whether it is one is told by what both say (:func:`lacking`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import sqlalchemy as sa

from salt_eventsd.common.grouping import grouped
from salt_eventsd.database.dialects.base.conditions import among
from salt_eventsd.database.questions.read import Reader, Row
from salt_eventsd.database.rows import merging
from salt_eventsd.database.rows.cells import Cells
from salt_eventsd.database.rows.jobs import told_job
from salt_eventsd.database.schema import JID_LENGTH, NAME_LENGTH, jobs, returns
from salt_eventsd.event.parse import Event

#: What tells jobs apart, and which minions they are for; the whole of a job may be large.
_COMPARED = tuple(jobs.c[name] for name in merging.COMPARED if name != "load")
#: So many are looked up in one statement.
_AT_ONCE = 200


class Known(NamedTuple):
    """
    What the history has.

    :param jobs: of each job that this master has published, how many minions it was for; None if nobody has said.
    :param returns: job id and minion id of returns.
    :param of_others: ids of jobs of which only other masters have told.
    """

    jobs: Mapping[str, int | None] = {}
    returns: frozenset[tuple[str, str]] = frozenset()
    of_others: frozenset[str] = frozenset()


def known(reader: Reader, jids: Iterable[str], pairs: Iterable[tuple[str, str]], master_id: str) -> Known:
    """
    Return which of some jobs and returns the history has.

    :param reader: connected to it.
    :param jids: ids of jobs.
    :param pairs: job id and minion id of returns.
    :param master_id: whose jobs these are.
    """
    cells = Cells(reader.dialect, None, True)
    by_jid = {cells.key(jid, JID_LENGTH): jid for jid in jids}
    by_pair = {(cells.key(jid, JID_LENGTH), cells.key(name, NAME_LENGTH)): (jid, name) for jid, name in pairs}
    found_jobs: dict[str, int | None] = {}
    of_others: set[str] = set()
    for some in grouped(by_jid, _one, _AT_ONCE):
        columns = (jobs.c.jid, jobs.c.kind, jobs.c.minion_count, jobs.c.master_id)
        for jid, kind, count, told_by in reader.tuples(sa.select(*columns).where(jobs.c.jid.in_(some))):
            if jid not in by_jid or merging.is_begun(kind):
                continue
            if told_by == master_id:
                found_jobs[by_jid[jid]] = count
            else:
                of_others.add(by_jid[jid])
    found: set[tuple[str, str]] = set()
    key = (returns.c.jid, returns.c.minion_id)
    for pairs_at_once in grouped(by_pair, _one, _AT_ONCE):
        of_returns = sa.select(returns.c.jid, returns.c.minion_id).where(among(key, pairs_at_once))
        found.update(by_pair[pair] for jid, name in reader.tuples(of_returns) if (pair := (jid, name)) in by_pair)
    return Known(found_jobs, frozenset(found), frozenset(of_others.difference(found_jobs)))


def lacking(reader: Reader, starts: Sequence[Event], master_id: str) -> list[str]:
    """
    Return what the history lacks of jobs whose ids it knows of other masters: "all" if those are other jobs, "minions"
    if it has the job and not all of its minions, "" for nothing.

    :param reader: connected to it.
    :param starts: of the jobs.
    :param master_id: whose jobs these are.
    """
    cells = Cells(reader.dialect, None, True)
    rows = [told_job(cells, event, master_id) for event in starts]
    there: dict[str, list[Row]] = {}
    for some in grouped(dict.fromkeys(row["jid"] for row in rows), _one, _AT_ONCE):
        for known_job in reader.rows(sa.select(jobs.c.jid, *_COMPARED).where(jobs.c.jid.in_(some))):
            there.setdefault(known_job["jid"], []).append(known_job)
    return [_lacking(row, there.get(row["jid"], []), reader) for row in rows]


def _lacking(row: Row, there: Iterable[Row], reader: Reader) -> str:
    for one in there:
        try:
            changes = merging.changes(one, row, reader.dialect.json)
        except merging.AnotherJob:
            continue
        return "minions" if "minions" in changes else ""
    return "all"


def _one(_: object) -> int:
    return 1
