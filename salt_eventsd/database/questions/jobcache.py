"""
What Salt's job cache is asked: jobs as the loads that Salt knows, returns as Salt hands them over.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from salt_eventsd.common import documents
from salt_eventsd.common.grouping import grouped
from salt_eventsd.database.dialects.base.conditions import among
from salt_eventsd.database.questions.read import Reader, Row, aware
from salt_eventsd.database.questions.syndics import minions_seen, own_minions
from salt_eventsd.database.questions.twins import own_of, twins_of, whose
from salt_eventsd.database.questions.wanted import Part
from salt_eventsd.database.questions.which import Condition, all_of
from salt_eventsd.database.schema import jobs, minions, returns
from salt_eventsd.event.handed import answer_of, readable

_RUNNERS = ("runner", "wheel")
#: So many returns of a function are looked at first, and then twice as many each time.
_FEW = 5000
#: No more minions than these are asked for one by one: to look through all returns of one may take as long as a page.
_FEW_MINIONS = 100
#: So many returns are asked for in one statement.
_AT_ONCE = 200
_BEGUN_BY_MINION = ("call", "schedule")
#: What may be a number that PostgreSQL has written out.
_MANY_DIGITS = re.compile(r"(?<![\d\"])\d{20}|-\d{19}")
#: What an event has besides what Salt has handed over.
_OF_EVENTS = frozenset(("_stamp", "minions", "missing", "eventsd_trimmed"))
#: What is told of a job.
COLUMNS = [jobs.c[name] for name in ("jid", "kind", "fun", "arg", "tgt", "tgt_type", "user", "master_id")]


def load_of(reader: Reader, jid: str, master_id: str | None = None) -> Row:
    """
    Return a job's load, as ``get_load`` does; {} if nothing is known of the job.

    :param reader: of the history.
    :param jid: the job id.
    :param master_id: the master that asks: of two jobs that have this id, its own is meant.
    """
    found = reader.rows(_JOBS_OF_ID, {"jid": jid})
    if not found:
        return _load_by_returns(reader, jid)
    row = own_of(found, master_id)
    load = load_of_row(row, row["load"])
    if row["kind"] in (*_RUNNERS, *_BEGUN_BY_MINION):
        for one in _returns(reader, jid):
            load["return"] = whole_return(one)["return"]
            break
    if seen := minions_seen(row, master_id):
        load["Minions"] = seen
    return load


def answers_to(reader: Reader, jid: str, master_id: str | None = None) -> dict[str, Row]:
    """
    Return what minions have answered to a job, as ``get_jid`` does: the first answer of each.

    :param reader: of the history.
    :param jid: the job id.
    :param master_id: as in :func:`load_of`.
    """
    found: dict[str, Row] = {}
    rows = _returns(reader, jid)
    is_own = _own_answers(reader, jid, master_id) if rows and rows[0]["is_shared"] else lambda _: True
    for row in rows:
        if row["minion_id"] not in found and is_own(row):
            found[row["minion_id"]] = answer_of(whole_return(row))
    return found


def _own_answers(reader: Reader, jid: str, master_id: str | None) -> Callable[[Row], bool]:
    """Return what says whether an answer is to a master's own job, and has come to that master."""
    twins = twins_of(reader, [jid]).get(jid, [])
    job = own_of(reader.rows(_MINIONS_OF_ID, {"jid": jid}), master_id)
    minions = own_minions(job, master_id)

    def is_own(row: Row) -> bool:
        if twins and whose(twins, row) != job["apart"]:
            return False
        return minions is None or row["minion_id"] in minions or row["master_id"] == master_id

    return is_own


def latest_of(reader: Reader, fun: str) -> dict[str, Row]:
    """
    Return each minion's newest return of a function, as ``get_fun`` does.

    :param reader: of the history.
    :param fun: the function.
    """
    # Those of one time stand beside one another.
    newest = sorted((stamp, minion) for minion, stamp in _times_of_latest(reader, fun).items())
    found = [
        row
        for some in grouped(newest, lambda _: 1, _AT_ONCE)
        for row in reader.rows(_RETURNS.where(returns.c.fun == fun, among(_PLACE, some)).order_by(returns.c.id))
    ]
    return {row["minion_id"]: whole_return(row) for row in found}


