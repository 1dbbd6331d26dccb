"""
Turn events into rows of the built-in tables. Pure: no database in here.

Values of JSON columns are JSON text already. A return's value is never decoded unless it holds state results; it goes
from the bus to the database as one piece of text.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import msgspec

from salt_eventsd.database.dialects import Dialect
from salt_eventsd.database.schema import JID_LENGTH, NAME_LENGTH
from salt_eventsd.event import Event

Row = dict[str, Any]

_KINDS = {"job": "job", "run": "runner", "wheel": "wheel"}
#: Jids that name no job: Salt's place holders, which any number of returns share.
_NO_JID = frozenset(("", "req", "nocache"))
#: Fields that differ between copies of one event: each master stamps its own.
_VOLATILE = frozenset(("_stamp", "__peer_id"))
_STATE_MARK = b"_|-"
_STATE_SEPARATOR = "_|-"
#: How much of a value is kept that is too large for the database, in bytes.
_TRUNCATED_HEAD = 65_536
_SMALLEST, _LARGEST = -(2**31), 2**31 - 1


class RowBuilder:
    """
    Builds rows for one database.

    :param node_id: the master's (or minion's) id, kept with each row.
    :param dialect: how this database wants text and JSON.
    :param largest: how many bytes a value may have, None for any.
    """

    def __init__(self, node_id: str, dialect: Dialect, largest: int | None = None) -> None:
        self._node_id = node_id
        self._json = dialect.json
        self._text = dialect.text
        self._largest = largest

    def rows(self, event: Event) -> Iterator[tuple[str, Row]]:
        """
        Yield the rows of an event, each with the table it belongs into ("jobs", "returns", ...).

        :param event: from the spool.
        """
        fields = event.fields()
        if event.into == "jobs" and event.jid not in _NO_JID:
            yield "jobs", self._job(event, fields)
        elif event.into == "returns":
            yield from self._returned(event, fields)
        elif event.into == "states":
            yield from self._states(event, fields, _truth(fields.get("test")))
        elif event.into == "minions" and event.minion_id:
            yield "minions", self._minion(event)
        else:
            # The place for everything that has no table of its own, a job without a jid among them.
            yield "events", self._event(event)
            if event.minion_id and event.tag.startswith("salt/minion/"):
                yield "minions", self._minion(event)

    def _job(self, event: Event, fields: dict[str, msgspec.Raw]) -> Row:
        minions = fields.get("minions")
        return {
            "jid": self._clip(event.jid, JID_LENGTH),
            "kind": _KINDS.get(event.kind, "job"),
            "fun": self._clip(event.fun, NAME_LENGTH),
            "arg": self._value(fields.get("arg") or fields.get("fun_args")),
            "tgt": self._string(fields.get("tgt")),
            "tgt_type": self._short(fields.get("tgt_type"), 32),
            "user": self._short(fields.get("user"), NAME_LENGTH),
            "minions": self._value(minions),
            "minion_count": _length(minions),
            "stamp": _time(event.stamp),
            "master_id": self._node_id,
            "load": self._value(event.body),
        }

    def _returned(self, event: Event, fields: dict[str, msgspec.Raw]) -> Iterator[tuple[str, Row]]:
        returned = fields.get("return")
        args = fields.get("fun_args") or fields.get("arg")
        retcode = _whole(fields.get("retcode"))
        success = _truth(fields.get("success"))
        test = _is_test(args)
        states = list(self._states(event, fields, test))
        durations = [row["duration_ms"] for _, row in states if row["duration_ms"] is not None]
        yield (
            "returns",
            {
                "jid": self._clip(event.jid, JID_LENGTH),
                "minion_id": self._clip(event.minion_id or self._node_id, NAME_LENGTH),
                "fun": self._clip(event.fun, NAME_LENGTH),
                "fun_args": self._value(args),
                "retcode": retcode,
                # Salt says success where the function ran through; what it returned may still be a failure.
                "success": success if not retcode or success is None else False,
                "test": test,
                "return": self._value(returned),
                "duration_ms": sum(durations) if durations else _number(fields.get("duration")),
                "stamp": _time(event.stamp),
                "received": _time(event.received),
                "master_id": self._node_id,
                "load": self._value(_without(fields, "return") if fields else event.body),
                "digest": _digest(event, fields, returned),
            },
        )
        yield from states
        if event.minion_id:
            yield "minions", self._minion(event)

    def _states(self, event: Event, fields: dict[str, msgspec.Raw], test: bool | None) -> Iterator[tuple[str, Row]]:
        raw = fields.get("return")
        if raw is None or _STATE_MARK not in bytes(raw):
            return
        returned = msgspec.json.decode(raw)
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
                number = result.get("__run_num__")
                if not isinstance(number, int) or number in numbers:
                    number = next(free for free in range(position, 2**31) if free not in numbers)
                numbers.add(number)
                yield "states", self._state(event, minion_id, number, tag, result)

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
            "stamp": _time(event.stamp),
        }

    def _event(self, event: Event) -> Row:
        return {
            "tag": self._text(event.tag),
            "data": self._value(event.body),
            "stamp": _time(event.stamp),
            "received": _time(event.received),
            "master_id": self._node_id,
            "digest": _hash(event.tag.encode(), _without(event.fields(), *_VOLATILE) or event.body),
        }

    def _minion(self, event: Event) -> Row:
        seen = _time(event.stamp)
        return {
            "minion_id": self._clip(event.minion_id, NAME_LENGTH),
            "first_seen": seen,
            "last_seen": seen,
            "last_jid": self._clip(event.jid, JID_LENGTH) or None,
            "last_fun": self._clip(event.fun, NAME_LENGTH) or None,
            "master_id": self._node_id,
        }

    def _value(self, raw: Any) -> str | None:
        """JSON text for a JSON column; what is too large for the database says so and keeps its beginning."""
        if raw is None:
            return None
        text = bytes(raw)
        if self._largest is not None and len(text) > self._largest:
            text = msgspec.json.encode(
                {
                    "eventsd_truncated": True,
                    "bytes": len(text),
                    "beginning": text[:_TRUNCATED_HEAD].decode("utf-8", "ignore"),
                }
            )
        return self._json(text)

    def _string(self, raw: Any) -> str | None:
        """Text for a text column: a JSON string's own, the JSON text of anything else."""
        if raw is None:
            return None
        text = bytes(raw)
        return self._text(msgspec.json.decode(text) if text.startswith(b'"') else text.decode())

    def _short(self, raw: Any, length: int) -> str | None:
        text = self._string(raw)
        return None if text is None or text == "null" else text[:length]

    def _clip(self, text: str, length: int) -> str:
        """Odd ids are kept as far as they fit; the load has them whole."""
        return self._text(text[:length])


