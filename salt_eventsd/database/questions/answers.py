"""
Who was asked and who answered, and how it went, for a page of jobs: what ``eventsd_v_answers`` says, without a look at
each minion by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from salt_eventsd.database.questions.read import Reader, Row, plain_time
from salt_eventsd.database.schema import returns
from salt_eventsd.event.outcome import parts_of

#: No database has to read a statement with more values than this.
_MOST_AT_ONCE = 500

SUCCEEDED, FAILED, MISSING, NOBODY = OUTCOMES = ("succeeded", "failed", "missing", "nobody")


class Answers:
    """
    What came of a job.

    :param asked: the minions that were asked, None where the job does not say, as a runner's does not.
    :param found: minion -> whether it failed.
    :param last: when the last one answered.
    """

    def __init__(self, asked: Sequence[str] | None, found: Mapping[str, bool], last: datetime | None) -> None:
        self.found = found
        self.asked = None if asked is None else set(asked)
        self.missing = sorted(self.asked - found.keys()) if self.asked is not None else []
        self.failed = sorted(minion_id for minion_id, has_failed in found.items() if has_failed)
        self.last = None if last is None else plain_time(last)

    @property
    def outcome(self) -> str:
        """One of :data:`OUTCOMES`, the worst of all the minions; ``nobody`` if nobody was asked and nobody answered."""
        if self.failed:
            return FAILED
        if self.missing or (self.asked is None and not self.found):
            return MISSING
        return SUCCEEDED if self.found else NOBODY

    def counts(self) -> Row:
        """Return how many minions answered, succeeded, failed and are missing."""
        failed, answered = len(self.failed), len(self.found)
        return {"answered": answered, "succeeded": answered - failed, "failed": failed, "missing": len(self.missing)}


def answers_of(reader: Reader, jobs: Iterable[Row]) -> dict[str, Answers]:
    """
    Return what came of some jobs, by their jid.

    :param reader: of the history.
    :param jobs: rows with ``jid`` and ``minions``.
    """
    asked = {job["jid"]: job["minions"] for job in jobs}
    found: dict[str, dict[str, bool]] = {jid: {} for jid in asked}
    last: dict[str, datetime] = {}
    jids = list(asked)
    for start in range(0, len(jids), _MOST_AT_ONCE):
        for jid, minion_id, failed, stamp in reader.tuples(_returned(jids[start : start + _MOST_AT_ONCE])):
            found[jid][minion_id] = bool(failed)
            if jid not in last or stamp > last[jid]:
                last[jid] = stamp
    return {jid: Answers(_names(asked[jid]), found[jid], last.get(jid)) for jid in jids}


def _returned(jids: list[str]) -> sa.Select[Any]:
    failed = sa.func.max(sa.case((returns.c.success == sa.false(), 1), else_=0)).label("failed")
    return (
        sa.select(returns.c.jid, returns.c.minion_id, failed, sa.func.max(returns.c.stamp).label("stamp"))
        .where(returns.c.jid.in_(jids))
        .group_by(returns.c.jid, returns.c.minion_id)
    )


def _names(minions: Any) -> list[str] | None:
    return [str(one) for one in minions] if isinstance(minions, list) else None


def is_test(job: Row) -> bool | None:
    """
    Say whether a job was published as a test run; None if that cannot be told.

    :param job: a row with ``fun`` and ``arg``.
    """
    fun = str(job["fun"] or "")
    parts = parts_of(fun.split(",") if "," in fun else fun, job["arg"], None)
    told = [part.test for part in parts]
    if any(told):
        return True
    return None if None in told else False
