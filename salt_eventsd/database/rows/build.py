"""
Turn events into rows of the built-in tables. Pure: no database in here.

Values of JSON columns are JSON text already. A return's value is never decoded unless it holds state results; it goes
from the bus to the database as one piece of text.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from salt_eventsd.database.dialects import Dialect
from salt_eventsd.database.dialects.base.runs import Runs, Values
from salt_eventsd.database.rows import remainder
from salt_eventsd.database.rows.alike import Alike, decoded
from salt_eventsd.database.rows.cells import Cells, Row, milliseconds, narrow
from salt_eventsd.database.rows.digest import NO_JID, of_event, of_return
from salt_eventsd.database.rows.jobs import begun_job, kind_of_begun, told_job
from salt_eventsd.database.rows.longest import mark_longest
from salt_eventsd.database.rows.returned import COLUMNS, Usual, values_in
from salt_eventsd.database.rows.seen import seen_in, sighting_in
from salt_eventsd.database.rows.states import STATE_MARK, counts_of, states_of
from salt_eventsd.database.rows.usual_return import Shapes
from salt_eventsd.database.rows.usual_run import UsualRun, usual_run
from salt_eventsd.database.schema import JID_LENGTH, NAME_LENGTH
from salt_eventsd.event import outcome
from salt_eventsd.event.dry_run import is_test
from salt_eventsd.event.parse import Event

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


class Rows(NamedTuple):
    """
    The rows of an event.

    :param others: each with the table it belongs into ("jobs", "states", ...).
    :param run: those of a usual run of states.
    :param returned: that of a return, the values of its columns.
    """

    others: list[tuple[str, Row]]
    run: UsualRun | None = None
    returned: Values | None = None


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
        self._alike = Alike(cells)
        self._usual = Shapes(cells, load, dialect.inserts.takes_lines)

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
        usual = self.usual(event)
        others, run, returned = Rows([], None, usual.values) if usual else self.without_sighting(event)
        rows: list[tuple[str, Row]] = []
        if returned:
            rows.append(("returns", dict(zip(COLUMNS, returned, strict=True))))
        rows += others
        if run:
            rows += [("states", row) for row in Runs([run], [])]
        if returned and event.minion_id:
            rows.append(("minions", seen_in(sighting_in(returned))))
        return rows

    def usual(self, event: Event) -> Usual | None:
        """
        Return the row of a usual return; it has no others but what it says of its minion. None if it is not usual.

        :param event: any event.
        """
        return self.usual_rows()(event)

    def usual_rows(self) -> Callable[[Event], Usual | None]:
        """Return what does so for many events in one thread, at less cost for each."""
        return self._usual.rows(self._node_id)

    def without_sighting(self, event: Event) -> Rows:
        """
        Return the rows of an event that is not usual, but for what a return says of its minion: :func:`.seen_in` makes
        that of its row.

        :param event: from the spool.
        """
        if event.into == "returns":
            return self._returned(event)
        if event.into == "jobs" and event.jid not in NO_JID:
            return Rows([("jobs", told_job(self._cells, event, self._node_id, self._load))])
        if event.into == "states":
            others, run, _ = self._returned(event)
            return Rows([row for row in others if row[0] == "states"], run)
        if event.into == "minions" and event.minion_id:
            return Rows([("minions", self._minion(event))])
        # What has no table of its own comes here, a job without a jid among it.
        rows = self.as_event(event)
        if event.minion_id and event.tag.startswith("salt/minion/"):
            rows.append(("minions", self._minion(event)))
        return Rows(rows)

    def as_event(self, event: Event) -> list[tuple[str, Row]]:
        """Return the row of an event in the table for events of any kind."""
        return [("events", self._event(event))]

    def _returned(self, event: Event) -> Rows:
        body, returned = event.body, event.returned
        ret = _AS_RETURN(body) if body.startswith(b"{") else _Return()
        text = bytes(ret.fun_args) or bytes(ret.arg)
        parts: list[outcome.Part] = []
        several = isinstance(ret.fun, (list, tuple))
        run = None
        tells_nothing = False
        if not several and STATE_MARK in returned:
            run = usual_run(self._cells, event, is_test(event.fun, decoded(text)), self._node_id)
        if run:
            common = self._alike.told(event, text, run.outcome(ret.retcode, ret.success))
        elif several or _tells(event):
            # Only then is what was returned decoded.
            parts = outcome.parts_of(ret.fun if several else event.fun, decoded(text), decoded(returned))
            common = self._alike.told(event, text, outcome.read(parts, ret.retcode, ret.success, event.kind == "run"))
        else:
            tells_nothing = True
            common = self._alike.of(event, text, ret.retcode, ret.success)
        digest = common.digest
        row: Row = {
            "jid": common.jid,
            "minion_id": self._key(event.minion_id or self._node_id, NAME_LENGTH),
            "fun": common.fun,
            "fun_args": common.fun_args,
            "retcode": common.retcode if self._wide_codes or common.retcode is None else narrow(common.retcode),
            "success": common.success,
            "test": common.test,
            "return": self._value(returned, is_left=run is not None),
            "duration_ms": None if ret.duration is None else milliseconds(ret.duration),
            "stamp": self._time(event.stamp),
            "received": self._time(event.received),
            "master_id": self._node_id,
            "load": None,
            "digest": digest.of(returned) if digest and returned else of_return(event, common.retcode),
            "states": None,
            "states_changed": None,
            "states_failed": None,
        }
        rows: list[tuple[str, Row]] = []
        states = states_of(self._cells, event, parts, self._node_id) if parts else []
        if states:
            # The duration of a return that has some is that of all its states.
            durations = [one["duration_ms"] for _, one in states if one["duration_ms"] is not None]
            if durations:
                row["duration_ms"] = milliseconds(sum(durations))
            rows += [one for one in states if self._is_kept(one[1])]
            mark_longest(state for _, state in rows)
        if run:
            if (duration := run.duration()) is not None:
                row["duration_ms"] = duration
            if common.may_count:
                row.update(run.counts(common.fun))
            run = self._kept_of(run)
        elif common.may_count:
            row.update(counts_of(common.fun, parts, [one for _, one in states]))
        left = body if self._load else remainder.of_return(event, row, text)
        row["load"] = self._value(left)
        may_be_begun = ret.schedule or ret.tgt_type
        if may_be_begun and event.minion_id and (kind := kind_of_begun(event, ret.schedule, ret.tgt, ret.tgt_type)):
            rows.append(("jobs", begun_job(self._cells, kind, row, ret.user)))
        elif tells_nothing and not may_be_begun:
            self._usual.learn(event, row, digest, left)
        return Rows(rows, run, values_in(row))

    def _is_kept(self, state: Row) -> bool:
        """Say whether a state's result gets a row. A dry run shows what would have changed, and that is no success."""
        if self._states == "changed_or_failed":
            return bool(state["changed"]) or state["result"] is not True
        return self._states == "all"

    def _kept_of(self, run: UsualRun) -> UsualRun | None:
        if self._states == "changed_or_failed":
            run = run.changed_or_failed()
            return run if run.values else None
        return run if self._states == "all" else None

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
        minion_id, jid = self._key(event.minion_id, NAME_LENGTH), self._key(event.jid, JID_LENGTH)
        fun = self._clip(event.fun, NAME_LENGTH)
        return seen_in((minion_id, self._time(event.stamp), jid, fun, self._node_id))


def _tells(event: Event) -> bool:
    """Whether what was returned may tell of states, of why there are none, or a runner's code."""
    returned = event.returned
    if STATE_MARK in returned or (event.kind == "run" and _RETCODE in returned):
        return True
    return "state." in event.fun and returned.startswith(b'["')
