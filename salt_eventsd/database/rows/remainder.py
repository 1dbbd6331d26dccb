"""
What an event says besides what stands in columns, for a worker with ``load: false``. Pure: no database in here.

A field is left out only if its column has the very same value. So nothing is lost: a value that was clipped, or has a
form that its column cannot have, such as the names of several functions, remains.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from salt_eventsd.event.parse import Event

_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_EMPTY = (b"", b"null", b"[]", b"{}")
#: What each return of a minion says.
_OF_RETURNS = {"cmd": "_return"}


def of_job(event: Event, row: Mapping[str, Any], arg: bytes, minions: bytes) -> bytes:
    """
    Return what a job's start says besides its columns, as JSON text; b"" if that is nothing.

    :param event: the job's start.
    :param row: of the table of jobs.
    :param arg: what was made its column of arguments, as JSON text.
    :param minions: what was made its column of minions, as JSON text.
    """
    told = {name: row[name] for name in ("jid", "fun", "tgt", "tgt_type", "user")}
    lists = {"arg": arg if arg.startswith(b"[") else b"", "minions": minions}
    if event.kind != "job":
        lists["fun_args"] = arg
    return _remainder(event, told, lists, ("missing",))


def of_return(event: Event, row: Mapping[str, Any], arguments: bytes) -> bytes:
    """
    Return what a return says besides its columns, as JSON text; b"" if that is nothing.

    :param event: the return.
    :param row: of the table of returns.
    :param arguments: what was made its column of arguments, as JSON text.
    """
    told = {**_OF_RETURNS, **{name: row[name] for name in ("jid", "fun", "retcode", "success")}}
    if is_of_minion(event.fun):
        told["id"] = row["minion_id"]
    return _remainder(event, told, {"fun_args": arguments}, ())


def is_of_minion(fun: str) -> bool:
    """
    Say whether a function cannot be a runner's. Where it can, the return itself says whose it is, by its ``id``.

    :param fun: the function.
    """
    return not fun.startswith(("runner.", "wheel."))


def _remainder(event: Event, told: Mapping[str, Any], lists: Mapping[str, bytes], idle: tuple[str, ...]) -> bytes:
    if not event.body.startswith(b"{"):
        return event.body
    left = {}
    for name, raw in _FIELDS(event.body).items():
        text = bytes(raw)
        if name in told and told[name] is not None and text == msgspec.json.encode(told[name]):
            continue
        if (name in lists and text == lists[name]) or (name in idle and text in _EMPTY):
            continue
        # A runner's return shows its time among what it returned, in the form of its release.
        if name == "_stamp" and event.stamp != event.received and (event.kind == "job" or event.phase == "new"):
            continue
        left[name] = raw
    return msgspec.json.encode(left) if left else b""
