"""
Make one row of a job that several events tell of. A batch publishes its job id once for each group of minions. A master
of masters names its syndics first, and then each syndic names its own minions. Pure: no database in here.

The row has the union of the minions and of the targets, and the earliest stamp. For the rest it says what the master
itself has said first. In whatever order the events come, and however often, the row is the same in the end.

A syndic is no minion. Under ``syndics`` the row keeps who named whom: the path of syndics up to the one that named the
minions, "" for the master itself. A name is that of a syndic if an event came through it.

A job that began on its minion has a row made of its return. If a master publishes the job, its row takes that place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timezone
from typing import Any

import msgspec

from salt_eventsd.exceptions import Refused

Row = dict[str, Any]
#: Returns JSON text as a database wants it.
AsJson = Callable[[bytes], Any]

#: The columns of a row in the database that are compared with a new one.
_COMPARED_TEXTS = ("kind", "fun", "arg", "user", "tgt", "tgt_type", "master_id")
COMPARED = (*_COMPARED_TEXTS, "minions", "minion_count", "stamp", "syndics", "load")
#: Kinds of jobs that no master has published.
_BEGUN_BY_MINION = ("call", "schedule")
#: Columns that keep what was said first.
_TOLD_FIRST = ("fun", "arg", "tgt_type", "user", "master_id", "load")
#: Two rows of one id are of one job if these are the same. A syndic publishes as a user of its own.
_SAME = ("kind", "fun", "user")


class AnotherJob(Refused):
    """Another job has this job id."""


def together(rows: Iterable[Row], as_json: AsJson) -> tuple[dict[str, Row], list[Row]]:
    """
    Return one row for each job id, and the rows of further jobs that other masters have given one of these ids.

    :param rows: those of a batch, in order.
    :param as_json: of the database.
    :raises AnotherJob: two jobs of one master have the same id.
    """
    found: dict[str, Row] = {}
    others: list[Row] = []
    for row in rows:
        jid = row["jid"]
        known = found.get(jid)
        if known is None:
            found[jid] = row
            continue
        try:
            found[jid] = {**known, **changes(known, row, as_json)}
        except AnotherJob:
            if row["master_id"] == known["master_id"]:
                raise
            others.append(row)
    return found, others


def changes(known: Mapping[str, Any], new: Row, as_json: AsJson) -> Row:
    """
    Return what changes in a row by what another one says, by column; nothing if it says nothing new.

    :param known: the row that is there.
    :param new: a row that another event tells of the same job.
    :param as_json: of the database.
    :raises AnotherJob: it is another job.
    """
    known_begun, new_begun = is_begun(known["kind"]), is_begun(new["kind"])
    is_same = all(known[name] == new[name] for name in _SAME)
    if new_begun and known_begun and not is_same and _are_of_two_masters(known, new) and known["tgt"] != new["tgt"]:
        raise AnotherJob("another job has this job id: it began on another minion")
    if new_begun and not (known_begun and is_same):
        # It is another job, of another minion; the return is kept in any case.
        return {}
    if known_begun and not new_begun:
        return {name: value for name, value in new.items() if name not in ("jid", "apart")}
    told, telling = _lists(known), _lists(new)
    _must_be_one_job(known, new, "" in told and "" in telling)
    changed: Row = {}
    earlier = _moment(new["stamp"]) < _moment(known["stamp"])
    if earlier:
        changed["stamp"] = new["stamp"]
    # What the master itself says counts for more than what it hears from a syndic.
    if "" in telling and "" in told:
        if earlier:
            changed.update((name, new[name]) for name in _TOLD_FIRST)
        # What was published says more than the event of it: metadata, for one.
        was_published = _is_published(known)
        if was_published != _is_published(new):
            changed["load"] = new["load"]
            if was_published:
                del changed["load"]
        changed.update(_targets(known, new))
    elif "" in telling:
        changed.update((name, new[name]) for name in (*_TOLD_FIRST, "tgt"))
    all_told = {path: _union(told.get(path), telling.get(path)) for path in sorted({*told, *telling})}
    if all_told != told:
        minions = _minions(all_told)
        text = msgspec.json.encode(minions)
        changed.update(minions=as_json(text) if minions is not None else None)
        changed["minion_count"] = None if minions is None else len(minions)
        if all_told.keys() != {""}:
            changed["syndics"] = as_json(msgspec.json.encode(all_told))
    return changed


def is_begun(kind: Any) -> bool:
    """
    Say whether a kind of job is one that no master has published, so that its row is made of a return.

    :param kind: of its row.
    """
    return kind in _BEGUN_BY_MINION


def _is_published(row: Mapping[str, Any]) -> bool:
    """Say whether a row has the load that Salt has handed to its job cache."""
    load = _decoded(row.get("load"))
    return isinstance(load, dict) and load.get("cmd") == "publish"


def _must_be_one_job(known: Mapping[str, Any], new: Row, both_by_master: bool) -> None:
    """Two masters may give one id to two jobs, at the same microsecond."""
    different = [name for name in _SAME if known[name] != new[name]]
    if not both_by_master or ("user" in different and _is_passed_on(known, new)):
        different = [name for name in different if name != "user"]
    if both_by_master and _are_of_two_masters(known, new):
        # A syndic publishes what it was sent, in the rounds of a batch for some of the minions at a time.
        if _decoded(known["arg"]) != _decoded(new["arg"]):
            different.append("arg")
        targets = {str(one["tgt"]) for one in (known, new) if one["tgt"] is not None}
        if len(targets) > 1 and not any(one.startswith("[") for one in targets):
            different.append("tgt")
    if different:
        raise AnotherJob(f"another job has this job id: it has another {different[0]}")


def _are_of_two_masters(known: Mapping[str, Any], new: Row) -> bool:
    return bool(known["master_id"] != new["master_id"])


def _is_passed_on(known: Mapping[str, Any], new: Row) -> bool:
    """Say whether one master has the syndic of the other among the minions of its job."""
    for above, below in ((known, new), (new, known)):
        names = {name for some in _lists(above).values() if isinstance(some, list) for name in map(_name, some)}
        # A master that is given no id takes that of its minion, with this behind it.
        ids = {below["master_id"], below["master_id"].removesuffix("_master")}
        if _are_of_two_masters(known, new) and ids & names:
            return True
    return False


def _lists(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the minions of a job, by who named them."""
    told = _decoded(row["syndics"])
    return told if isinstance(told, dict) else {"": _decoded(row["minions"])}


