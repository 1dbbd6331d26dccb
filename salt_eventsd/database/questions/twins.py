"""
Two masters may give one id to two jobs. Which jobs these are, and whose an answer is.

A return has no more of its job than the id. It is of the job whose function it is of; if that is true of both, of the
one that was for its minion; and if that is, of the one whose master has written it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import sqlalchemy as sa

from salt_eventsd.database.questions.read import Reader, Row
from salt_eventsd.database.questions.which import is_there
from salt_eventsd.database.schema import jobs, returns

#: What an answer is told apart by.
TOLD_BY = ("jid", "minion_id", "fun", "master_id")
_COLUMNS = tuple(jobs.c[name] for name in ("jid", "apart", "fun", "minions", "master_id"))
# Spelled out, as an index over such rows alone has it.
_NOT_APART = sa.literal_column("''", sa.String())
_twin = jobs.alias("twin")
#: The condition that another master has given a job's id to one of its own.
HAS_TWIN = is_there(_twin, [_twin.c.jid == jobs.c.jid, _twin.c.apart != _NOT_APART])
#: No database has to read a statement with more values than this.
_AT_ONCE = 500


def twins_of(reader: Reader, jids: Iterable[str]) -> dict[str, list[Row]]:
    """
    Return all jobs of those ids that several jobs have, by their id; usually none.

    :param reader: of the history.
    :param jids: of jobs.
    """
    found: dict[str, list[Row]] = {}
    wanted = list(dict.fromkeys(jids))
    for start in range(0, len(wanted), _AT_ONCE):
        some = jobs.c.jid.in_(wanted[start : start + _AT_ONCE])
        shared = reader.values(sa.select(jobs.c.jid).where(some, jobs.c.apart != _NOT_APART).distinct())
        if shared:
            which = sa.select(*_COLUMNS).where(jobs.c.jid.in_(shared)).order_by(jobs.c.jid, jobs.c.apart)
            for row in reader.rows(which):
                found.setdefault(row["jid"], []).append(row)
    return found


def whose(twins: Sequence[Row], answer: Mapping[str, object]) -> str:
    """
    Return of which of several jobs an answer is, by its ``apart``.

    :param twins: the jobs, from :func:`twins_of`.
    :param answer: with as much of :data:`TOLD_BY` as is known.
    """
    tests: tuple[Callable[[Row], bool], ...] = (
        lambda job: job["fun"] == answer.get("fun"),
        lambda job: isinstance(job["minions"], list) and answer.get("minion_id") in job["minions"],
        lambda job: job["master_id"] == answer.get("master_id"),
    )
    left = list(twins)
    for test in tests:
        left = [job for job in left if test(job)] or left
    return str(left[0]["apart"])


def outcomes_of(reader: Reader, twins: Mapping[str, Sequence[Row]]) -> dict[tuple[str, str], dict[str, bool]]:
    """
    Return which minions have answered jobs of one id, and whether they failed, by the job's ``jid`` and ``apart``.

    :param reader: of the history.
    :param twins: the jobs, from :func:`twins_of`.
    """
    found: dict[tuple[str, str], dict[str, bool]] = {}
    columns = (*(returns.c[name] for name in TOLD_BY), returns.c.success)
    for jid, some in twins.items():
        for row in reader.rows(sa.select(*columns).where(returns.c.jid == jid)):
            of_job = found.setdefault((jid, whose(some, row)), {})
            of_job[row["minion_id"]] = of_job.get(row["minion_id"], False) or row["success"] in (False, 0)
    return found


def own_of(rows: Sequence[Row], master_id: str | None) -> Row:
    """
    Return that of several jobs of one id which a master means by it: its own, or else the first.

    :param rows: the jobs, the first of which came first.
    :param master_id: the master's, None if nobody is meant.
    """
    return next((row for row in rows if row["master_id"] == master_id), rows[0])