def _digest(event: Event, fields: dict[str, msgspec.Raw], returned: Any) -> int:
    """Tell a copy of a return (another master's, a syndic's, a minion's second try) from another return of the job."""
    what = bytes(returned) if returned is not None else _without(fields, *_VOLATILE) or event.body
    return _hash(repr(event.stamp).encode() if event.jid in _NO_JID else b"", what)


def _hash(*parts: bytes) -> int:
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        digest.update(part)
    return int.from_bytes(digest.digest(), "big", signed=True)


def _without(fields: dict[str, msgspec.Raw], *names: str) -> bytes:
    if not fields:
        return b""
    return msgspec.json.encode({key: value for key, value in fields.items() if key not in names})


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)


def _decoded(raw: Any) -> Any:
    return None if raw is None else msgspec.json.decode(raw)


def _truth(raw: Any) -> bool | None:
    value = _decoded(raw)
    return value if isinstance(value, bool) else None


def _whole(raw: Any) -> int | None:
    value = _decoded(raw)
    return value if isinstance(value, int) and not isinstance(value, bool) and _SMALLEST <= value <= _LARGEST else None


def _number(raw: Any) -> float | None:
    return _milliseconds(_decoded(raw))


def _length(raw: Any) -> int | None:
    value = _decoded(raw)
    return len(value) if isinstance(value, list) else None


def _milliseconds(value: Any) -> float | None:
    """Older Salt writes ``12.3 ms``."""
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


def _is_test(raw: Any) -> bool | None:
    """Whether the function was called with ``test=True``; None if the return does not tell how it was called."""
    args = _decoded(raw)
    if not isinstance(args, list):
        return None
    return any(
        str(arg.get("test", "")).lower() == "true"
        if isinstance(arg, dict)
        else isinstance(arg, str) and arg.replace(" ", "").lower() == "test=true"
        for arg in args
    )
