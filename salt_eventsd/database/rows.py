"""
Turn events into rows of the built-in tables. Pure: no database in here.

Values of JSON columns are JSON text already. A return's value is never decoded unless it holds state results; it goes
from the bus to the database as one piece of text.
"""

from __future__ import annotations

from typing import Any

import msgspec

from salt_eventsd.database.dialects import Dialect
from salt_eventsd.database.digest import NO_JID, of_event, of_return
from salt_eventsd.database.schema import JID_LENGTH, NAME_LENGTH
from salt_eventsd.database.values import Values
from salt_eventsd.event import Event

Row = dict[str, Any]

_KINDS = {"job": "job", "run": "runner", "wheel": "wheel"}
_STATE_MARK = b"_|-"
_STATE_SEPARATOR = "_|-"
_SMALLEST, _LARGEST = -(2**31), 2**31 - 1


class _Job(msgspec.Struct, gc=False):
    """What a job's start may hold, values of JSON columns still as JSON text."""

    arg: msgspec.Raw = msgspec.Raw()
    fun_args: msgspec.Raw = msgspec.Raw()
    tgt: Any = None
    tgt_type: Any = None
    user: Any = None
    minions: msgspec.Raw = msgspec.Raw()


class _Return(msgspec.Struct, gc=False):
    """What a job's return may hold, besides what it returns."""

    fun_args: msgspec.Raw = msgspec.Raw()
    arg: msgspec.Raw = msgspec.Raw()
    retcode: Any = None
    success: Any = None
    duration: Any = None


_AS_JOB = msgspec.json.Decoder(_Job).decode
_AS_RETURN = msgspec.json.Decoder(_Return).decode


