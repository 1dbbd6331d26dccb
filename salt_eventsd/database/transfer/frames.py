"""
A row as the frame it was on the bus: tag, payload and time, from its ``load``, or from its columns where a worker keeps
none. Pure: no database in here.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from salt_eventsd.event.frame import pack_frame
from salt_eventsd.event.parse import text_of

#: Kinds of jobs that a master has told of, and how their tags begin. Other jobs began on their minion: their return
#: is all there was on the bus.
_KINDS = {"job": "job", "runner": "run", "wheel": "wheel"}
#: The key of what was too large for its column: of such a payload only the beginning is left.
TRUNCATED = "eventsd_truncated"


class Recorded(NamedTuple):
    """
    A frame out of a history.

    :param raw: the frame.
    :param received: when it was read, in seconds since 1970 UTC.
    :param table: the table whose row it was: "jobs", "returns" or "events".
    :param digest: of the row.
    :param data: the payload.
    :param tag: the tag.
    """

    raw: bytes
    received: float
    table: str
    digest: int
    data: Any
    tag: str


def recorded(table: str, row: Mapping[str, Any]) -> Recorded | None:
    """
    Return the frame of a row; None if none was on the bus.

    :param table: "jobs", "returns" or "events".
    :param row: from :func:`salt_eventsd.database.transfer.pages.fetch`.
    """
    found = {"jobs": _of_job, "returns": _of_return, "events": _of_event}[table](row)
    if found is None:
        return None
    tag, data = found
    received: datetime = row.get("received") or row["stamp"]
    return Recorded(pack_frame(tag, data), received.timestamp(), table, row.get("digest") or 0, data, tag)


def _of_job(row: Mapping[str, Any]) -> tuple[str, Any] | None:
    kind = _KINDS.get(row["kind"])
    if kind is None:
        return None
    load = _mapping(row["load"])
    told = {name: row[name] for name in ("jid", "fun", "tgt", "tgt_type", "user") if row[name] is not None}
    arguments = _decoded(row["arg"])
    if arguments is not None:
        told["arg" if kind == "job" else "fun_args"] = arguments
    data = load if "jid" in load else {**told, **load}
    # Several masters, or the rounds of a batch, have told of all of them together.
    minions = _decoded(row["minions"])
    if isinstance(minions, list):
        data["minions"] = minions
    if "_stamp" in load or "jid" not in load:
        data["_stamp"] = _stamp(row)
    return f"salt/{kind}/{text_of(data.get('jid')) or row['jid']}/new", data


def _of_return(row: Mapping[str, Any]) -> tuple[str, Any]:
    load = _mapping(row["load"])
    fun = str(row["fun"] or "")
    # A minion may return any function, in a load that lacks what a large one has lost. Its id is its own.
    is_masters = row["minion_id"] == row["master_id"]
    is_runners = is_masters and fun.startswith(("runner.", "wheel.")) and "cmd" not in load and "id" not in load
    told = {name: row[name] for name in ("jid", "fun", "retcode", "success") if row[name] is not None}
    if not is_runners:
        told.update(cmd="_return", id=row["minion_id"])
    if (arguments := _decoded(row["fun_args"])) is not None:
        told["fun_args"] = arguments
    data = load if "jid" in load else {**told, **load}
    data["return"] = _decoded(row["return"])
    if "_stamp" in load or row["stamp"] != row["received"]:
        data["_stamp"] = _stamp(row)
    jid = text_of(data.get("jid")) or row["jid"] or "req"
    if is_runners:
        return f"salt/{'run' if fun.startswith('runner.') else 'wheel'}/{jid}/ret", data
    return f"salt/job/{jid}/ret/{row['minion_id']}", data


def _of_event(row: Mapping[str, Any]) -> tuple[str, Any]:
    return row["tag"], _decoded(row["data"])


def _mapping(text: str | None) -> dict[str, Any]:
    found = _decoded(text)
    return found if isinstance(found, dict) and TRUNCATED not in found else {}


def _decoded(text: str | None) -> Any:
    return None if text is None else msgspec.json.decode(text)


def _stamp(row: Mapping[str, Any]) -> str:
    stamp: datetime = row["stamp"]
    return stamp.replace(tzinfo=None).isoformat("T", "microseconds")
