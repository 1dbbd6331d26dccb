"""
The row of a usual return, as nearly all are: its payload is that of an earlier one but for the minion, the job and the
time. So it need not be decoded, and what follows from all else is taken over.

Any other event takes the long way, :meth:`.RowBuilder.without_sighting`. Both come to the same rows, which a test
compares. Pure: no database in here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec

from salt_eventsd.common.chances import Chances
from salt_eventsd.database.dialects.base.lines import BETWEEN, END, MARK, plain_text_of, text_of
from salt_eventsd.database.dialects.base.runs import Values
from salt_eventsd.database.rows.cells import Cells, Row
from salt_eventsd.database.rows.digest import NO_JID, Digest
from salt_eventsd.database.rows.returned import LINE_END, Like, Usual
from salt_eventsd.database.rows.states import STATE_MARK
from salt_eventsd.database.schema import JID_LENGTH, NAME_LENGTH
from salt_eventsd.event.parse import Event

_STAMP = "_stamp"
_HOLES = ("id", "jid", _STAMP)
#: What may stand behind a time: Salt 3008 writes the zone, too.
_BEHIND_STAMP = (b'"', b'+00:00"')
#: So ends the payload of a minion of Salt 3008: when it has sent that, in whole seconds.
_TS = re.compile(rb'((?:\+00:00)?","ts":)[0-9]{10}\}')
_TS_BEGIN = -11
#: So many shapes are remembered, of payloads of no more bytes. Arguments are in a payload twice.
_MOST_SHAPES, _LONGEST_BYTES = 64, 2048
#: To learn a shape costs half as much as a row does: after so many of which none was met again, few are learned.
_UNMET_SHAPES = 8
#: What follows from so many jobs, and values that were returned, is kept for the next returns of a batch.
_MOST_LATEST = 64
#: The signs of lines.
_MARK, _BETWEEN, _END = (sign.encode() for sign in (MARK, BETWEEN, END))
_QUOTED = msgspec.json.Encoder().encode
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class _Shape(msgspec.Struct, frozen=True, eq=False, gc=False):
    """
    A payload with holes for a minion, a job and a time, and what follows from all else in it.

    :param fun: the function, as events have it.
    :param pieces: what stands around the holes; without the number at the end, if there is a hole for that.
    :param has_ts: there is.
    :param digest: makes the digest of such a return.
    :param cells: the columns from ``fun`` to ``test``.
    :param duration_ms: another column.
    :param rest: the column ``load``, of use where it has only what no other has.
    :param line: what stands in a line around what was returned; None if there is a sign of lines in the payload.
    """

    fun: str
    pieces: tuple[bytes, ...]
    has_ts: bool
    digest: Digest
    cells: tuple[Any, Any, Any, Any, Any]
    duration_ms: float | None
    rest: Any
    line: tuple[str, str] | None


class Shapes:
    """
    Makes rows of usual returns. It remembers the shapes of those that have taken the long way.

    :param cells: makes cells.
    :param load: keep the whole of an event; else only what no column has.
    :param has_lines: rows mostly go into the database as lines of text.
    """

    def __init__(self, cells: Cells, load: bool, has_lines: bool) -> None:
        self._cells = cells
        self._load = load
        self._has_lines = has_lines
        # By how long their payloads are without the names in their holes.
        self._shapes: dict[int, _Shape] = {}
        self._chances = Chances(_UNMET_SHAPES)
        self._is_met = True

    def rows(self, node_id: str) -> Callable[[Event], Usual | None]:
        """
        Return what makes the rows of a batch: that of an event, or None if anything about it is odd. For one thread.

        :param node_id: the master's (or minion's) id.
        """
        cells, shapes, has_load = self._cells, self._shapes, self._load
        text_of, value, spelled = cells.text, cells.value, cells.spelled
        latest = _Latest(cells, node_id, self._has_lines)
        like_of, job_of = latest.of, latest.job
        # Most returns are like the one before, and those of jobs that take turns like one shortly before.
        told: Any = None
        like: Like | None = None
        known_jid, job = "", b""

        def row(event: Event) -> Usual | None:
            nonlocal told, like, known_jid, job
            body, minion_id, jid, returned = event.body, event.minion_id, event.jid, event.returned
            shape = shapes.get(len(body) - len(minion_id) - len(jid))
            if shape is None or shape.fun != event.fun or event.into != "returns" or not returned:
                return None
            if event.kind != "job" or event.__class__ is not Event or not minion_id:
                return None
            if len(minion_id) > NAME_LENGTH or text_of(minion_id) != minion_id:
                return None
            if jid != known_jid:
                known_jid, job = jid, job_of(jid)
            its = (shape, returned, event.received)
            if its != told:
                told, like = its, like_of(*its)
            if like is None or not job:
                return None
            begin, middle, then, end = shape.pieces
            name, (stamp, written) = _QUOTED(minion_id), spelled(event.stamp)
            last = _last(body) if shape.has_ts else b""
            if body != b"".join((begin, name, middle, job, then, written, end, last)):
                return None
            if has_load:
                load = value(body)
            elif event.stamp == event.received:
                return None
            else:
                load = shape.rest
            if not self._is_met:
                self._is_met = True
                self._chances.succeeded()
            # What is no longer as JSON than it is itself, is written there as it is.
            is_plain = len(name) + len(job) == len(minion_id) + len(jid) + 4
            return Usual(like, jid, minion_id, stamp, load, is_plain and like.around is not None)

        return row

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
        self._is_met = False
        told = (_QUOTED(row["minion_id"]), _QUOTED(row["jid"]), self._cells.spelled(event.stamp)[1])
        fields, pieces, behind = _FIELDS(body), [], body
        for name, text in zip(_HOLES, told, strict=True):
            hole = b'"%b":%b' % (name.encode(), text)
            # It may stand deeper in the payload, too, as among the arguments.
            field = bytes(fields.get(name, b""))
            is_told = field == text or (name == _STAMP and field in [text + end for end in _BEHIND_STAMP])
            if not is_told or body.count(hole) > 1 or hole not in behind:
                return
            before, _, behind = behind.partition(hole)
            pieces.append(before + hole.removesuffix(text))
        if not self._load and any(text in left for text in told):
            return
        if len(self._shapes) >= _MOST_SHAPES:
            self._shapes.clear()
        # Without the whole payload, the column ``load`` has this number.
        found = _TS.fullmatch(behind) if self._load else None
        cells = (row["fun"], row["fun_args"], row["retcode"], row["success"], row["test"])
        self._shapes[len(body) - len(event.minion_id) - len(event.jid)] = _Shape(
            fun=event.fun,
            pieces=(*pieces, found[1] if found else behind),
            has_ts=found is not None,
            digest=digest,
            cells=cells,
            duration_ms=row["duration_ms"],
            rest=row["load"],
            line=_line_of(body, cells, row["duration_ms"]),
        )


class _Latest:
    """
    Makes what returns have in common, and keeps what the next ones mostly have, too.

    :param cells: makes cells.
    :param node_id: the master's (or minion's) id.
    :param has_lines: rows mostly become lines.
    """

    def __init__(self, cells: Cells, node_id: str, has_lines: bool) -> None:
        self._time, self._value, self._key = cells.time, cells.value, cells.key
        self._node_id = node_id
        self._has_lines = has_lines and plain_text_of((node_id,)) is not None
        # When a return was read, that as a cell, and that as a part of a line.
        self._received = (-1.0, "", "")
        # By job id, as it stands in payloads; nothing for an odd one.
        self._jobs: dict[str, bytes] = {}
        # A shape and what was returned, if that is short -> that as a cell, the digest, and with the time the rest.
        self._latest: dict[tuple[_Shape, bytes], tuple[Any, int, float, Like]] = {}

    def job(self, jid: str) -> bytes:
        """
        Return a job id as it stands in payloads; b"" for one that names no job, or that its column has in another form.

        :param jid: the job id.
        """
        known = self._jobs.get(jid)
        if known is None:
            known = b"" if self._key(jid, JID_LENGTH) != jid or jid in NO_JID else _QUOTED(jid)
            if len(self._jobs) >= _MOST_LATEST:
                self._jobs = {}
            self._jobs[jid] = known
        return known

    def of(self, shape: _Shape, returned: bytes, received: float) -> Like | None:
        """
        Return what a return has in common with those like it, None if it may have states.

        :param shape: of its payload.
        :param returned: what was returned, as JSON text.
        :param received: when it was read.
        """
        is_short, key = len(returned) <= _LONGEST_BYTES, (shape, returned)
        known = self._latest.get(key) if is_short else None
        if known is not None:
            cell, digest, when_read, like = known
            if when_read == received:
                return like
        elif STATE_MARK in returned:
            return None
        else:
            cell, digest = self._value(returned), shape.digest.of(returned)
        if self._received[0] != received:
            when = self._time(received)
            self._received = (received, when, f"{BETWEEN}{when}{BETWEEN}{self._node_id}{BETWEEN}")
        around = None
        if self._has_lines and shape.line and is_short and not _has_sign(returned):
            before, behind = shape.line
            text = cell if cell.__class__ is str else text_of((cell,))
            around = (f"{before}{text}{behind}", self._received[2], f"{BETWEEN}{digest}{LINE_END}")
        like = Like(shape.cells, cell, shape.duration_ms, self._received[1], self._node_id, digest, around)
        if is_short:
            if len(self._latest) >= _MOST_LATEST:
                self._latest = {}
            self._latest[key] = (cell, digest, received, like)
        return like


def _last(body: bytes) -> bytes:
    return body[_TS_BEGIN:] if body[_TS_BEGIN:-1].isdigit() else b""


def _has_sign(text: bytes) -> bool:
    return _MARK in text or _BETWEEN in text or _END in text


def _line_of(body: bytes, cells: Values, duration_ms: float | None) -> tuple[str, str] | None:
    told, took = plain_text_of(cells), plain_text_of((duration_ms,))
    if told is None or took is None or _has_sign(body):
        return None
    return f"{BETWEEN}{told}{BETWEEN}", f"{BETWEEN}{took}{BETWEEN}"
