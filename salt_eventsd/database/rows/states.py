"""
Rows of the table of states: one for each result of a state in a return. Pure: no database in here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from salt_eventsd.database.rows.cells import LARGEST, SMALLEST, Cells, Row, milliseconds
from salt_eventsd.database.schema import JID_LENGTH, NAME_LENGTH, RUN_BY_SSH, STATE_RUNS
from salt_eventsd.event import outcome
from salt_eventsd.event.parse import Event

#: A return without it tells of no states.
STATE_MARK = outcome.STATE_SEPARATOR.encode()
_AS_JSON = msgspec.json.Encoder().encode
_COUNTED = (*STATE_RUNS, RUN_BY_SSH)
#: The counts of a return that does not tell how a minion is.
NO_RUN: Row = {"states": None, "states_changed": None, "states_failed": None}


def counts_of(fun: str, parts: list[outcome.Part], states: list[Row]) -> Row:
    """
    Return how many states a return tells of, how many of them changed something, and how many failed; of several
    functions, only what those tell that apply the states a minion is to have.

    :param fun: the function; several with commas.
    :param parts: its functions, and what each has returned, if that is known.
    :param states: the rows of its states.
    """
    if not any(one in _COUNTED for one in fun.split(",")):
        return NO_RUN
    told = [row for row in states if row["fun"] in _COUNTED and not row["test"]]
    failed = sum(row["result"] is False for row in told)
    if "," in fun or fun == RUN_BY_SSH:
        # What cannot be rendered has no states. The success of the return is that of all its functions.
        failed += sum(part.fun in _COUNTED and isinstance(part.value, (list, tuple)) for part in parts)
    return {"states": len(told), "states_changed": sum(row["changed"] for row in told), "states_failed": failed}


def states_of(cells: Cells, event: Event, parts: list[outcome.Part], node_id: str) -> list[tuple[str, Row]]:
    """
    Return the rows of the states that a return tells of, each with the name of their table.

    :param cells: makes cells.
    :param event: the return.
    :param parts: its functions, and what each has returned.
    :param node_id: the master's (or minion's) id, for a return without one.
    """
    rows: list[tuple[str, Row]] = []
    if STATE_MARK not in event.returned:
        return rows
    used: dict[str, Numbers] = {}
    jid, stamp = cells.key(event.jid, JID_LENGTH), cells.time(event.stamp)
    for part in parts:
        if not isinstance(part.value, dict):
            continue
        fun = cells.clip(part.fun, NAME_LENGTH)
        for minion_id, results in outcome.runs_of(part.value, event.minion_id or node_id, _is_orchestration(event)):
            minion_id = cells.key(minion_id, NAME_LENGTH)
            numbers = used.setdefault(minion_id, Numbers())
            numbers.next_run()
            for tag, result in outcome.states_of(results):
                row = _state(cells, numbers.of(result.get("__run_num__")), tag, result)
                is_test = bool(part.test) or (row["result"] is None and "result" in result)
                row["jid"], row["minion_id"], row["stamp"] = jid, minion_id, stamp
                row["fun"], row["test"] = fun, is_test
                row["changed"] = row["changed"] and not is_test
                rows.append(("states", row))
    return rows


def _state(cells: Cells, number: int, tag: str, result: Mapping[str, Any]) -> Row:
    parts = tag.split(outcome.STATE_SEPARATOR)
    changes = result.get("changes")
    done = result.get("result")
    name = result.get("name")
    return {
        "run_num": number,
        "sls": cells.text(str(result.get("__sls__") or "")),
        "state_id": cells.text(str(result.get("__id__") or parts[1])),
        "state": cells.clip(f"{parts[0]}.{parts[-1]}", NAME_LENGTH),
        "name": cells.text(name if isinstance(name, str) else outcome.STATE_SEPARATOR.join(parts[2:-1])),
        "result": done if isinstance(done, bool) else None,
        "changed": bool(changes),
        "duration_ms": milliseconds(result.get("duration")),
        "comment": cells.text(_joined(result.get("comment"))),
        "changes": cells.value(b"{}" if changes is None or changes == {} else _AS_JSON(changes)),
    }


class Numbers:
    """
    Gives numbers to results of states, each number once; a further run of the same minion goes on where the last ended.
    """

    def __init__(self) -> None:
        self._given: set[int] = set()
        self._highest = -1
        self._first = 0
        self._place = -1
        self._free = 0

    def next_run(self) -> None:
        """Begin with the results of a further run."""
        self._first = self._highest + 1
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
        if number is None or number > LARGEST or number in self._given:
            self._free = max(self._free, self._place + self._first if self._first < LARGEST // 2 else self._place)
            while self._free in self._given:
                self._free += 1
            number = self._free
        self._given.add(number)
        self._highest = max(self._highest, number)
        return number


def _is_orchestration(event: Event) -> bool:
    """Other runners return what minions made up (``salt.execute``) or what is known already (``jobs.lookup_jid``)."""
    return event.kind == "run" and event.fun.startswith("runner.state.")


def _joined(comment: Any) -> str:
    if isinstance(comment, list):
        return "\n".join(map(str, comment))
    return comment if isinstance(comment, str) else "" if comment is None else str(comment)


def _whole(value: Any) -> int | None:
    fits = isinstance(value, int) and not isinstance(value, bool) and SMALLEST <= value <= LARGEST
    return value if fits else None
