"""
Missing: minions that were asked and did not answer.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from salt_eventsd.database.questions.answers import MISSING, answers_of
from salt_eventsd.database.questions.newest import near
from salt_eventsd.database.questions.read import Reader, Row
from salt_eventsd.database.questions.twins import HAS_TWIN
from salt_eventsd.database.questions.wanted import Wanted
from salt_eventsd.database.questions.which import Condition, older, since
from salt_eventsd.database.schema import jobs, returns

_NAMES = ("jid", "apart", "fun", "tgt", "user", "stamp", "minions")
_TOLD = ("jid", "fun", "tgt", "user", "stamp")
#: So many jobs are looked at together.
_AT_ONCE = 200
#: A job of no more minions has a short list of them.
_FEW_ASKED = 40


def find(reader: Reader, jid: str | None, start: datetime | None, limit: int) -> list[Row]:
    """
    Return a row for each minion that did not answer a job, the newest job first.

    :param reader: of the history.
    :param jid: only of this job.
    :param start: only of jobs that were published then or later.
    :param limit: no more than so many.
    """
    # First the jobs, and only then who is missing: that of two jobs of one id no condition tells.
    wanted = Wanted(tuple(since(jobs.c.stamp, start)), rest=(is_missing(reader),), has_begin=start is not None)
    wanted = wanted.also(jobs.c.jid == jid) if jid is not None else near(reader, jobs.c.stamp, wanted)
    asked = sa.select(*(jobs.c[name] for name in _NAMES)).order_by(jobs.c.stamp.desc(), jobs.c.jid.desc())
    found: list[Row] = []
    page: list[Row] = []
    while len(found) < limit:
        behind: list[Condition] = []
        if page:
            behind.append(older(jobs.c.stamp, jobs.c.jid, (datetime.fromisoformat(page[-1]["stamp"]), page[-1]["jid"])))
        page = reader.rows(asked.where(wanted.also(*behind).whole).limit(_AT_ONCE))
        told = answers_of(reader, page, tells_failed=False)
        for job in page:
            about = {name: job[name] for name in _TOLD}
            missing = told[job["jid"], job["apart"]].missing
            found += [{"minion_id": minion_id, **about, "outcome": MISSING} for minion_id in missing]
        if len(page) < _AT_ONCE:
            break
    return found[:limit]


def is_missing(reader: Reader) -> Condition:
    """
    Return the condition that a job has a minion that did not answer. It may be true of other jobs, too: of those that
    have one id.

    :param reader: of the history.
    """
    asked, minion_id = reader.dialect.questions.elements(jobs.c.minions)
    # A look into the index for each minion, whatever else the database thinks.
    answer: sa.Select[Any] = sa.select(sa.literal_column("1"))
    answer = answer.where(returns.c.jid == jobs.c.jid, returns.c.minion_id == minion_id)
    is_unanswered = answer.limit(1).correlate_except(returns).scalar_subquery().is_(None)
    is_missing = sa.exists(sa.select(sa.literal_column("1")).select_from(asked).where(is_unanswered))
    is_within = reader.dialect.questions.is_within(jobs.c.minions, returns.c.minion_id, returns.c.jid == jobs.c.jid)
    if is_within is not None:
        # All answers of a job at once; but that takes the time of both numbers multiplied.
        return sa.or_(sa.case((jobs.c.minion_count <= _FEW_ASKED, ~is_within), else_=is_missing), HAS_TWIN)
    return sa.or_(is_missing, HAS_TWIN)
