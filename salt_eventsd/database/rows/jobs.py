"""
Rows of the table of jobs: of what a master has published, and of jobs that began on their minion. Pure: no database in
here.
"""

from __future__ import annotations

from typing import Any

import msgspec

from salt_eventsd.database.rows import remainder
from salt_eventsd.database.rows.cells import Cells, Row, length_of
from salt_eventsd.database.rows.digest import NO_JID
from salt_eventsd.database.schema import JID_LENGTH, NAME_LENGTH
from salt_eventsd.event.clip import named
from salt_eventsd.event.parse import Event

_KINDS = {"job": "job", "run": "runner", "wheel": "wheel"}


class _Job(msgspec.Struct, gc=False):
    """What a job's start may hold, values of JSON columns still as JSON text."""

    arg: msgspec.Raw = msgspec.Raw()
    fun_args: msgspec.Raw = msgspec.Raw()
    tgt: Any = None
    tgt_type: Any = None
    user: Any = None
    minions: msgspec.Raw = msgspec.Raw()


_AS_JOB = msgspec.json.Decoder(_Job).decode


def told_job(cells: Cells, event: Event, node_id: str, load: bool = True) -> Row:
    """
    Return the row of a job that a master has published.

    :param cells: makes cells.
    :param event: the job's start.
    :param node_id: the master's (or minion's) id.
    :param load: keep the whole of the event; else only what no column has.
    """
    job = _AS_JOB(event.body) if event.body.startswith(b"{") else _Job()
    arg = bytes(job.arg) or bytes(job.fun_args)
    minions = _as_kept(bytes(job.minions))
    row: Row = {
        "jid": cells.key(event.jid, JID_LENGTH),
        "apart": "",
        "kind": _KINDS.get(event.kind, "job"),
        "fun": cells.clip(event.fun, NAME_LENGTH),
        "arg": cells.value(arg),
        "tgt": cells.string(job.tgt),
        "tgt_type": cells.short(job.tgt_type, 32),
        "user": cells.short(job.user, NAME_LENGTH),
        "minions": cells.value(minions),
        "minion_count": length_of(minions),
        "stamp": cells.time(event.stamp),
        "master_id": node_id,
        "load": None,
        "syndics": _under_syndic(cells, event.syndic, minions),
    }
    row["load"] = cells.value(event.json() if load else remainder.of_job(event, row, arg, minions))
    return row


def begun_job(cells: Cells, kind: str, row: Row, user: Any) -> Row:
    """
    Return the row of a job that no master has published, made of its return.

    :param cells: makes cells.
    :param kind: from :func:`kind_of_begun`.
    :param row: of the return.
    :param user: whom the return names.
    """
    minion_id = row["minion_id"]
    return {
        "jid": row["jid"],
        "apart": "",
        "kind": kind,
        "fun": row["fun"],
        "arg": row["fun_args"],
        "tgt": minion_id,
        "tgt_type": "glob",
        "user": cells.short(user, NAME_LENGTH),
        "minions": cells.value(msgspec.json.encode([minion_id])),
        "minion_count": 1,
        "stamp": row["stamp"],
        "master_id": row["master_id"],
        "load": row["load"],
        "syndics": None,
    }


def kind_of_begun(event: Event, schedule: Any, tgt: Any, tgt_type: Any) -> str:
    """
    Return the kind of a job that began on its minion, by salt-call or a schedule, and "" of any other.

    Such a return comes without a job id, and the master that gives it one says whom it is for: the minion itself. A
    schedule with a returner has an id of its own. Neither is ever told by the master's ``new``.

    :param event: the return.
    :param schedule: the name of the schedule that the return says it is of.
    :param tgt: the target that the return names.
    :param tgt_type: of the target.
    """
    if event.kind != "job" or event.jid in NO_JID:
        return ""
    if isinstance(schedule, str) and schedule:
        return "schedule"
    return "call" if tgt_type == "glob" and named(str(tgt)) == event.minion_id else ""


def _as_kept(minions: bytes) -> bytes:
    """Return the names of a job's minions as those of their returns are kept: without blanks at their ends."""
    if b' "' not in minions:
        return minions
    names = msgspec.json.decode(minions)
    if not isinstance(names, list):
        return minions
    return msgspec.json.encode([named(one) if isinstance(one, str) else one for one in names])


def _under_syndic(cells: Cells, syndic: str, minions: bytes) -> Any:
    """What a syndic says of the minions below it, by the names of the syndics up to it; see :mod:`merging`."""
    if not syndic:
        return None
    return cells.value(b"{%s:%s}" % (msgspec.json.encode(syndic), minions or b"null"))