class RowBuilder:
    """
    Builds rows for one database.

    :param node_id: the master's (or minion's) id, kept with each row.
    :param dialect: how this database wants text and JSON.
    :param largest: how many bytes a value may have, None for any.
    :param truncate: keep the beginning of a larger value, rather than refuse its event.
    """

    def __init__(self, node_id: str, dialect: Dialect, largest: int | None = None, truncate: bool = True) -> None:
        self._node_id = node_id
        self._json = dialect.json
        self._text = dialect.text
        self._time = dialect.time
        self._fit = Values(dialect, largest, truncate).fit_json
        self._latest_arguments: tuple[bytes, Any, bool | None] = (b"", None, None)

    def rows(self, event: Event) -> list[tuple[str, Row]]:
        """
        Return the rows of an event, each with the table it belongs into ("jobs", "returns", ...).

        :param event: from the spool.
        """
        if event.into == "returns":
            return self._returned(event)
        if event.into == "jobs" and event.jid not in NO_JID:
            return [("jobs", self._job(event))]
        if event.into == "states":
            return self._states(event)
        if event.into == "minions" and event.minion_id:
            return [("minions", self._minion(event))]
        # The place for everything that has no table of its own, a job without a jid among them.
        rows = [("events", self._event(event))]
        if event.minion_id and event.tag.startswith("salt/minion/"):
            rows.append(("minions", self._minion(event)))
        return rows

    def _job(self, event: Event) -> Row:
        job = _AS_JOB(event.body) if event.body.startswith(b"{") else _Job()
        return {
            "jid": self._clip(event.jid, JID_LENGTH),
            "kind": _KINDS.get(event.kind, "job"),
            "fun": self._clip(event.fun, NAME_LENGTH),
            "arg": self._value(bytes(job.arg) or bytes(job.fun_args)),
            "tgt": self._string(job.tgt),
            "tgt_type": self._short(job.tgt_type, 32),
            "user": self._short(job.user, NAME_LENGTH),
            "minions": self._value(bytes(job.minions)),
            "minion_count": _length(bytes(job.minions)),
            "stamp": self._time(event.stamp),
            "master_id": self._node_id,
            "load": self._value(event.json()),
        }

    def _returned(self, event: Event) -> list[tuple[str, Row]]:
        ret = _AS_RETURN(event.body) if event.body.startswith(b"{") else _Return()
        args, is_test = self._arguments(bytes(ret.fun_args) or bytes(ret.arg))
        retcode = _whole(ret.retcode)
        success = ret.success if isinstance(ret.success, bool) else None
        states = self._states(event)
        durations = [row["duration_ms"] for _, row in states if row["duration_ms"] is not None]
        seen = self._time(event.stamp)
        jid, fun = self._clip(event.jid, JID_LENGTH), self._clip(event.fun, NAME_LENGTH)
        minion_id = self._clip(event.minion_id or self._node_id, NAME_LENGTH)
        row = {
            "jid": jid,
            "minion_id": minion_id,
            "fun": fun,
            "fun_args": args,
            "retcode": retcode,
            # Salt says success where the function ran through; what it returned may still be a failure.
            "success": False if retcode and success else success,
            "test": is_test,
            "return": self._value(event.returned),
            "duration_ms": _milliseconds(sum(durations)) if durations else _milliseconds(ret.duration),
            "stamp": seen,
            "received": self._time(event.received),
            "master_id": self._node_id,
            "load": self._value(event.body),
            "digest": of_return(event, retcode),
        }
        rows = [("returns", row), *states]
        if event.minion_id:
            rows.append(("minions", self._seen(minion_id, seen, jid, fun)))
        return rows

    def _arguments(self, text: bytes) -> tuple[Any, bool | None]:
        """Return what a function was called with, and whether as a test; the returns of a job come one by one."""
        known = self._latest_arguments
        if known[0] != text:
            known = self._latest_arguments = (text, self._value(text), _is_test(text))
        return known[1:]

    def _states(self, event: Event) -> list[tuple[str, Row]]:
        rows: list[tuple[str, Row]] = []
        if _STATE_MARK not in event.returned:
            return rows
        returned = msgspec.json.decode(event.returned)
        # An orchestration returns the states of a master one level down: {"data": {"<id>": {states}}}.
        runs: Any = returned.get("data") if isinstance(returned, dict) else None
        if not isinstance(runs, dict) or any(_STATE_SEPARATOR in key for key in runs):
            runs = {event.minion_id or self._node_id: returned}
        for minion_id, results in runs.items():
            if not isinstance(results, dict):
                continue
            numbers: set[int] = set()
            for position, (tag, result) in enumerate(results.items()):
                if _STATE_SEPARATOR not in tag or not isinstance(result, dict):
                    continue
                number = _whole(result.get("__run_num__"))
                if number is None or number in numbers:
                    number = next(free for free in range(position, 2**31) if free not in numbers)
                numbers.add(number)
                rows.append(("states", self._state(event, minion_id, number, tag, result)))
        return rows

    def _state(self, event: Event, minion_id: str, number: int, tag: str, result: Row) -> Row:
        parts = tag.split(_STATE_SEPARATOR)
        changes = result.get("changes")
        outcome = result.get("result")
        name = result.get("name")
        return {
            "jid": self._clip(event.jid, JID_LENGTH),
            "minion_id": self._clip(minion_id, NAME_LENGTH),
            "run_num": number,
            "sls": self._text(str(result.get("__sls__") or "")),
            "state_id": self._text(str(result.get("__id__") or parts[1])),
            "state": self._clip(f"{parts[0]}.{parts[-1]}", NAME_LENGTH),
            "name": self._text(name if isinstance(name, str) else _STATE_SEPARATOR.join(parts[2:-1])),
            "result": outcome if isinstance(outcome, bool) else None,
            "changed": bool(changes),
            "duration_ms": _milliseconds(result.get("duration")),
            "comment": self._text(_joined(result.get("comment"))),
            "changes": self._value(msgspec.json.encode(changes if changes is not None else {})),
            "stamp": self._time(event.stamp),
        }

    def _event(self, event: Event) -> Row:
        whole = event.json()
        return {
            "tag": self._text(event.tag),
            "data": self._value(whole),
            "stamp": self._time(event.stamp),
            "received": self._time(event.received),
            "master_id": self._node_id,
            "digest": of_event(event.tag, whole),
        }

    def _minion(self, event: Event) -> Row:
        jid, fun = self._clip(event.jid, JID_LENGTH), self._clip(event.fun, NAME_LENGTH)
        return self._seen(self._clip(event.minion_id, NAME_LENGTH), self._time(event.stamp), jid, fun)

    def _seen(self, minion_id: str, when: str, jid: str, fun: str) -> Row:
        return {
            "minion_id": minion_id,
            "first_seen": when,
            "last_seen": when,
            "last_jid": jid or None,
            "last_fun": fun or None,
            "master_id": self._node_id,
        }

    def _value(self, text: bytes) -> Any:
        """JSON text for a JSON column; what is too large for the database says so and keeps its beginning."""
        if not text or text == b"null":
            return None
        return self._json(self._fit(text))

    def _string(self, value: Any) -> str | None:
        """Text for a text column; what is no text as JSON."""
        if value is None:
            return None
        return self._text(value if isinstance(value, str) else msgspec.json.encode(value).decode())

    def _short(self, value: Any, length: int) -> str | None:
        text = self._string(value)
        return None if text is None else text[:length]

    def _clip(self, text: str, length: int) -> str:
        """Odd ids are kept as far as they fit; the load has them whole."""
        return self._text(text[:length])


def _whole(value: Any) -> int | None:
    fits = isinstance(value, int) and not isinstance(value, bool) and _SMALLEST <= value <= _LARGEST
    return value if fits else None


def _length(text: bytes) -> int | None:
    value = msgspec.json.decode(text) if text else None
    return len(value) if isinstance(value, list) else None


def _milliseconds(value: Any) -> float | None:
    """Older Salt writes ``12.3 ms``."""
    if value is None:
        return None
    if isinstance(value, str):
        value = value.removesuffix("ms").strip()
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if number - number == 0 else None


def _joined(comment: Any) -> str:
    if isinstance(comment, list):
        return "\n".join(map(str, comment))
    return comment if isinstance(comment, str) else "" if comment is None else str(comment)


def _is_test(text: bytes) -> bool | None:
    """Whether the function was called with ``test=True``; None if the return does not tell how it was called."""
    if not text.startswith(b"["):
        return None
    return b"test" in text.lower() and any(
        str(arg.get("test", "")).lower() == "true"
        if isinstance(arg, dict)
        else isinstance(arg, str) and arg.replace(" ", "").lower() == "test=true"
        for arg in msgspec.json.decode(text)
    )
