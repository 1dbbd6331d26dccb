"""
Who was asked and who answered, and how it went, for a page of jobs: what ``eventsd_v_answers`` says, without a look at
each minion by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from salt_eventsd.database.questions.read import Reader, Row
from salt_eventsd.database.schema import returns
from salt_eventsd.event.outcome import parts_of

#: No database has to read a statement with more values than this.
_AT_ONCE = 500

SUCCEEDED, FAILED, MISSING, NOBODY = OUTCOMES = ("succeeded", "failed", "missing", "nobody")


class Answers:
    """
    What came of a job.

    :param asked: the minions that were asked, None where the job does not say, as a runner's does not.
    :param found: minion -> whether it failed.
    """

    def __init__(self, asked: Sequence[str] | None, found: Mapping[str, bool]) -> None:
        self.found = found
        self.asked = None if asked is None else set(asked)
        self.missing = sorted(self.asked - found.keys()) if self.asked is not None else []
        self.failed = sorted(minion_id for minion_id, has_failed in found.items() if has_failed)

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
    asked = {job["jid"]: names_of(job["minions"]) for job in jobs}
    jids = list(asked)
    told = {jid: Answers(asked[jid], {}) for jid in jids}
    for start in range(0, len(jids), _AT_ONCE):
        # A row for each job: one for each of its answers costs several times as much on its way.
        for jid, answered, failed in reader.tuples(_returned(reader, jids[start : start + _AT_ONCE])):
            found = dict.fromkeys(msgspec.json.decode(answered), False)
            found.update(dict.fromkeys(filter(None, msgspec.json.decode(failed)), True))
            told[jid] = Answers(asked[jid], found)
    return told


def _returned(reader: Reader, jids: list[str]) -> sa.Select[Any]:
    failed = sa.func.max(sa.case((returns.c.success == sa.false(), 1), else_=0)).label("failed")
    each = (
        sa.select(returns.c.jid, returns.c.minion_id, failed)
        .where(returns.c.jid.in_(jids))
        .group_by(returns.c.jid, returns.c.minion_id)
        .subquery()
    )
    listed = reader.dialect.questions.listed
    has_failed = sa.case((each.c.failed == 1, each.c.minion_id))
    return sa.select(each.c.jid, listed(each.c.minion_id), listed(has_failed)).group_by(each.c.jid)


def names_of(minions: Any) -> list[str] | None:
    """
    Return the names in the list of a job's minions, None if there is none.

    :param minions: as it stands in the row of the job.
    """
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
