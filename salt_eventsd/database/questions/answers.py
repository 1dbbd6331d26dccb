"""
Who was asked and who answered, and how it went, for a page of jobs: what ``eventsd_v_answers`` says, without a look at
each minion by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from salt_eventsd.database.questions.read import Reader, Row
from salt_eventsd.database.questions.twins import outcomes_of, twins_of
from salt_eventsd.database.questions.which import Condition
from salt_eventsd.database.schema import returns
from salt_eventsd.event.outcome import parts_of

#: No database has to read a statement with more values than this.
_AT_ONCE = 500
#: To look at each of more answers than these takes longer than to find all that have failed since.
_MANY = 5000
#: No clock is set back so far that an answer seems to come this long before its job.
SLACK = timedelta(days=2)

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


def answers_of(reader: Reader, jobs: Iterable[Row], *, tells_failed: bool = True) -> dict[tuple[str, str], Answers]:
    """
    Return what came of some jobs, by ``jid`` and ``apart``.

    :param reader: of the history.
    :param jobs: rows with ``jid``, ``apart``, ``minions`` and ``stamp``.
    :param tells_failed: whether it matters which minions have failed.
    """
    page = list(jobs)
    found: dict[str, dict[str, bool]] = {job["jid"]: {} for job in page}
    for start in range(0, len(page), _AT_ONCE):
        part = page[start : start + _AT_ONCE]
        jids = [job["jid"] for job in part]
        # A row for each job: one for each of its answers costs several times as much on its way. Nothing but a key is
        # read here; to read of each answer how it went costs as much again, and few have failed.
        count = 0
        for jid, answered in _minions(reader, jids):
            found[jid].update(dict.fromkeys(answered, False))
            count += len(answered)
        if not tells_failed:
            continue
        oldest = min(datetime.fromisoformat(job["stamp"]) for job in part)
        for jid, failed in _minions(reader, jids, oldest - SLACK, has_many=count > _MANY):
            found[jid].update(dict.fromkeys(failed, True))
    told: dict[tuple[str, str], dict[str, bool]] = {(job["jid"], job["apart"]): found[job["jid"]] for job in page}
    if twins := twins_of(reader, found):
        told.update((key, {}) for key in told if key[0] in twins)
        told.update(outcomes_of(reader, twins))
    return {
        (job["jid"], job["apart"]): Answers(names_of(job["minions"]), told[job["jid"], job["apart"]]) for job in page
    }


def _minions(
    reader: Reader, jids: list[str], failed_since: datetime | None = None, *, has_many: bool = False
) -> Iterator[tuple[str, list[str]]]:
    """Yield jobs, each with the minions that answered it, or that have failed; some have many answers."""
    questions = reader.dialect.questions
    asked = sa.select(returns.c.jid, questions.listed(returns.c.minion_id), sa.func.count())
    asked = asked.where(returns.c.jid.in_(jids)).group_by(returns.c.jid)
    which: list[Condition] = []
    if failed_since is not None and reader.dialect.ddl.partial_indexes:
        # An index knows what failed in a job, and when.
        which, has_many = [questions.aside(returns.c.success, False), returns.c.stamp >= failed_since], False
    elif failed_since is not None:
        # Found either by the jobs or by what has failed since then, whichever is less.
        which = [questions.is_false(returns.c.success), returns.c.stamp >= failed_since]
        if has_many:
            which[0] = questions.among(returns.c.success, False)
    asked = questions.that_are(asked, returns.c.id, *which) if has_many else asked.where(*which)
    for jid, text, count in reader.tuples(asked):
        names = text.split("\n")
        if len(names) != count:
            # There is a newline in a name.
            names = reader.values(sa.select(returns.c.minion_id).where(returns.c.jid == jid, *which))
        yield jid, names


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
