"""
Turn events into rows of the built-in tables. Pure: no database in here.

Values of JSON columns are JSON text already. A return's value is never decoded unless it holds state results; it goes
from the bus to the database as one piece of text.
"""

from __future__ import annotations

import copy
from typing import Any

import msgspec

from salt_eventsd.database.dialects import Dialect
from salt_eventsd.database.rows import remainder
from salt_eventsd.database.rows.cells import Cells, Row, milliseconds, narrow
from salt_eventsd.database.rows.digest import NO_JID, of_event, of_return
from salt_eventsd.database.rows.jobs import begun_job, kind_of_begun, told_job
from salt_eventsd.database.rows.states import NO_RUN, STATE_MARK, counts_of, states_of
from salt_eventsd.database.schema import JID_LENGTH, NAME_LENGTH
from salt_eventsd.event import outcome
from salt_eventsd.event.parse import Event

#: Longer arguments of a function are not kept until the next return of its job, in bytes.
_LONGEST_LATEST = 16 * 2**10
#: What a runner's code stands under in what it returned.
_RETCODE = b'"retcode"'


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


_AS_RETURN = msgspec.json.Decoder(_Return).decode


class RowBuilder:
    """
    Builds rows for one database.

    :param node_id: the master's (or minion's) id, kept with each row.
    :param dialect: how this database wants text and JSON.
    :param largest: how many bytes a value may have, None for any.
    :param truncate: keep the beginning of a larger value, rather than refuse its event.
    :param wide_codes: the column of return codes has 64 bits, and not 32 as in the tables of an old release.
    :param states: which results of states get a row: "all", "changed_or_failed" or "none".
    :param load: keep the whole of an event beside its columns; else only what no column has.
    """

    def __init__(
        self,
        node_id: str,
        dialect: Dialect,
        largest: int | None = None,
        truncate: bool = True,
        wide_codes: bool = True,
        states: str = "all",
        load: bool = True,
    ) -> None:
        self._node_id = node_id
        self._cells = cells = Cells(dialect, largest, truncate)
        self._text, self._time, self._value = cells.text, cells.time, cells.value
        self._key, self._clip = cells.key, cells.clip
        self._wide_codes = wide_codes
        self._states = states
        self._load = load
        self._latest_job: tuple[Any, tuple[str, str, Any]] = (None, ("", "", None))
        self._latest_outcome: tuple[Any, outcome.Outcome] = (None, outcome.Outcome(None, None, None))

    def of(self, node_id: str) -> RowBuilder:
        """
        Return the same for the events of another master.

        :param node_id: its id.
        """
        if node_id == self._node_id:
            return self
        other = copy.copy(self)
        other._node_id = node_id
        return other

    def rows(self, event: Event) -> list[tuple[str, Row]]:
        """
        Return the rows of an event, each with the table it belongs into ("jobs", "returns", ...).

        :param event: from the spool.
        """
        if event.into == "returns":
            return self._returned(event)
        if event.into == "jobs" and event.jid not in NO_JID:
            return [("jobs", told_job(self._cells, event, self._node_id, self._load))]
        if event.into == "states":
            return [row for row in self._returned(event) if row[0] == "states"]
        if event.into == "minions" and event.minion_id:
            return [("minions", self._minion(event))]
        # What has no table of its own comes here, a job without a jid among it.
        rows = self.as_event(event)
        if event.minion_id and event.tag.startswith("salt/minion/"):
            rows.append(("minions", self._minion(event)))
        return rows

    def as_event(self, event: Event) -> list[tuple[str, Row]]:
        """Return the row of an event in the table for events of any kind."""
        return [("events", self._event(event))]

    def _returned(self, event: Event) -> list[tuple[str, Row]]:
        ret = _AS_RETURN(event.body) if event.body.startswith(b"{") else _Return()
        text = bytes(ret.fun_args) or bytes(ret.arg)
        (retcode, success, is_test), parts = self._outcome(event, ret, text)
        states = states_of(self._cells, event, parts, self._node_id) if parts else []
        durations = [row["duration_ms"] for _, row in states if row["duration_ms"] is not None] if states else []
        seen = self._time(event.stamp)
        jid, fun, args = self._of_job(event, text)
        minion_id = self._key(event.minion_id or self._node_id, NAME_LENGTH)
        row = {
            "jid": jid,
            "minion_id": minion_id,
            "fun": fun,
            "fun_args": args,
            "retcode": retcode if retcode is None or self._wide_codes else narrow(retcode),
            "success": success,
            "test": is_test,
            "return": self._value(event.returned),
            "duration_ms": milliseconds(sum(durations)) if durations else milliseconds(ret.duration),
            "stamp": seen,
            "received": self._time(event.received),
            "master_id": self._node_id,
            "load": None,
            "digest": of_return(event, retcode),
            **(NO_RUN if is_test or "state." not in fun else counts_of(fun, parts, [one for _, one in states])),
        }
        row["load"] = self._value(event.body if self._load else remainder.of_return(event, row, text))
        # The duration above is that of all states.
        rows = [("returns", row)]
        if states:
            rows += [one for one in states if self._is_kept(one[1])]
        if event.minion_id:
            rows.append(("minions", self._seen(minion_id, seen, jid, fun)))
            if (ret.schedule or ret.tgt_type) and (kind := kind_of_begun(event, ret.schedule, ret.tgt, ret.tgt_type)):
                rows.append(("jobs", begun_job(self._cells, kind, row, ret.user)))
        return rows

    def _is_kept(self, state: Row) -> bool:
        """Say whether a state's result gets a row. A dry run shows what would have changed, and that is no success."""
        if self._states == "changed_or_failed":
            return bool(state["changed"]) or state["result"] is not True
        return self._states == "all"

    def _of_job(self, event: Event, arguments: bytes) -> tuple[str, str, Any]:
        """Return what the returns of a job have in common, which come one by one: jid, function and arguments."""
        told = (event.jid, event.fun, arguments)
        # Another thread may change it in between.
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
        # Another thread may change it in between.
        latest = self._latest_outcome
        if latest[0] == told:
            return latest[1], []
        found = outcome.read(outcome.parts_of(event.fun, _decoded(arguments), None), ret.retcode, ret.success)
        if len(arguments) <= _LONGEST_LATEST and _is_short(ret.retcode) and _is_short(ret.success):
            self._latest_outcome = (told, found)
        return found, []

    def _event(self, event: Event) -> Row:
        whole = event.json()
        return {
            "tag": self._text(event.tag),
            "data": self._value(whole),
            "stamp": self._time(event.stamp),
            "received": self._time(event.received),
            "master_id": self._node_id,
            "digest": of_event(event, whole),
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


def _tells(event: Event) -> bool:
    """Whether what was returned may tell of states, of why there are none, or a runner's code."""
    returned = event.returned
    if returned.startswith(b'["') and "state." in event.fun:
        return True
    return STATE_MARK in returned or (event.kind == "run" and _RETCODE in returned)


def _is_short(value: Any) -> bool:
    return value is None or isinstance(value, (bool, int, float))


def _decoded(text: bytes) -> Any:
    return msgspec.json.decode(text) if text else None
