"""
The row of a usual return, as nearly all are: its payload is that of an earlier one but for the minion, the job and the
time. So it need not be decoded, and what follows from all else is taken over.

Any other event takes the long way, :meth:`.RowBuilder.without_sighting`. Both come to the same rows, which a test
compares. Pure: no database in here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, ClassVar

import msgspec

from salt_eventsd.common.chances import Chances
from salt_eventsd.database.rows.cells import Cells, Row
from salt_eventsd.database.rows.digest import NO_JID, Digest
from salt_eventsd.database.rows.states import STATE_MARK
from salt_eventsd.database.schema import JID_LENGTH, NAME_LENGTH
from salt_eventsd.database.schema import returns as _TABLE
from salt_eventsd.event.parse import Event

Values = tuple[Any, ...]
#: The columns of the row of a return, in the order of its values.
COLUMNS = tuple(column.name for column in _TABLE.columns if column.name != "id")
#: Makes the mapping of a return's row the tuple of its values.
values_in: Callable[[Row], Values] = itemgetter(*COLUMNS)
_HOLES = ("id", "jid", "_stamp")
#: So many shapes are remembered, of payloads of no more bytes. Arguments are in a payload twice.
_MOST_SHAPES, _LONGEST_BYTES = 64, 2048
#: To learn a shape costs half as much as a row does: after so many of which none was met again, few are learned.
_UNMET_SHAPES = 8
_QUOTED = msgspec.json.Encoder().encode
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Returns(msgspec.Struct, frozen=True, gc=False):
    """
    Rows of returns, as :class:`salt_eventsd.database.dialects.base.runs.Run` has them.

    :param values: of each row.
    :cvar columns: the columns of the table.
    :cvar may_be_large: a single row may be large.
    """

    columns: ClassVar[Sequence[str]] = COLUMNS
    may_be_large: ClassVar[bool] = True
    values: list[Values]

    def only(self, values: list[Values]) -> Returns:
        """
        Return some of them alone.

        :param values: theirs.
        """
        return Returns(values)

    def text(self) -> str | None:
        """Return None: whether a sign of lines is in a value, is seen where they are written."""
        return None


class _Shape(msgspec.Struct, frozen=True, gc=False):
    """
    A payload with holes for a minion, a job and a time, and what follows from all else in it.

    :param fun: the function, as events have it.
    :param pieces: what stands around the holes.
    :param digest: makes the digest of such a return.
    :param cells: the columns from ``fun`` to ``test``.
    :param duration_ms: another column.
    :param rest: the column ``load``, of use where it has only what no other has.
    """

    fun: str
    pieces: tuple[bytes, ...]
    digest: Digest
    cells: tuple[Any, Any, Any, Any, Any]
    duration_ms: float | None
    rest: Any


class UsualReturns:
    """
    Makes their rows. It remembers the shapes of those that have taken the long way.

    :param cells: makes cells.
    :param load: keep the whole of an event; else only what no column has.
    """

    def __init__(self, cells: Cells, load: bool) -> None:
        self._key, self._time, self._value = cells.key, cells.time, cells.value
        self._load = load
        # By how long their payloads are without the names in their holes.
        self._shapes: dict[int, _Shape] = {}
        self._chances = Chances(_UNMET_SHAPES)
        # The latest job, and its id as JSON; None if the column has it in another form.
        self._job: tuple[str, bytes | None] = ("", None)
        # When the latest return was read, and that as a cell: many are read together.
        self._received = (0.0, cells.time(0.0))

    def row(self, event: Event, node_id: str) -> Values | None:
        """
        Return the row of a usual return, None if anything is odd.

        :param event: any event.
        :param node_id: the master's (or minion's) id.
        """
        body, returned, minion_id, jid = event.body, event.returned, event.minion_id, event.jid
        shape = self._shapes.get(len(body) - len(minion_id) - len(jid))
        if shape is None or shape.fun != event.fun or event.into != "returns" or not returned or STATE_MARK in returned:
            return None
        # Another thread may change it in between.
        job = self._job
        if job[0] != jid:
            is_usual = self._key(jid, JID_LENGTH) == jid and jid not in NO_JID
            job = self._job = (jid, _QUOTED(jid) if is_usual else None)
        if job[1] is None or event.kind != "job" or event.__class__ is not Event:
            return None
        if not minion_id or self._key(minion_id, NAME_LENGTH) != minion_id:
            return None
        stamp = self._time(event.stamp)
        begin, middle, then, end = shape.pieces
        if body != b"".join((begin, _QUOTED(minion_id), middle, job[1], then, _spelled(stamp), end)):
            return None
        if not self._load and event.stamp == event.received:
            return None
        self._chances.succeeded()
        received = self._received
        if received[0] != event.received:
            received = self._received = (event.received, self._time(event.received))
        fun, fun_args, retcode, success, test = shape.cells
        return (
            jid,
            minion_id,
            fun,
            fun_args,
            retcode,
            success,
            test,
            self._value(returned),
            shape.duration_ms,
            stamp,
            received[1],
            node_id,
            self._value(body) if self._load else shape.rest,
            shape.digest.of(returned),
            None,
            None,
            None,
        )

    def learn(self, event: Event, row: Row, digest: Digest | None, left: bytes) -> None:
        """
        Remember the shape of a return.

        :param event: it has no row but its own and its minion's, and what was returned decides no other column.
        :param row: from the long way.
        :param digest: made the digest.
        :param left: what the column ``load`` has, as JSON text.
        """
        body = event.body
        if digest is None or event.kind != "job" or "state." in event.fun or not event.minion_id:
            return
        if len(body) > _LONGEST_BYTES or not body.startswith(b"{") or not self._chances.take():
            return
        # Unless a shape is met again.
        self._chances.failed()
        told = (_QUOTED(row["minion_id"]), _QUOTED(row["jid"]), _spelled(row["stamp"]))
        fields, pieces, behind = _FIELDS(body), [], body
        for name, text in zip(_HOLES, told, strict=True):
            hole = b'"%b":%b' % (name.encode(), text)
            # It may stand deeper in the payload, too, as among the arguments.
            if bytes(fields.get(name, b"")) != text or body.count(hole) > 1 or hole not in behind:
                return
            before, _, behind = behind.partition(hole)
            pieces.append(before + hole.removesuffix(text))
        if not self._load and any(text in left for text in told):
            return
        if len(self._shapes) >= _MOST_SHAPES:
            self._shapes.clear()
        self._shapes[len(body) - len(event.minion_id) - len(event.jid)] = _Shape(
            fun=event.fun,
            pieces=(*pieces, behind),
            digest=digest,
            cells=(row["fun"], row["fun_args"], row["retcode"], row["success"], row["test"]),
            duration_ms=row["duration_ms"],
            rest=row["load"],
        )


def _spelled(stamp: str) -> bytes:
    """Return a time as Salt writes it into a payload, as JSON text."""
    return f'"{stamp[:10]}T{stamp[11:26]}"'.encode()
