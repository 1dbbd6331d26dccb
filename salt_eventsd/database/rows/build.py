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
from salt_eventsd.database.dialects.base.runs import Runs
from salt_eventsd.database.rows import remainder
from salt_eventsd.database.rows.alike import Alike, decoded
from salt_eventsd.database.rows.cells import Cells, Row, milliseconds, narrow
from salt_eventsd.database.rows.digest import NO_JID, of_event, of_return
from salt_eventsd.database.rows.jobs import begun_job, kind_of_begun, told_job
from salt_eventsd.database.rows.states import STATE_MARK, counts_of, states_of
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
        # When the latest event was read, and that as a cell: many are read together.
        self._latest = (0.0, cells.time(0.0))

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
        rows, run = self.without_sighting(event)
        if run:
            rows += [("states", row) for row in Runs([run], [])]
        if event.into == "returns" and event.minion_id:
            rows.append(("minions", seen_in(rows[0][1])))
        return rows

    def without_sighting(self, event: Event) -> tuple[list[tuple[str, Row]], UsualRun | None]:
        """
        Return the rows of an event, and apart from them those of a usual run of states. What a return says of its
        minion is not among them: :func:`seen_in` makes that of its row.

        :param event: from the spool.
        """
        if event.into == "returns":
            return self._returned(event)
        if event.into == "jobs" and event.jid not in NO_JID:
            return [("jobs", told_job(self._cells, event, self._node_id, self._load))], None
        if event.into == "states":
            rows, run = self._returned(event)
            return [row for row in rows if row[0] == "states"], run
        if event.into == "minions" and event.minion_id:
            return [("minions", self._minion(event))], None
        # What has no table of its own comes here, a job without a jid among it.
        rows = self.as_event(event)
        if event.minion_id and event.tag.startswith("salt/minion/"):
            rows.append(("minions", self._minion(event)))
        return rows, None

    def as_event(self, event: Event) -> list[tuple[str, Row]]:
        """Return the row of an event in the table for events of any kind."""
        return [("events", self._event(event))]

    def _returned(self, event: Event) -> tuple[list[tuple[str, Row]], UsualRun | None]:
        body, returned = event.body, event.returned
        ret = _AS_RETURN(body) if body.startswith(b"{") else _Return()
        text = bytes(ret.fun_args) or bytes(ret.arg)
        parts: list[outcome.Part] = []
        several = isinstance(ret.fun, (list, tuple))
        run = None
        if not several and STATE_MARK in returned:
            run = usual_run(self._cells, event, is_test(event.fun, decoded(text)), self._node_id)
        if run:
            common = self._alike.told(event, text, run.outcome(ret.retcode, ret.success))
        elif several or _tells(event):
            # Only then is what was returned decoded.
            parts = outcome.parts_of(ret.fun if several else event.fun, decoded(text), decoded(returned))
            common = self._alike.told(event, text, outcome.read(parts, ret.retcode, ret.success, event.kind == "run"))
        else:
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
            "return": self._value(returned),
            "duration_ms": None if ret.duration is None else milliseconds(ret.duration),
            "stamp": self._time(event.stamp),
            "received": self._received(event.received),
            "master_id": self._node_id,
            "load": None,
            "digest": digest.of(returned) if digest and returned else of_return(event, common.retcode),
            "states": None,
            "states_changed": None,
            "states_failed": None,
        }
        rows = [("returns", row)]
        states = states_of(self._cells, event, parts, self._node_id) if parts else []
        if states:
            # The duration of a return that has some is that of all its states.
            durations = [one["duration_ms"] for _, one in states if one["duration_ms"] is not None]
            if durations:
                row["duration_ms"] = milliseconds(sum(durations))
            rows += [one for one in states if self._is_kept(one[1])]
        if run:
            if (duration := run.duration()) is not None:
                row["duration_ms"] = duration
            if common.may_count:
                row.update(run.counts(common.fun))
            run = self._kept_of(run)
        elif common.may_count:
            row.update(counts_of(common.fun, parts, [one for _, one in states]))
        row["load"] = self._value(body if self._load else remainder.of_return(event, row, text))
        if (ret.schedule or ret.tgt_type) and event.minion_id:
            kind = kind_of_begun(event, ret.schedule, ret.tgt, ret.tgt_type)
            if kind:
                rows.append(("jobs", begun_job(self._cells, kind, row, ret.user)))
        return rows, run

    def _received(self, seconds: float) -> str:
        # Another thread may change it in between.
        latest = self._latest
        if latest[0] != seconds:
            latest = self._latest = (seconds, self._time(seconds))
        return latest[1]

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
        return seen_in(
            {
                "minion_id": self._key(event.minion_id, NAME_LENGTH),
                "stamp": self._time(event.stamp),
                "jid": self._key(event.jid, JID_LENGTH),
                "fun": self._clip(event.fun, NAME_LENGTH),
                "master_id": self._node_id,
            }
        )


def seen_in(row: Row) -> Row:
    """
    Return the row of the minion that a return shows to be there.

    :param row: the return's.
    """
    return {
        "minion_id": row["minion_id"],
        "first_seen": row["stamp"],
        "last_seen": row["stamp"],
        "last_jid": row["jid"] or None,
        "last_fun": row["fun"] or None,
        "master_id": row["master_id"],
    }


def _tells(event: Event) -> bool:
    """Whether what was returned may tell of states, of why there are none, or a runner's code."""
    returned = event.returned
    if STATE_MARK in returned or (event.kind == "run" and _RETCODE in returned):
        return True
    return "state." in event.fun and returned.startswith(b'["')
