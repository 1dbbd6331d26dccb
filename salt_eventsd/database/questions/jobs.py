"""
Jobs: what was run lately, all about one job, and who ran what.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from salt_eventsd.database.dialects.base.questions import is_glob
from salt_eventsd.database.questions.answers import FAILED, MISSING, Answers, answers_of, is_test, names_of
from salt_eventsd.database.questions.missing import is_unanswered
from salt_eventsd.database.questions.read import Reader, Row
from salt_eventsd.database.questions.which import Condition, all_of, of_function, of_name, older, since
from salt_eventsd.database.schema import jobs, returns, states

#: The functions of runners that start jobs and tell their jids in what they return.
_ORCHESTRATION = "runner.state."
_COLUMNS = tuple(jobs.c[name] for name in ("jid", "kind", "fun", "arg", "tgt", "tgt_type", "user", "minions"))
_COLUMNS += tuple(jobs.c[name] for name in ("minion_count", "stamp", "master_id"))
_OF_ANSWER = ("id", "minion_id", "fun", "retcode", "success", "test", "duration_ms", "stamp")
#: An orchestration that ends later is not looked for.
_LONGEST_ORCHESTRATION = timedelta(days=1)
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

    def conditions(self, reader: Reader) -> list[Condition]:
        """Return the conditions of a question, besides :meth:`alternatives`."""
        found = [
            *since(jobs.c.stamp, self.since, self.until),
            *of_function(reader, jobs, self.fun),
            *of_name(reader, jobs.c.user, self.user),
            *of_name(reader, jobs.c.tgt, self.target),
            *of_name(reader, jobs.c.kind, self.kind),
        ]
        if self.but is not None:
            found.append(jobs.c.jid != self.but)
        # What else makes an outcome is seen only when all answers of a job are.
        if self.outcome == FAILED:
            # Not with =: SQLite would look through all failed returns for each job, by the index of those.
            found.append(sa.exists().where(returns.c.jid == jobs.c.jid, returns.c.success.is_(sa.false())))
        if self.outcome == MISSING:
            found.append(sa.or_(_is_somebody_missing(reader), ~sa.exists().where(returns.c.jid == jobs.c.jid)))
        return found

    def alternatives(self, reader: Reader) -> list[Condition]:
        """
        Return conditions of which one is to be true, too, if there are any. Each is asked by itself, as no index finds
        what fits one or the other.
        """
        if self.minion is None:
            return []
        return [reader.dialect.questions.has(jobs.c.minions, self.minion), self._answered(reader)]

    def _answered(self, reader: Reader) -> Condition:
        told = of_name(reader, returns.c.minion_id, self.minion)
        if self.minion is not None and is_glob(self.minion):
            return sa.exists().where(returns.c.jid == jobs.c.jid, *told)
        # All the jobs of one minion are found by an index, once.
        return jobs.c.jid.in_(sa.select(returns.c.jid).where(*told))


def find(reader: Reader, which: Which, limit: int, before: str | None = None) -> list[Row]:
    """
    Return jobs, each with how many minions answered, and how it went.

    :param reader: of the history.
    :param which: which of them.
    :param limit: no more than so many.
    :param before: only jobs that come after this one, by its jid: the last one of a page gives the next.
    """
    found: list[Row] = []
    # Of most jobs that are looked at, this is the outcome; of others, many may have to be.
    is_rare = which.outcome not in (None, FAILED, MISSING)
    for page in _pages(reader, which, max(limit, _AT_ONCE) if is_rare else limit, before):
        told = answers_of(reader, page)
        for job in page:
            answers = told[job["jid"]]
            if which.outcome in (None, answers.outcome):
                found.append(_about(job, answers))
        if which.outcome is None or len(found) >= limit:
            break
    return found[:limit]


def audit(reader: Reader, which: Which, limit: int, before: str | None = None) -> list[Row]:
    """
    Return who ran what: jobs, runners and wheels.

    :param reader: of the history.
    :param which: which of them.
    :param limit: no more than so many.
    :param before: as in :func:`find`.
    """
    page = next(_pages(reader, which, limit, before), [])
    order = ("stamp", "user", "kind", "fun", "arg", "tgt", "tgt_type", "minion_count", "jid", "master_id")
    return [{**{name: job[name] for name in order}, "test": is_test(job)} for job in page]


def one(reader: Reader, jid: str) -> Row | None:
    """
    Return all about a job: whom it was for, who answered and how, who did not, and which states failed. None if neither
    the job nor a return of it is known.

    :param reader: of the history.
    :param jid: the job's.
    """
    found = reader.rows(_select(reader).where(jobs.c.jid == jid))
    job: Row = found[0] if found else dict.fromkeys([column.name for column in (*_COLUMNS, _schedule(reader))])
    job["jid"] = jid
    told = _returned(reader, jid)
    if not found and not told:
        return None
    failed = {row["minion_id"] for row in told if row["success"] is False}
    answers = Answers(names_of(job["minions"]), {row["minion_id"]: row["minion_id"] in failed for row in told})
    rows = _answers(told, answers, is_known=bool(found))
    if not found:
        # Returns without a job: what they say of it themselves.
        job["fun"], job["stamp"] = rows[0]["fun"], min(row["stamp"] for row in rows)
    ends = [datetime.fromisoformat(row["stamp"]) for row in rows if row["stamp"]]
    took = (max(ends) - datetime.fromisoformat(job["stamp"])).total_seconds() if ends else None
    return {
        **_about(job, answers),
        "known": bool(found),
        "minions": job["minions"] if isinstance(job["minions"], list) else [],
        "missing_minions": answers.missing,
        "seconds": took,
        "last_answer": told[-1]["stamp"] if told else None,
        "failed_states": _failed_states(reader, jid),
        "started": _started(reader, job),
        "started_by": _started_by(reader, job) if found else None,
        "answers": rows,
    }


def is_known(reader: Reader, jid: str) -> bool:
    """
    Say whether a job, or a return of it, is in the history.

    :param reader: of the history.
    :param jid: the job's.
    """
    asked = sa.union_all(*(sa.select(sa.literal(1)).where(table.c.jid == jid) for table in (jobs, returns)))
    return bool(reader.values(sa.select(sa.func.count()).select_from(asked.subquery()))[0])


def _select(reader: Reader) -> sa.Select[Any]:
    return sa.select(*_COLUMNS, _schedule(reader))


def _schedule(reader: Reader) -> sa.ColumnElement[Any]:
    told = reader.dialect.questions.member(jobs.c.load, "schedule")
    return sa.case((jobs.c.kind == "schedule", told)).label("schedule")


def _pages(reader: Reader, which: Which, size: int, before: str | None) -> Iterator[list[Row]]:
    conditions, alternatives = which.conditions(reader), which.alternatives(reader)
    last: Any = None
    if before is not None:
        # A jid that is unknown, or is gone, has its place by its time all the same: the next one below it.
        place = reader.rows(sa.select(jobs.c.stamp, jobs.c.jid).where(jobs.c.jid == before))
        below = sa.select(jobs.c.stamp, jobs.c.jid).where(jobs.c.jid < before).order_by(jobs.c.jid.desc()).limit(1)
        if place:
            last = place[0]
        elif found := reader.rows(below):
            conditions = [*conditions, jobs.c.stamp <= datetime.fromisoformat(found[0]["stamp"])]
        else:
            return
    while True:
        wanted = list(conditions)
        if last is not None:
            wanted.append(older(jobs.c.stamp, jobs.c.jid, (datetime.fromisoformat(last["stamp"]), last["jid"])))
        page = _page(reader, wanted, alternatives, size)
        if page:
            yield page
        if len(page) < size:
            return
        last = page[-1]


def _page(reader: Reader, wanted: list[Condition], alternatives: list[Condition], size: int) -> list[Row]:
    order = (jobs.c.stamp.desc(), jobs.c.jid.desc())
    if alternatives:
        # First which jobs they are: some have the names of thousands of minions, which would be sorted along.
        which = sa.select(jobs.c.stamp, jobs.c.jid).order_by(*order).limit(size)
        rows = [row for one in alternatives for row in reader.rows(which.where(all_of([*wanted, one])))]
        newest = sorted({(row["stamp"], row["jid"]) for row in rows}, reverse=True)[:size]
        wanted = [jobs.c.jid.in_([jid for _, jid in newest])]
        if not newest:
            return []
    return reader.rows(_select(reader).where(all_of(wanted)).order_by(*order).limit(size))


def _about(job: Row, answers: Answers) -> Row:
    told = {name: value for name, value in job.items() if name not in ("minions", "schedule")}
    return {**told, "schedule": job["schedule"], "test": is_test(job), **answers.counts(), "outcome": answers.outcome}


def _returned(reader: Reader, jid: str) -> list[Row]:
    asked = sa.select(*(returns.c[name] for name in _OF_ANSWER)).where(returns.c.jid == jid)
    return reader.rows(asked.order_by(returns.c.stamp, returns.c.id))


def _is_somebody_missing(reader: Reader) -> Condition:
    asked, minion_id = reader.dialect.questions.elements(jobs.c.minions)
    return sa.exists(sa.select(sa.literal_column("1")).select_from(asked).where(is_unanswered(minion_id)))


def _answers(told: list[Row], answers: Answers, is_known: bool) -> list[Row]:
    """A row for each minion that was asked or answered, its last answer if there were several."""
    last = {row["minion_id"]: row for row in told}
    failed = set(answers.failed)
    rows = []
    for minion_id in sorted({*last, *answers.missing}):
        row = last.get(minion_id) or dict.fromkeys(_OF_ANSWER)
        outcome = "missing" if minion_id not in last else "failed" if minion_id in failed else "succeeded"
        expected = is_known and (answers.asked is None or minion_id in answers.asked)
        rest = {name: row[name] for name in _OF_ANSWER if name not in ("id", "minion_id")}
        rows.append(
            {"minion_id": minion_id, "expected": expected, "answered": minion_id in last, "outcome": outcome, **rest}
        )
    return rows


def _failed_states(reader: Reader, jid: str) -> list[Row]:
    names = ("minion_id", "run_num", "sls", "state_id", "state", "name", "comment", "duration_ms")
    asked = sa.select(*(states.c[name] for name in names))
    order = (states.c.minion_id, states.c.run_num)
    return reader.rows(asked.where(states.c.jid == jid, states.c.result == sa.false()).order_by(*order))


def _started(reader: Reader, job: Row) -> list[str]:
    """The jobs that an orchestration started: each of its states tells the jid of its own."""
    if not str(job["fun"] or "").startswith(_ORCHESTRATION):
        return []
    found: list[str] = []
    for row in reader.rows(sa.select(returns.c["return"]).where(returns.c.jid == job["jid"])):
        found += [jid for jid in _jids_in(row["return"]) if jid not in found]
    return found


def _jids_in(value: Any, depth: int = 6) -> Iterator[str]:
    if depth and isinstance(value, dict):
        for key, inner in value.items():
            if key == "__jid__" and isinstance(inner, (str, int)):
                yield str(inner)
            else:
                yield from _jids_in(inner, depth - 1)
    elif depth and isinstance(value, list):
        for inner in value:
            yield from _jids_in(inner, depth - 1)


def _started_by(reader: Reader, job: Row) -> str | None:
    """The orchestration that started a job: one that returned later, and tells its jid."""
    begun = datetime.fromisoformat(job["stamp"])
    conditions = [
        *of_function(reader, returns, f"{_ORCHESTRATION}*"),
        *since(returns.c.stamp, begun, begun + _LONGEST_ORCHESTRATION),
    ]
    text = sa.cast(returns.c["return"], sa.Text)
    told = text.like(f'%"{job["jid"]}"%')
    asked = sa.select(returns.c.jid, returns.c["return"]).where(*conditions, told, returns.c.jid != job["jid"])
    for row in reader.rows(asked.order_by(returns.c.stamp).limit(5)):
        if job["jid"] in _jids_in(row["return"]):
            return str(row["jid"])
    return None
