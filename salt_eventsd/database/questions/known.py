"""
Known: which jobs and returns the history has, of those that somebody else has kept, too.

A return is known if there is one of its minion to its job, whatever is in it. What the bus has brought and what a job
cache has kept of the same return may differ: Salt trims large events, and passwords may have been masked otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import sqlalchemy as sa

from salt_eventsd.common.grouping import grouped
from salt_eventsd.database.questions.read import Reader
from salt_eventsd.database.rows.cells import Cells
from salt_eventsd.database.rows.merging import is_begun
from salt_eventsd.database.schema import JID_LENGTH, NAME_LENGTH, jobs, returns

#: So many are looked up in one statement.
_AT_ONCE = 200


class Known(NamedTuple):
    """
    What the history has.

    :param jobs: of each job that a master has published, how many minions it was for; None if nobody has said.
    :param returns: job id and minion id of returns.
    """

    jobs: Mapping[str, int | None] = {}
    returns: frozenset[tuple[str, str]] = frozenset()


def known(reader: Reader, jids: Iterable[str], pairs: Iterable[tuple[str, str]]) -> Known:
    """
    Return which of some jobs and returns the history has.

    :param reader: connected to it.
    :param jids: ids of jobs.
    :param pairs: job id and minion id of returns.
    """
    cells = Cells(reader.dialect, None, True)
    by_jid = {cells.key(jid, JID_LENGTH): jid for jid in jids}
    by_pair = {(cells.key(jid, JID_LENGTH), cells.key(name, NAME_LENGTH)): (jid, name) for jid, name in pairs}
    found_jobs: dict[str, int | None] = {}
    for some in grouped(by_jid, _one, _AT_ONCE):
        of_jobs = sa.select(jobs.c.jid, jobs.c.kind, jobs.c.minion_count).where(jobs.c.jid.in_(some))
        for jid, kind, count in reader.tuples(of_jobs):
            if jid in by_jid and not is_begun(kind):
                found_jobs[by_jid[jid]] = count
    found: set[tuple[str, str]] = set()
    key = sa.tuple_(returns.c.jid, returns.c.minion_id)
    for pairs_at_once in grouped(by_pair, _one, _AT_ONCE):
        of_returns = sa.select(returns.c.jid, returns.c.minion_id).where(key.in_(pairs_at_once))
        found.update(by_pair[pair] for jid, name in reader.tuples(of_returns) if (pair := (jid, name)) in by_pair)
    return Known(found_jobs, frozenset(found))


def _one(_: object) -> int:
    return 1