def _union(one: Any, other: Any) -> Any:
    if not isinstance(one, list) or not isinstance(other, list):
        return other if one is None else one
    names = {_name(name): name for name in [*other, *one]}
    return one if len(names) == len(one) else [names[key] for key in sorted(names)]


def _minions(told: Mapping[str, Any]) -> list[Any] | None:
    """Return all minions of a job: all who were named, without the syndics."""
    found: dict[str, Any] = {}
    is_told = False
    for path, names in told.items():
        if not isinstance(names, list):
            continue
        is_told = True
        for name in names:
            if (f"{path}/{name}" if path else name) not in told:
                found[_name(name)] = name
    return [found[key] for key in sorted(found)] if is_told else None


def _targets(known: Mapping[str, Any], new: Row) -> Row:
    if known["tgt"] == new["tgt"] or new["tgt"] is None:
        return {}
    if known["tgt"] is None:
        return {"tgt": new["tgt"]}
    # The first is an expression, or all of them are lists of minions.
    targets = sorted({*_elements(known["tgt"]), *_elements(new["tgt"])})
    text = msgspec.json.encode(targets).decode()
    return {} if text == known["tgt"] else {"tgt": text}


def _elements(target: str) -> list[str]:
    found = _decoded(target) if target.startswith("[") else None
    return [_name(one) for one in found] if isinstance(found, list) else [target]


def _name(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _decoded(value: Any) -> Any:
    """Read JSON as the database returns it, or as it is sent there."""
    if isinstance(value, msgspec.Raw):
        return msgspec.json.decode(bytes(value))
    if isinstance(value, str):
        try:
            return msgspec.json.decode(value)
        except msgspec.DecodeError:
            return value
    return value


def _moment(value: Any) -> datetime:
    found = value if isinstance(value, datetime) else datetime.fromisoformat(str(value).removesuffix("+00"))
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)
