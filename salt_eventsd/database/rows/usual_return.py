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
from salt_eventsd.database.dialects.base.lines import BETWEEN, plain_text_of
from salt_eventsd.database.dialects.base.runs import Values
from salt_eventsd.database.rows.cells import Cells, Row
from salt_eventsd.database.rows.digest import Digest
from salt_eventsd.database.rows.latest import LONGEST_BYTES, Latest, Shape, has_sign
from salt_eventsd.database.rows.returned import Like, Usual
from salt_eventsd.database.schema import NAME_LENGTH
from salt_eventsd.event.parse import Event

_STAMP = "_stamp"
_HOLES = ("id", "jid", _STAMP)
#: What may stand behind a time: Salt 3008 writes the zone, too.
_BEHIND_STAMP = (b'"', b'+00:00"')
#: So ends the payload of a minion of Salt 3008: when it has sent that, in whole seconds.
_TS = re.compile(rb'((?:\+00:00)?","ts":)[0-9]{10}\}')
_TS_BEGIN = -11
#: So many shapes are remembered.
_MOST_SHAPES = 64
#: To learn a shape costs half as much as a row does: after so many of which none was met again, few are learned.
_UNMET_SHAPES = 8
_QUOTED = msgspec.json.Encoder().encode
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


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
        self._shapes: dict[int, Shape] = {}
        self._chances = Chances(_UNMET_SHAPES)
        self._is_met = True

    def rows(self, node_id: str) -> Callable[[Event], Usual | None]:
        """
        Return what makes the rows of a batch: that of an event, or None if anything about it is odd. For one thread.

        :param node_id: the master's (or minion's) id.
        """
        cells, shapes, has_load = self._cells, self._shapes, self._load
        text_of, value, spelled = cells.text, cells.value, cells.spelled
        latest = Latest(cells, node_id, self._has_lines)
        like_of, job_of, rest_of = latest.of, latest.job, latest.rest
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
                load = rest_of(shape, last)
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
        if len(body) > LONGEST_BYTES or not body.startswith(b"{") or not self._chances.take():
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
        found = _TS.fullmatch(behind)
        if found and not self._load:
            # Without the whole payload, the column ``load`` has this number, too.
            end = behind[_TS_BEGIN:]
            if not left.endswith(b'"ts":' + end):
                return
            left = left.removesuffix(end)
        cells = (row["fun"], row["fun_args"], row["retcode"], row["success"], row["test"])
        self._shapes[len(body) - len(event.minion_id) - len(event.jid)] = Shape(
            fun=event.fun,
            pieces=(*pieces, found[1] if found else behind),
            has_ts=found is not None,
            digest=digest,
            cells=cells,
            duration_ms=row["duration_ms"],
            rest=left,
            line=_line_of(body, cells, row["duration_ms"]),
        )


def _last(body: bytes) -> bytes:
    return body[_TS_BEGIN:] if body[_TS_BEGIN:-1].isdigit() else b""


def _line_of(body: bytes, cells: Values, duration_ms: float | None) -> tuple[str, str] | None:
    told, took = plain_text_of(cells), plain_text_of((duration_ms,))
    if told is None or took is None or has_sign(body):
        return None
    return f"{BETWEEN}{told}{BETWEEN}", f"{BETWEEN}{took}{BETWEEN}"
