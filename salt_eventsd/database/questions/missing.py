"""
Missing: minions that were asked and did not answer.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from salt_eventsd.database.questions.read import Reader, Row
from salt_eventsd.database.questions.which import Condition, since
from salt_eventsd.database.schema import jobs, returns

_NAMES = ("jid", "apart", "fun", "tgt", "user", "stamp")


def find(reader: Reader, jid: str | None, start: datetime | None, limit: int) -> list[Row]:
    """
    Return a row for each minion that did not answer a job, the newest job first.

    :param reader: of the history.
    :param jid: only of this job.
    :param start: only of jobs that were published then or later.
    :param limit: no more than so many.
    """
    asked, minion_id = reader.dialect.questions.elements(jobs.c.minions)
    conditions = [is_unanswered(minion_id), *since(jobs.c.stamp, start)]
    if jid is not None:
        conditions.append(jobs.c.jid == jid)
    names = (*(jobs.c[name] for name in _NAMES), minion_id.label("minion_id"))
    order = (jobs.c.stamp.desc(), jobs.c.jid.desc())
    rows = reader.rows(sa.select(*names).select_from(jobs, asked).where(*conditions).order_by(*order).limit(limit))
    # Whoever is in a job's list twice is missing once.
    found = {(row["jid"], row.pop("apart"), row["minion_id"]): row for row in rows}
    newest = sorted(found.values(), key=lambda row: row["minion_id"])
    newest.sort(key=lambda row: (row["stamp"], row["jid"]), reverse=True)
    return [{"minion_id": row.pop("minion_id"), **row, "outcome": "missing"} for row in newest]


def is_unanswered(minion_id: sa.ColumnElement[Any]) -> Condition:
    """
    Return the condition that a minion has not answered a job.

    :param minion_id: the column of minions that were asked.
    """
    # A look into the index for each minion, whatever else the database thinks.
    answer: sa.Select[Any] = sa.select(sa.literal_column("1"))
    answer = answer.where(returns.c.jid == jobs.c.jid, returns.c.minion_id == minion_id)
    return answer.limit(1).correlate_except(returns).scalar_subquery().is_(None)
