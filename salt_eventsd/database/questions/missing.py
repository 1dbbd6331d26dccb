"""
Missing: minions that were asked and did not answer.
"""

from __future__ import annotations

import re
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

_NAMES = ("jid", "apart", "fun", "tgt", "user", "stamp")
_PLACE = (jobs.c.stamp, jobs.c.jid, jobs.c.apart)
_TOLD = ("jid", "fun", "tgt", "user", "stamp")
#: So many jobs are looked at together.
_AT_ONCE = 200
#: A job of no more minions has a short list of them.
_FEW_ASKED = 40
#: What was no text in a list, of whose text a database and Python may think otherwise.
_NO_NAME = re.compile(r"[\[{]|(?:true|false|-?[0-9]+(?:\.[0-9]+)?)\Z")


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
    others = reader.dialect.questions.others_than(jobs.c.minions, returns.c.minion_id, returns.c.jid == jobs.c.jid)
    # To have thousands of names brought here, and only then compared, takes as long as to find the jobs.
    told = jobs.c.minions if others is None else sa.case((HAS_TWIN, None), else_=others).label("others")
    asked = sa.select(*(jobs.c[name] for name in _NAMES), told).order_by(*(one.desc() for one in _PLACE))
    found: list[Row] = []
    page: list[Row] = []
    # Of most of them somebody is missing.
    size = min(limit, _AT_ONCE)
    while len(found) < limit:
        behind: list[Condition] = []
        if page:
            last = page[-1]
            key = sa.tuple_(*_PLACE[1:])
            behind.append(older(_PLACE[0], key, (datetime.fromisoformat(last["stamp"]), (last["jid"], last["apart"]))))
        page = reader.rows(asked.where(wanted.also(*behind).whole).limit(size))
        for job, missing in zip(page, _missing_of(reader, page), strict=True):
            about = {name: job[name] for name in _TOLD}
            found += [{"minion_id": minion_id, **about, "outcome": MISSING} for minion_id in missing]
        if len(page) < size:
            break
        size = min(2 * size, _AT_ONCE)
    return found[:limit]


def _missing_of(reader: Reader, page: list[Row]) -> list[list[str]]:
    """Return who did not answer each job: as the database says it, or else by its list and its answers."""
    others = [_names(job.get("others")) for job in page]
    rest = [job for job, known in zip(page, others, strict=True) if known is None]
    if rest and "others" in rest[0]:
        jids = sorted({job["jid"] for job in rest})
        names = ("jid", "apart", "stamp", "minions")
        rest = reader.rows(sa.select(*(jobs.c[name] for name in names)).where(jobs.c.jid.in_(jids)))
    told = answers_of(reader, rest, tells_failed=False)
    return [
        told[job["jid"], job["apart"]].missing if known is None else known
        for job, known in zip(page, others, strict=True)
    ]


def _names(others: list[str | None] | None) -> list[str] | None:
    """Return names in their order; None if some may be something else."""
    known = [one for one in others or () if one is not None and not _NO_NAME.match(one)]
    return sorted(known) if others is not None and len(known) == len(others) else None


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
