"""
All about one job: whom it was for, who answered and how, which states failed, and what started what.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from salt_eventsd.database.questions.answers import Answers, names_of
from salt_eventsd.database.questions.jobs import COLUMNS, about, schedule, select
from salt_eventsd.database.questions.newest import functions
from salt_eventsd.database.questions.read import Reader, Row
from salt_eventsd.database.questions.twins import whose
from salt_eventsd.database.questions.which import since
from salt_eventsd.database.schema import jobs, returns, states

#: The functions of runners that start jobs and tell their jids in what they return.
_ORCHESTRATION = "runner.state."
_OF_ANSWER = ("id", "minion_id", "fun", "retcode", "success", "test", "duration_ms", "stamp")
#: An orchestration that ends later is not looked for.
_LONGEST_ORCHESTRATION = timedelta(days=1)


def one(reader: Reader, jid: str) -> Row | None:
    """
    Return all about a job: whom it was for, who answered and how, who did not, and which states failed. None if neither
    the job nor a return of it is known. Where another master has given a job of its own this id, ``same_jid`` has all
    about that.

    :param reader: of the history.
    :param jid: the job's.
    """
    found = reader.rows(select(reader).where(jobs.c.jid == jid).order_by(jobs.c.apart))
    told = _returned(reader, jid)
    if not found and not told:
        return None
    failed_states = _failed_states(reader, jid)
    if len(found) < 2:
        return _whole(reader, jid, found, told, failed_states)
    parts = [
        _whole(reader, jid, [job], *([row for row in rows if whose(found, row) == job["apart"]] for rows in both))
        for both in [(told, failed_states)]
        for job in found
    ]
    return {**parts[0], "same_jid": parts[1:]}


def _whole(reader: Reader, jid: str, found: list[Row], told: list[Row], failed_states: list[Row]) -> Row:
    job: Row = found[0] if found else dict.fromkeys([column.name for column in (*COLUMNS, schedule(reader))])
    job["jid"] = jid
    failed = {row["minion_id"] for row in told if row["success"] is False}
    answers = Answers(names_of(job["minions"]), {row["minion_id"]: row["minion_id"] in failed for row in told})
    rows = _answers(told, answers, is_known=bool(found))
    if not found:
        # Returns without a job: what they say of it themselves.
        job["fun"], job["stamp"] = rows[0]["fun"], min(row["stamp"] for row in rows)
    ends = [datetime.fromisoformat(row["stamp"]) for row in rows if row["stamp"]]
    took = (max(ends) - datetime.fromisoformat(job["stamp"])).total_seconds() if ends else None
    return {
        **about(job, answers),
        "known": bool(found),
        "minions": job["minions"] if isinstance(job["minions"], list) else [],
        "missing_minions": answers.missing,
        "seconds": took,
        "last_answer": told[-1]["stamp"] if told else None,
        "failed_states": failed_states,
        "started": _started(reader, job),
        "started_by": _started_by(reader, job) if found else None,
        "answers": rows,
    }


def _returned(reader: Reader, jid: str) -> list[Row]:
    names = (*_OF_ANSWER, "master_id")
    asked = sa.select(*(returns.c[name] for name in names)).where(returns.c.jid == jid)
    return reader.rows(asked.order_by(returns.c.stamp, returns.c.id))


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
        functions(reader, returns.c.fun, f"{_ORCHESTRATION}*").whole,
        *since(returns.c.stamp, begun, begun + _LONGEST_ORCHESTRATION),
    ]
    text = sa.cast(returns.c["return"], sa.Text)
    told = text.like(f'%"{job["jid"]}"%')
    asked = sa.select(returns.c.jid, returns.c["return"]).where(*conditions, told, returns.c.jid != job["jid"])
    for row in reader.rows(asked.order_by(returns.c.stamp).limit(5)):
        if job["jid"] in _jids_in(row["return"]):
            return str(row["jid"])
    return None
