"""
Missing: minions that were asked and did not answer.
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from salt_eventsd.database.questions.answers import answers_of
from salt_eventsd.database.questions.read import Reader, Row
from salt_eventsd.database.questions.which import all_of, older, since
from salt_eventsd.database.schema import jobs

_AT_ONCE = 200
_NAMES = ("jid", "fun", "tgt", "user", "minions", "stamp")


def find(reader: Reader, jid: str | None, start: datetime | None, limit: int) -> list[Row]:
    """
    Return a row for each minion that did not answer a job, the newest job first.

    :param reader: of the history.
    :param jid: only of this job.
    :param start: only of jobs that were published then or later.
    :param limit: no more than so many.
    """
    found: list[Row] = []
    conditions = since(jobs.c.stamp, start)
    if jid is not None:
        conditions.append(jobs.c.jid == jid)
    last: Row | None = None
    while len(found) < limit:
        wanted = list(conditions)
        if last is not None:
            wanted.append(older(jobs.c.stamp, jobs.c.jid, (datetime.fromisoformat(last["stamp"]), last["jid"])))
        asked = sa.select(*(jobs.c[name] for name in _NAMES)).where(all_of(wanted))
        page = reader.rows(asked.order_by(jobs.c.stamp.desc(), jobs.c.jid.desc()).limit(_AT_ONCE))
        told = answers_of(reader, page)
        for job in page:
            about = {name: job[name] for name in ("jid", "fun", "tgt", "user", "stamp")}
            found += [{"minion_id": one, **about, "outcome": "missing"} for one in told[job["jid"]].missing]
        if len(page) < _AT_ONCE:
            break
        last = page[-1]
    return found[:limit]
