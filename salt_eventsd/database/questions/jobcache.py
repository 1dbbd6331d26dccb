"""
What Salt's job cache is asked: jobs as the loads that Salt knows, returns as Salt hands them over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import sqlalchemy as sa

from salt_eventsd.database.questions.read import Reader, Row
from salt_eventsd.database.schema import jobs, minions, returns

_RUNNERS = ("runner", "wheel")
_BEGUN_BY_MINION = ("call", "schedule")
#: What an event has besides what Salt has handed over.
_OF_EVENTS = frozenset(("_stamp", "minions", "missing", "eventsd_trimmed"))
#: What Salt says of each return, if the minion has said it.
_SAID = ("retcode", "success", "out")
FIND_JOB = "saltutil.find_job"
_COLUMNS = [jobs.c[name] for name in ("jid", "kind", "fun", "arg", "tgt", "tgt_type", "user", "master_id")]
#: The whole of a job is read only for what no column has: metadata, and the names of several functions.
_LOAD_TEXT = sa.cast(jobs.c.load, sa.Text)
_SOME_LOADS = sa.case((sa.or_(_LOAD_TEXT.like('%"metadata"%'), jobs.c.fun.like("%,%")), _LOAD_TEXT)).label("whole")


def load_of(reader: Reader, jid: str) -> Row:
    """
    Return a job's load, as ``get_load`` does; {} if nothing is known of the job.

    :param reader: of the history.
    :param jid: the job id.
    """
    found = reader.rows(sa.select(*_COLUMNS, jobs.c.minions, jobs.c.load).where(jobs.c.jid == jid))
    if not found:
        return _load_by_returns(reader, jid)
    row = found[0]
    load = _load(row, row["load"])
    if row["kind"] in (*_RUNNERS, *_BEGUN_BY_MINION):
        for one in _returns(reader, jid):
            load["return"] = whole_return(one)["return"]
            break
    if isinstance(row["minions"], list) and row["minions"]:
        load["Minions"] = sorted(map(str, row["minions"]))
    return load


def loads(reader: Reader) -> Iterator[tuple[str, Row]]:
    """
    Yield all jobs, each with as much of its load as a list of jobs shows.

    :param reader: of the history.
    """
    for row in reader.rows(sa.select(*_COLUMNS, _SOME_LOADS)):
        yield row["jid"], _load(row, _decoded(row["whole"]))


def newest_loads(reader: Reader, count: int, without_find_job: bool = True) -> list[tuple[str, Row]]:
    """
    Return the newest jobs as :func:`loads` does, the oldest of them first.

    :param reader: of the history.
    :param count: how many.
    :param without_find_job: leave out Salt's own questions whether a job still runs.
    """
    which = sa.select(*_COLUMNS, _SOME_LOADS).order_by(jobs.c.jid.desc()).limit(count)
    if without_find_job:
        which = which.where(sa.or_(jobs.c.fun.is_(None), jobs.c.fun != FIND_JOB))
    return [(row["jid"], _load(row, _decoded(row["whole"]))) for row in reversed(reader.rows(which))]


def answers_to(reader: Reader, jid: str) -> dict[str, Row]:
    """
    Return what minions have answered to a job, as ``get_jid`` does: the first answer of each.

    :param reader: of the history.
    :param jid: the job id.
    """
    found: dict[str, Row] = {}
    for row in _returns(reader, jid):
        if row["minion_id"] not in found:
            found[row["minion_id"]] = answer_of(whole_return(row))
    return found


def latest_of(reader: Reader, fun: str) -> dict[str, Row]:
    """
    Return each minion's newest return of a function, as ``get_fun`` does.

    :param reader: of the history.
    :param fun: the function.
    """
    # By time: what was restored from an archive is numbered anew.
    latest = sa.func.max(returns.c.stamp).label("stamp")
    newest = sa.select(returns.c.minion_id, latest).where(returns.c.fun == fun).group_by(returns.c.minion_id).subquery()
    is_it = (returns.c.minion_id == newest.c.minion_id) & (returns.c.stamp == newest.c.stamp)
    found = reader.rows(_RETURNS.join(newest, is_it).where(returns.c.fun == fun).order_by(returns.c.id))
    return {row["minion_id"]: whole_return(row) for row in found}


def end_of(reader: Reader, jid: str) -> str | None:
    """
    Return when the last answer to a job came, in UTC; None if none did.

    :param reader: of the history.
    :param jid: the job id.
    """
    found = reader.rows(
        sa.select(returns.c.received).where(returns.c.jid == jid).order_by(returns.c.id.desc()).limit(1)
    )
    return str(found[0]["received"]) if found else None


def minion_ids(reader: Reader) -> list[str]:
    """
    Return the ids of all minions.

    :param reader: of the history.
    """
    return [str(one) for one in reader.values(sa.select(minions.c.minion_id).order_by(minions.c.minion_id))]


def readable(load: Row) -> Row:
    """
    Return a load that Salt can list: one that it cannot read would end the whole list. A minion may return anything.

    :param load: a job's.
    """
    odd = {name for name in ("user",) if load.get(name, "") is None}
    if "arg" in load and not isinstance(load["arg"], list):
        odd.add("arg")
    if "kwargs" in load and not isinstance(load["kwargs"], dict):
        odd.add("kwargs")
    return {name: value for name, value in load.items() if name not in odd} if odd else load


def answer_of(whole: Mapping[str, Any]) -> Row:
    """
    Return what Salt says of a return in a job's answers.

    :param whole: the return.
    """
    return {"return": whole.get("return"), **{name: whole[name] for name in _SAID if name in whole}}


def whole_return(row: Mapping[str, Any]) -> Row:
    """
    Return a return as Salt has handed it over.

    :param row: of the table of returns.
    """
    load = row["load"] if isinstance(row["load"], dict) else {}
    fun = str(row["fun"] or "")
    told = {"jid": row["jid"], "fun": fun, "fun_args": row["fun_args"]}
    if "jid" not in load:
        # A worker with ``load: false`` has kept only what no column has.
        told.update((name, row[name]) for name in ("retcode", "success"))
    told = {name: value for name, value in told.items() if value is not None}
    if fun.startswith(("runner.", "wheel.")) and "cmd" not in load and "id" not in load:
        # A runner's return stands as a whole in that of the master.
        inner = {**told, **load, "return": row["return"]}
        return {"id": row["minion_id"], "jid": row["jid"], "fun": fun, "return": inner}
    return {"id": row["minion_id"], **told, **load, "return": row["return"]}


_RETURNS = sa.select(
    *[returns.c[name] for name in ("jid", "minion_id", "fun", "fun_args", "retcode", "success", "return", "load")]
)


def _returns(reader: Reader, jid: str) -> list[Row]:
    return reader.rows(_RETURNS.where(returns.c.jid == jid).order_by(returns.c.id))


def _load(row: Row, told: Any) -> Row:
    """Return a job's load, of its columns and of as much of the whole as there is."""
    told = {name: value for name, value in told.items() if name not in _OF_EVENTS} if isinstance(told, dict) else {}
    load = {name: told.get(name, row[name]) for name in ("fun", "user", "jid")}
    if row["kind"] in _RUNNERS:
        load.update(id=row["master_id"], tgt=row["master_id"])
    else:
        load = {**told, **load, "arg": row["arg"] if isinstance(row["arg"], list) else told.get("arg") or []}
        load["tgt"] = _target(row, told)
        load["tgt_type"] = row["tgt_type"] or told.get("tgt_type") or "glob"
    return readable(load)


def _target(row: Row, told: Mapping[str, Any]) -> Any:
    target = row["tgt"]
    if isinstance(target, str) and target.startswith("[") and isinstance(found := _decoded(target), list):
        # Several rounds of a batch were sent to the minions of all of them.
        return found
    return target if target is not None else told.get("tgt", "unknown-target")


def _load_by_returns(reader: Reader, jid: str) -> Row:
    """Return what the returns of a job say of it, of which nothing else is known."""
    found = _returns(reader, jid)
    if not found:
        return {}
    first = whole_return(found[0])
    names = sorted({str(row["minion_id"]) for row in found})
    load = {name: first[name] for name in ("jid", "fun", "user") if first.get(name) is not None}
    arguments = first.get("fun_args")
    return {
        **load,
        "arg": arguments if isinstance(arguments, list) else [],
        "tgt": names,
        "tgt_type": "list",
        "Minions": names,
    }


def _decoded(text: Any) -> Any:
    if not isinstance(text, str):
        return text
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return None
