"""
Jobs: what was run lately, and who ran what.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from salt_eventsd.database.questions import of_minion
from salt_eventsd.database.questions.answers import FAILED, MISSING, NOBODY, Answers, answers_of, is_test
from salt_eventsd.database.questions.missing import is_missing
from salt_eventsd.database.questions.newest import found_near, functions, names, newest_near
from salt_eventsd.database.questions.read import Reader, Row
from salt_eventsd.database.questions.twins import HAS_TWIN, twins_of
from salt_eventsd.database.questions.wanted import Wanted
from salt_eventsd.database.questions.which import Condition, is_there, of_name, older, since
from salt_eventsd.database.schema import jobs, returns

COLUMNS = tuple(jobs.c[name] for name in ("jid", "apart", "kind", "fun", "arg", "tgt", "tgt_type", "user", "minions"))
COLUMNS += tuple(jobs.c[name] for name in ("minion_count", "stamp", "master_id"))
#: What tells rows apart, and nothing of a job.
_HIDDEN = ("minions", "schedule", "apart")
#: Jobs of a certain outcome are looked for among so many at a time.
_AT_ONCE = 200


@dataclass(frozen=True)
class Which:
    """
    Which jobs; what is None is no condition. Names may be globs.

    :param fun: the function, or one of several.
    :param user: who ran it.
    :param minion: a minion that was asked, or answered.
    :param target: as it was given to the command.
    :param since: not before this.
    :param until: before this.
    :param kind: ``job``, ``runner``, ``wheel``, ``call``, ``schedule``.
    :param but: not the job of this jid.
    :param outcome: one of :data:`~.answers.OUTCOMES`.
    """

    fun: str | None = None
    user: str | None = None
    minion: str | None = None
    target: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    kind: str | None = None
    but: str | None = None
    outcome: str | None = None

    def wanted(self, reader: Reader) -> Wanted:
        """Return the conditions of a question, but for that of the minion."""
        more: list[Condition] = [
            *of_name(reader, jobs.c.tgt, self.target),
            *of_name(reader, jobs.c.kind, self.kind),
        ]
        if self.outcome == NOBODY:
            # It comes first: few are for nobody, and each of the other conditions is a look into an index. And spelled
            # out, as an index over such rows alone has it.
            more.append(jobs.c.minion_count == sa.literal_column("0"))
        # What else makes an outcome is seen only when all answers of a job are.
        if self.outcome == FAILED:
            more.append(_has_failed(reader))
        elif self.outcome is not None:
            # Where two jobs have one id, it may be the other one that failed.
            more.append(sa.or_(~_has_failed(reader), HAS_TWIN))
        if self.outcome == MISSING:
            more.append(sa.or_(is_missing(reader), ~sa.exists().where(returns.c.jid == jobs.c.jid)))
        found = functions(reader, jobs.c.fun, self.fun).joined(names(reader, jobs.c.user, self.user))
        if self.kind in ("runner", "wheel"):
            # Their functions begin so, which an index knows.
            found = found.joined(functions(reader, jobs.c.fun, f"{self.kind}.*"))
        nearly = () if self.but is None else (jobs.c.jid != self.but,)
        found = found.also(*since(jobs.c.stamp, self.since, self.until))
        return replace(found, rest=tuple(more), nearly=nearly, has_begin=self.since is not None)


def _has_failed(reader: Reader) -> Condition:
    """Return the condition that an answer to a job has failed."""
    # A look into the index for each job, whatever else the database thinks: of what failed in jobs, if there is one.
    is_partial = reader.dialect.ddl.partial_indexes
    is_false = (
        reader.dialect.questions.aside(returns.c.success, False) if is_partial else returns.c.success.is_(sa.false())
    )
    return is_there(returns, [returns.c.jid == jobs.c.jid, is_false])


def find(reader: Reader, which: Which, limit: int, before: str | None = None) -> list[Row]:
    """
    Return jobs, each with how many minions answered, and how it went.

    :param reader: of the history.
    :param which: which of them.
    :param limit: no more than so many; but two jobs of one id are on one page, which goes on behind that id.
    :param before: only jobs that come after this one, by its jid: the last one of a page gives the next.
    """
    if which.outcome == NOBODY and which.minion is not None:
        # A job that is of this minion was for somebody.
        return []
    found: list[Row] = []
    shown: list[Row] = []
    # Of most jobs that are looked at, this is the outcome; of others, many may have to be.
    is_rare = which.outcome not in (None, FAILED, MISSING, NOBODY)
    for page in _pages(reader, which, max(limit, _AT_ONCE) if is_rare else limit, before):
        told = answers_of(reader, page)
        for job in page:
            answers = told[job["jid"], job["apart"]]
            if which.outcome in (None, answers.outcome):
                shown.append(job)
                found.append(about(job, answers))
        if which.outcome is None or len(found) >= limit:
            break
    others = _cut_off(reader, which, shown[:limit], limit)
    told = answers_of(reader, others)
    return found[:limit] + [about(job, told[job["jid"], job["apart"]]) for job in others]


def audit(reader: Reader, which: Which, limit: int, before: str | None = None) -> list[Row]:
    """
    Return who ran what: jobs, runners and wheels.

    :param reader: of the history.
    :param which: which of them.
    :param limit: no more than so many.
    :param before: as in :func:`find`.
    """
    page = next(_pages(reader, which, limit, before), [])
    page = [*page, *_cut_off(reader, which, page, limit)]
    order = ("stamp", "user", "kind", "fun", "arg", "tgt", "tgt_type", "minion_count", "jid", "master_id")
    return [{**{name: job[name] for name in order}, "test": is_test(job)} for job in page]


def is_known(reader: Reader, jid: str) -> bool:
    """
    Say whether a job, or a return of it, is in the history.

    :param reader: of the history.
    :param jid: the job's.
    """
    asked = sa.union_all(*(sa.select(sa.literal(1)).where(table.c.jid == jid) for table in (jobs, returns)))
    return bool(reader.values(sa.select(sa.func.count()).select_from(asked.subquery()))[0])


def select(reader: Reader) -> sa.Select[Any]:
    """
    Return the question for jobs, with the columns that are told of one.

    :param reader: of the history.
    """
    return sa.select(*COLUMNS, schedule(reader))


def schedule(reader: Reader) -> sa.ColumnElement[Any]:
    """
    Return the name of the schedule that a job is of.

    :param reader: of the history.
    """
    told = reader.dialect.questions.member(jobs.c.load, "schedule")
    return sa.case((jobs.c.kind == "schedule", told)).label("schedule")


def _pages(reader: Reader, which: Which, size: int, before: str | None) -> Iterator[list[Row]]:
    wanted = which.wanted(reader)
    last: Any = None
    if before is not None:
        # A jid that is unknown, or is gone, has its place by its time all the same: the next one below it.
        place = reader.rows(sa.select(jobs.c.stamp, jobs.c.jid).where(jobs.c.jid == before).order_by(jobs.c.stamp))
        below = sa.select(jobs.c.stamp, jobs.c.jid).where(jobs.c.jid < before).order_by(jobs.c.jid.desc()).limit(1)
        if place:
            last = place[0]
        elif found := reader.rows(below):
            wanted = wanted.also(jobs.c.stamp <= datetime.fromisoformat(found[0]["stamp"]))
        else:
            return
    while True:
        behind = []
        if last is not None:
            behind.append(older(jobs.c.stamp, jobs.c.jid, (datetime.fromisoformat(last["stamp"]), last["jid"])))
        page = _page(reader, wanted.also(*behind), which.minion, size)
        if page:
            yield page
        if len(page) < size:
            return
        last = page[-1]


def _cut_off(reader: Reader, which: Which, page: list[Row], limit: int) -> list[Row]:
    """Return the jobs that have the id of the last one of a full page, and are not on it."""
    jid = page[-1]["jid"] if page else ""
    if len(page) < limit or not (twins := twins_of(reader, [jid])):
        return []
    shown = {job["apart"] for job in page if job["jid"] == jid}
    found = _page(reader, which.wanted(reader).also(jobs.c.jid == jid), which.minion, len(twins[jid]))
    return [job for job in found if job["apart"] not in shown]


def _page(reader: Reader, wanted: Wanted, minion: str | None, size: int) -> list[Row]:
    if minion is not None or wanted.is_nothing or wanted.has_several:
        # First which jobs they are: some have the names of thousands of minions, which would be sorted along.
        if minion is not None:
            jids = [jid for _, jid in of_minion.newest(reader, minion, wanted, size)]
        else:
            jids = [jid for _, jid in newest_near(reader, (jobs.c.stamp, jobs.c.jid), wanted, size)]
        # Two jobs of one id would be told twice, where one of them is the last of so many.
        jids = list(dict.fromkeys(jids))
        rows = [
            row
            for start in range(0, len(jids), _AT_ONCE)
            for row in reader.rows(select(reader).where(jobs.c.jid.in_(jids[start : start + _AT_ONCE]), wanted.aside))
        ]
        return sorted(rows, key=lambda row: (row["stamp"], row["jid"]), reverse=True)[:size]

    def found(bounded: Wanted) -> list[Row]:
        (part,) = bounded.parts(reader)
        return reader.rows(part.newest(select(reader), (jobs.c.stamp, jobs.c.jid), size))

    return found_near(reader, jobs.c.stamp, wanted, size, found)


def about(job: Row, answers: Answers) -> Row:
    """
    Return what is told of a job, wherever it is told of.

    :param job: from :func:`select`.
    :param answers: what came of it.
    """
    told = {name: value for name, value in job.items() if name not in _HIDDEN}
    return {**told, "schedule": job["schedule"], "test": is_test(job), **answers.counts(), "outcome": answers.outcome}