def _times_of_latest(reader: Reader, fun: str) -> dict[str, datetime]:
    """Return each minion, and when its newest return of a function was: restored ones are numbered anew."""
    found: dict[str, datetime] = {}
    is_it, lead = reader.dialect.questions.led(returns.c.fun, fun)
    bound: list[Condition] = []
    known: list[str] = []
    count = _FEW
    while True:
        # Most minions are soon met among the newest returns.
        part = Part(all_of([is_it, *bound]), lead)
        page = part.newest(sa.select(returns.c.minion_id, returns.c.stamp), [returns.c.stamp], count).subquery()
        stamp = page.c.stamp
        asked = sa.select(page.c.minion_id, sa.func.max(stamp), sa.func.min(stamp), sa.func.count())
        told = reader.tuples(asked.group_by(page.c.minion_id))
        for minion, last, *_ in told:
            found.setdefault(minion, aware(last))
        if sum(number for *_, number in told) < count:
            return found
        known = known or reader.values(reader.dialect.questions.distinct(returns.c.minion_id))
        rest = [minion for minion in known if minion not in found]
        if len(rest) <= _FEW_MINIONS:
            found.update(_looked_back(reader, fun, rest))
            return found
        bound = [returns.c.stamp <= aware(min(first for _, _, first, _ in told))]
        count *= 2


def _looked_back(reader: Reader, fun: str, minion_ids: list[str]) -> dict[str, datetime]:
    """Ask for the newest return of each of a few minions, which may have none."""
    known = reader.dialect.questions.distinct(returns.c.minion_id).subquery()
    its = returns.alias()
    is_it = reader.dialect.questions.beside(its.c.fun) == fun
    back = sa.select(its.c.stamp).where(its.c.minion_id == known.c[0], is_it)
    latest = back.order_by(its.c.stamp.desc()).limit(1).correlate(known).scalar_subquery()
    told = reader.tuples(sa.select(known.c[0], latest).where(known.c[0].in_(minion_ids))) if minion_ids else []
    return {minion: aware(stamp) for minion, stamp in told if stamp is not None}


def end_of(reader: Reader, jid: str) -> datetime | None:
    """
    Return when the last answer to a job came, in UTC; None if none did.

    :param reader: of the history.
    :param jid: the job id.
    """
    [found] = reader.values(sa.select(_LAST).where(returns.c.jid == jid))
    return aware(found) if found is not None else None


def ends(reader: Reader) -> Iterator[tuple[str, datetime]]:
    """
    Yield the id of each job that somebody has answered, and when the last answer came.

    :param reader: of the history.
    """
    for jid, found in reader.each(sa.select(returns.c.jid, _LAST).group_by(returns.c.jid)):
        yield jid, aware(found)


def minion_ids(reader: Reader) -> list[str]:
    """
    Return the ids of all minions.

    :param reader: of the history.
    """
    return [str(one) for one in reader.values(sa.select(minions.c.minion_id).order_by(minions.c.minion_id))]


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


_OF_RETURN = ("jid", "minion_id", "fun", "fun_args", "retcode", "success", "return", "load", "master_id")
_RETURNS = sa.select(*[returns.c[name] for name in _OF_RETURN])
_PLACE = (returns.c.stamp, returns.c.minion_id)
_LAST: sa.ColumnElement[Any] = sa.func.max(returns.c.received)
_THIS = sa.bindparam("jid", type_=jobs.c.jid.type)
# In one question, and made once: to make one takes as long as its answer.
_IS_SHARED = sa.or_(jobs.c.apart != "", jobs.c.syndics.is_not(None))
_RETURNS_OF_ID = (
    _RETURNS.add_columns(sa.exists().where(jobs.c.jid == _THIS, _IS_SHARED).label("is_shared"))
    .where(returns.c.jid == _THIS)
    .order_by(returns.c.id)
)
_JOBS_OF_ID = (
    sa.select(*COLUMNS, jobs.c.minions, jobs.c.syndics, jobs.c.load).where(jobs.c.jid == _THIS).order_by(jobs.c.apart)
)
_MINIONS_OF_ID = (
    sa.select(*(jobs.c[name] for name in ("apart", "master_id", "minions", "syndics")))
    .where(jobs.c.jid == _THIS)
    .order_by(jobs.c.apart)
)


def _returns(reader: Reader, jid: str) -> list[Row]:
    return reader.rows(_RETURNS_OF_ID, {"jid": jid})


def load_of_row(row: Row, told: Any) -> Row:
    """
    Return a job's load, of its columns and of as much of the whole as there is.

    :param row: with :data:`COLUMNS`.
    :param told: the whole, or None.
    """
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
    if isinstance(target, str) and target.startswith("[") and isinstance(found := decoded(target), list):
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


def decoded(text: Any) -> Any:
    """
    Return what JSON says; None if it is none, and what is no text as it is.

    :param text: from a column.
    """
    if not isinstance(text, str):
        return text
    try:
        return documents.loads(text) if _MANY_DIGITS.search(text) else msgspec.json.decode(text)
    except (ValueError, msgspec.DecodeError):
        return None
