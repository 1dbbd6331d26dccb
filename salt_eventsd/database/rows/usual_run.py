"""
The rows of a usual run of states, of which nearly all are: each result has all that Salt's minions put into it, of the
usual type. So results are decoded straight into what their rows need, and what they changed stays the text it is.

Anything odd takes the long way, :mod:`.states`. Both come to the same rows, which a test compares. Pure: no database in
here.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar

import msgspec

from salt_eventsd.database.dialects.base.lines import BETWEEN, END, MARK
from salt_eventsd.database.rows.cells import LARGEST, Cells, Row, milliseconds
from salt_eventsd.database.schema import JID_LENGTH, NAME_LENGTH, RUN_BY_SSH, SLOW_MS, STATE_RUNS
from salt_eventsd.database.schema import states as _TABLE
from salt_eventsd.event import outcome
from salt_eventsd.event.parse import Event

_Values = tuple[Any, ...]
_COLUMNS = tuple(column.name for column in _TABLE.columns)
_RESULT, _CHANGED, _DURATION, _TEST = map(_COLUMNS.index, ("result", "changed", "duration_ms", "test"))
#: The mark is the last.
_MARKED = _COLUMNS.index("slow_ms")
#: What is larger takes the long way, in bytes: the lines of all results are made at once.
_LARGEST_BYTES = 2**20
#: How JSON writes any sign that a text may not have in it. An expression finds a few signs in half the time that
#: ``in`` takes for them.
_ESCAPES = re.compile(rb"\\u00")
#: And what stands between values and rows.
_SIGNS = re.compile(rb"\\u001[d-fD-F]")
_NOTHING = (b"{}", b"null")
_NEVER = float("-inf")
_TRUTH = {True: "1", False: "0", None: MARK}


class _Result(msgspec.Struct, gc=False):
    name: str
    changes: msgspec.Raw
    result: bool | None
    comment: str
    run_num: int = msgspec.field(name="__run_num__")
    sls: str | None = msgspec.field(name="__sls__", default=None)
    state_id: str | None = msgspec.field(name="__id__", default=None)
    duration: float | None = None


_RESULTS = msgspec.json.Decoder(dict[str, _Result]).decode


class UsualRun(msgspec.Struct, frozen=True, gc=False):
    """
    The results of a run of states, as the rows of their table.

    :param values: of each row.
    :param test: whether the function was called as a test; None if the return does not say.
    :param did: whether a state has changed something.
    :param may_be_lines: no value has a sign of :mod:`salt_eventsd.database.dialects.base.lines`.
    :cvar columns: the columns of the table.
    :cvar may_be_large: a single row is small beside all of them.
    """

    columns: ClassVar[tuple[str, ...]] = _COLUMNS
    may_be_large: ClassVar[bool] = False
    values: list[_Values]
    test: bool | None
    did: bool
    may_be_lines: bool

    def __len__(self) -> int:
        return len(self.values)

    def outcome(self, retcode: Any, success: Any) -> outcome.Outcome:
        """
        Return the outcome of the return.

        :param retcode: as in the payload.
        :param success: as in the payload.
        """
        return outcome.of_results(self.test, [row[_RESULT] for row in self.values], self.did, retcode, success)

    def counts(self, fun: str) -> Row:
        """
        Return how many states there were, changed something and failed, as :func:`.states.counts_of` does.

        :param fun: the function.
        """
        if fun not in STATE_RUNS and fun != RUN_BY_SSH:
            return {}
        told = [row for row in self.values if not row[_TEST]]
        failed = [row[_RESULT] for row in told].count(False)
        return {"states": len(told), "states_changed": sum([row[_CHANGED] for row in told]), "states_failed": failed}

    def duration(self) -> float | None:
        """Return how long all of them took, in milliseconds; None if none of them says so."""
        known = [row[_DURATION] for row in self.values if row[_DURATION] is not None]
        return milliseconds(sum(known)) if known else None

    def changed_or_failed(self) -> UsualRun:
        """Return those alone that changed something or did not go well."""
        return self.only([row for row in self.values if row[_CHANGED] or row[_RESULT] is not True])

    def only(self, values: list[_Values]) -> UsualRun:
        """
        Return some of them alone.

        :param values: theirs.
        """
        return msgspec.structs.replace(self, values=_marked(values))

    def text(self) -> str | None:
        """See :class:`salt_eventsd.database.dialects.base.runs.Run`."""
        if not self.may_be_lines:
            return None
        jid, minion_id, *_, stamp, _, fun, _ = self.values[0]
        between, null, truth, rows = BETWEEN, MARK, _TRUTH, self.values
        head = f"{jid}{between}{minion_id}{between}"
        tails = {test: f"{between}{stamp}{between}{truth[test]}{between}{fun}{between}" for test in (True, False)}
        ends = {test: f"{tail}{null}{END}" for test, tail in tails.items()}
        return "".join(
            [
                f"{head}{at}{between}{sls}{between}{id_}{between}{state}{between}{name}{between}{truth[result]}"
                f"{between}{truth[changed]}{between}{null if took is None else took}{between}{comment}{between}"
                f"{changes if isinstance(changes, str) else str(changes, 'utf-8')}"
                f"{ends[test] if slow is None else f'{tails[test]}{slow}{END}'}"
                for _, _, at, sls, id_, state, name, result, changed, took, comment, changes, _, test, _, slow in rows
            ]
        )


def usual_run(cells: Cells, event: Event, test: bool | None, node_id: str) -> UsualRun | None:
    """
    Return the results of states that a return of one function tells of; None if anything is odd.

    :param cells: makes cells.
    :param event: the return.
    :param test: whether its function was called as a test; None if it does not say.
    :param node_id: the master's (or minion's) id, for a return without one.
    """
    text = event.returned
    if event.kind == "run" or "," in event.fun or len(text) > _LARGEST_BYTES:
        return None
    # To look through a large text takes long: so it is done once, for all that may not be in it.
    escapes = _ESCAPES.search(text) is not None
    if not cells.leaves(text if escapes else b""):
        return None
    try:
        results = _RESULTS(text)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    numbers = [one.run_num for one in results.values()]
    if len(set(numbers)) < len(numbers) or not 0 <= min(numbers) <= max(numbers) <= LARGEST:
        return None
    jid, minion_id = cells.key(event.jid, JID_LENGTH), cells.key(event.minion_id or node_id, NAME_LENGTH)
    stamp, fun = cells.time(event.stamp), cells.clip(event.fun, NAME_LENGTH)
    between, nothing, did = outcome.STATE_SEPARATOR, cells.value(b"{}"), False
    values: list[_Values] = []
    for tag, one in results.items():
        parts = tag.split(between)
        if len(parts) < 2:
            return None
        done, changes, took = one.result, bytes(one.changes), one.duration
        is_test = bool(test) or done is None
        if changes in _NOTHING:
            changed, cell = False, nothing
        elif changes.startswith(b'{"'):
            changed, cell = True, cells.value(changes, is_left=True)
            did = did or done is not None
        else:
            return None
        values.append(
            (
                jid,
                minion_id,
                one.run_num,
                one.sls or "",
                one.state_id or parts[1],
                f"{parts[0]}.{parts[-1]}"[:NAME_LENGTH],
                one.name,
                done,
                changed and not is_test,
                took,
                one.comment,
                cell,
                stamp,
                is_test,
                fun,
                None if took is None or took < SLOW_MS else took,
            )
        )
    has_signs = escapes and _SIGNS.search(text) is not None
    may_be_lines = not has_signs and not any(sign in f"{jid}{minion_id}{fun}" for sign in (MARK, BETWEEN, END))
    return UsualRun(_marked(values), test, did, may_be_lines)


def _marked(values: list[_Values]) -> list[_Values]:
    """Mark the state that took longest: see :mod:`.longest`."""
    durations = [_NEVER if row[_DURATION] is None else row[_DURATION] for row in values]
    longest = max(durations, default=_NEVER)
    if _NEVER < longest < SLOW_MS:
        place = durations.index(longest)
        values[place] = (*values[place][:_MARKED], longest)
    return values
