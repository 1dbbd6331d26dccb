"""
Turn events into rows of the built-in tables. Pure: no database in here.

Values of JSON columns are JSON text already. A return's value is never decoded unless it holds state results; it goes
from the bus to the database as one piece of text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from salt_eventsd.database.dialects import Dialect
from salt_eventsd.database.digest import NO_JID, of_event, of_name, of_return
from salt_eventsd.database.schema import JID_LENGTH, NAME_LENGTH
from salt_eventsd.database.user_tables.values import Values
from salt_eventsd.event import outcome
from salt_eventsd.event.parse import Event

Row = dict[str, Any]

_KINDS = {"job": "job", "run": "runner", "wheel": "wheel"}
_STATE_SEPARATOR = outcome.STATE_SEPARATOR
_STATE_MARK = _STATE_SEPARATOR.encode()
#: Longer arguments of a function are not kept until the next return of its job, in bytes.
_LONGEST_LATEST = 16 * 2**10
_SMALLEST, _LARGEST = -(2**31), 2**31 - 1
#: What a runner's code stands under in what it returned.
_RETCODE = b'"retcode"'


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
    fun: Any = None
    schedule: Any = None
    user: Any = None
    tgt: Any = None
    tgt_type: Any = None


_AS_JOB = msgspec.json.Decoder(_Job).decode
_AS_RETURN = msgspec.json.Decoder(_Return).decode


class RowBuilder:
    """
    Builds rows for one database.

    :param node_id: the master's (or minion's) id, kept with each row.
    :param dialect: how this database wants text and JSON.
    :param largest: how many bytes a value may have, None for any.
    :param truncate: keep the beginning of a larger value, rather than refuse its event.
    :param wide_codes: the column of return codes has 64 bits, and not 32 as in the tables of an old release.
    """

    def __init__(
        self,
        node_id: str,
        dialect: Dialect,
        largest: int | None = None,
        truncate: bool = True,
        wide_codes: bool = True,
    ) -> None:
        self._node_id = node_id
        self._json = dialect.json
        self._text = dialect.text
        self._time = dialect.time
        self._largest = largest
        self._fit = Values(dialect, largest, truncate).fit_json
        self._wide_codes = wide_codes
        self._latest_job: tuple[Any, tuple[str, str, Any]] = (None, ("", "", None))
        self._latest_outcome: tuple[Any, outcome.Outcome] = (None, outcome.Outcome(None, None, None))

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
            return [row for row in self._returned(event) if row[0] == "states"]
        if event.into == "minions" and event.minion_id:
            return [("minions", self._minion(event))]
        # The place for everything that has no table of its own, a job without a jid among them.
        rows = self.as_event(event)
        if event.minion_id and event.tag.startswith("salt/minion/"):
            rows.append(("minions", self._minion(event)))
        return rows

    def as_event(self, event: Event) -> list[tuple[str, Row]]:
        """Return the row of an event in the table for all kinds of them."""
        return [("events", self._event(event))]

    def _job(self, event: Event) -> Row:
        job = _AS_JOB(event.body) if event.body.startswith(b"{") else _Job()
        return {
            "jid": self._key(event.jid, JID_LENGTH),
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
            "syndics": self._under_syndic(event.syndic, bytes(job.minions)),
        }

    def _under_syndic(self, syndic: str, minions: bytes) -> Any:
        """What a syndic says of the minions below it, by the names of the syndics up to it; see :mod:`merging`."""
        if not syndic:
            return None
        return self._value(b"{%s:%s}" % (msgspec.json.encode(syndic), minions or b"null"))

    def _returned(self, event: Event) -> list[tuple[str, Row]]:
        ret = _AS_RETURN(event.body) if event.body.startswith(b"{") else _Return()
        text = bytes(ret.fun_args) or bytes(ret.arg)
        (retcode, success, is_test), parts = self._outcome(event, ret, text)
        states = self._states(event, parts) if parts else []
        durations = [row["duration_ms"] for _, row in states if row["duration_ms"] is not None] if states else []
        seen = self._time(event.stamp)
        jid, fun, args = self._of_job(event, text)
        minion_id = self._key(event.minion_id or self._node_id, NAME_LENGTH)
        row = {
            "jid": jid,
            "minion_id": minion_id,
            "fun": fun,
            "fun_args": args,
            "retcode": retcode if retcode is None or self._wide_codes else _narrow(retcode),
            "success": success,
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
            if (ret.schedule or ret.tgt_type) and (kind := _begun_by_minion(event, ret)):
                rows.append(("jobs", self._begun(event, kind, ret, row)))
        return rows

    def _begun(self, event: Event, kind: str, ret: _Return, row: Row) -> Row:
        """The job of a return that no master has published."""
        minion_id = row["minion_id"]
        return {
            "jid": row["jid"],
            "kind": kind,
            "fun": row["fun"],
            "arg": row["fun_args"],
            "tgt": minion_id,
            "tgt_type": "glob",
            "user": self._short(ret.user, NAME_LENGTH),
            "minions": self._value(msgspec.json.encode([minion_id])),
            "minion_count": 1,
            "stamp": row["stamp"],
            "master_id": self._node_id,
            "load": row["load"],
            "syndics": None,
        }

    def _of_job(self, event: Event, arguments: bytes) -> tuple[str, str, Any]:
        """Return what the returns of a job have in common, which come one by one: jid, function and arguments."""
        told = (event.jid, event.fun, arguments)
        # Another thread may be at it, too.
        latest = self._latest_job
        if latest[0] == told:
            return latest[1]
        found = self._key(event.jid, JID_LENGTH), self._clip(event.fun, NAME_LENGTH), self._value(arguments)
        if len(arguments) <= _LONGEST_LATEST:
            self._latest_job = (told, found)
        return found

    def _outcome(self, event: Event, ret: _Return, arguments: bytes) -> tuple[outcome.Outcome, list[outcome.Part]]:
        """
        Return the outcome of a return, and its functions where what they returned tells more than that.

        What was returned is decoded only then. The returns of a job come one by one, and mostly tell the same.
        """
        several = isinstance(ret.fun, (list, tuple))
        if several or _tells(event):
            fun = ret.fun if several else event.fun
            parts = outcome.parts_of(fun, _decoded(arguments), _decoded(event.returned))
            return outcome.read(parts, ret.retcode, ret.success, event.kind == "run"), parts
        told = (event.fun, arguments, ret.retcode, ret.success)
        # Another thread may be at it, too.
        latest = self._latest_outcome
        if latest[0] == told:
            return latest[1], []
        found = outcome.read(outcome.parts_of(event.fun, _decoded(arguments), None), ret.retcode, ret.success)
        if len(arguments) <= _LONGEST_LATEST and _is_short(ret.retcode) and _is_short(ret.success):
            self._latest_outcome = (told, found)
        return found, []

    def _states(self, event: Event, parts: list[outcome.Part]) -> list[tuple[str, Row]]:
        rows: list[tuple[str, Row]] = []
        if _STATE_MARK not in event.returned:
            return rows
        used: dict[str, _Numbers] = {}
        for part in parts:
            if not isinstance(part.value, dict):
                continue
            fun = self._clip(part.fun, NAME_LENGTH)
            for minion_id, results in outcome.runs_of(
                part.value, event.minion_id or self._node_id, _is_orchestration(event)
            ):
                minion_id = self._key(minion_id, NAME_LENGTH)
                numbers = used.setdefault(minion_id, _Numbers())
                numbers.next_run()
                for tag, result in outcome.states_of(results):
                    row = self._state(event, minion_id, numbers.of(result.get("__run_num__")), tag, result)
                    row["test"] = bool(part.test) or (row["result"] is None and "result" in result)
                    row["changed"] = row["changed"] and not row["test"]
                    row["fun"] = fun
                    rows.append(("states", row))
        return rows

    def _state(self, event: Event, minion_id: str, number: int, tag: str, result: Mapping[str, Any]) -> Row:
        parts = tag.split(_STATE_SEPARATOR)
        changes = result.get("changes")
        done = result.get("result")
        name = result.get("name")
        return {
            "jid": self._key(event.jid, JID_LENGTH),
            "minion_id": minion_id,
            "run_num": number,
            "sls": self._text(str(result.get("__sls__") or "")),
            "state_id": self._text(str(result.get("__id__") or parts[1])),
            "state": self._clip(f"{parts[0]}.{parts[-1]}", NAME_LENGTH),
            "name": self._text(name if isinstance(name, str) else _STATE_SEPARATOR.join(parts[2:-1])),
            "result": done if isinstance(done, bool) else None,
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
        jid, fun = self._key(event.jid, JID_LENGTH), self._clip(event.fun, NAME_LENGTH)
        return self._seen(self._key(event.minion_id, NAME_LENGTH), self._time(event.stamp), jid, fun)

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
        if self._largest is not None and len(text) > self._largest:
            text = self._fit(text)
        return self._json(text)

    def _string(self, value: Any) -> str | None:
        """Text for a text column; what is no text as JSON."""
        if value is None:
            return None
        return self._text(value if isinstance(value, str) else msgspec.json.encode(value).decode())

    def _short(self, value: Any, length: int) -> str | None:
        text = self._string(value)
        return None if text is None else text[:length]

    def _key(self, text: str, length: int) -> str:
        """What is part of a key: two that are too long do not become one."""
        if len(text) > length:
            text = f"{text[: length - 17]}~{of_name(text)}"
        return self._text(text)

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


class _Numbers:
    """
    Numbers of state results, each given once. Those of a further run of the same minion go on behind those before.
    """

    def __init__(self) -> None:
        self._given: set[int] = set()
        self._first = 0
        self._place = -1
        self._free = 0

    def next_run(self) -> None:
        """Begin with the results of a further run."""
        self._first = max(self._given, default=-1) + 1
        self._place = -1

    def of(self, wanted: Any) -> int:
        """
        Return the number of a result: its own, or else its place, or else the next that is free.

        :param wanted: as it stands in the result.
        """
        self._place += 1
        number = _whole(wanted)
        if number is not None and number >= 0:
            number += self._first
        if number is None or number > _LARGEST or number in self._given:
            self._free = max(self._free, self._place + self._first if self._first < _LARGEST // 2 else self._place)
            while self._free in self._given:
                self._free += 1
            number = self._free
        self._given.add(number)
        return number


def _begun_by_minion(event: Event, ret: _Return) -> str:
    """
    Return the kind of a job that began on its minion, by salt-call or a schedule, and "" of any other.

    Such a return comes without a job id, and the master that gives it one says whom it is for: the minion itself. A
    schedule with a returner has an id of its own. Neither is ever told by the master's ``new``.
    """
    if event.kind != "job" or event.jid in NO_JID:
        return ""
    if isinstance(ret.schedule, str) and ret.schedule:
        return "schedule"
    return "call" if ret.tgt_type == "glob" and ret.tgt == event.minion_id else ""


def _is_orchestration(event: Event) -> bool:
    """Other runners return what minions have made up (``salt.execute``), or have told before (``jobs.lookup_jid``)."""
    return event.kind == "run" and event.fun.startswith("runner.state.")


def _tells(event: Event) -> bool:
    """Whether what was returned may tell of states, of why there are none, or a runner's code."""
    returned = event.returned
    if returned.startswith(b'["') and "state." in event.fun:
        return True
    return _STATE_MARK in returned or (event.kind == "run" and _RETCODE in returned)


def _is_short(value: Any) -> bool:
    return value is None or isinstance(value, (bool, int, float))


def _decoded(text: bytes) -> Any:
    return msgspec.json.decode(text) if text else None


def _narrow(code: int) -> int:
    """A code as 32 bits with a sign, which is how Windows itself shows its own; what has more is the largest."""
    if _LARGEST < code < 2**32:
        return code - 2**32
    return max(_SMALLEST, min(code, _LARGEST))
