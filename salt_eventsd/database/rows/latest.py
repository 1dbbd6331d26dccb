"""
What usual returns have in common with the latest ones: with those of their shape, which is that of their payloads, and
with those that returned the same. Pure: no database in here.
"""

from __future__ import annotations

from typing import Any

import msgspec

from salt_eventsd.database.dialects.base.lines import BETWEEN, END, MARK, plain_text_of, text_of
from salt_eventsd.database.rows.cells import Cells
from salt_eventsd.database.rows.digest import NO_JID, Digest
from salt_eventsd.database.rows.returned import LINE_END, Like
from salt_eventsd.database.rows.states import STATE_MARK
from salt_eventsd.database.schema import JID_LENGTH

#: What is longer has no shape, and is not kept to be compared, in bytes.
LONGEST_BYTES = 2048
#: What follows from so many jobs, and values that were returned, is kept for the next returns of a batch.
_MOST_LATEST = 64
#: The signs of lines.
_MARK, _BETWEEN, _END = (sign.encode() for sign in (MARK, BETWEEN, END))
_QUOTED = msgspec.json.Encoder().encode


class Shape(msgspec.Struct, frozen=True, eq=False, gc=False):
    """
    A payload with holes for a minion, a job and a time, and what follows from all else in it.

    :param fun: the function, as events have it.
    :param pieces: what stands around the holes; without the number at the end, if there is a hole for that.
    :param has_ts: there is.
    :param digest: makes the digest of such a return.
    :param cells: the columns from ``fun`` to ``test``.
    :param duration_ms: another column.
    :param rest: what the column ``load`` has where it has only what no other has; without that number, too.
    :param line: what stands in a line around what was returned; None if there is a sign of lines in the payload.
    """

    fun: str
    pieces: tuple[bytes, ...]
    has_ts: bool
    digest: Digest
    cells: tuple[Any, Any, Any, Any, Any]
    duration_ms: float | None
    rest: bytes
    line: tuple[str, str] | None


class Latest:
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
        # A shape and the number at its end, and the column ``load`` of those.
        self._rest: tuple[Shape | None, bytes, Any] = (None, b"", None)
        # By job id, as it stands in payloads; nothing for an odd one.
        self._jobs: dict[str, bytes] = {}
        # A shape and what was returned, if that is short -> that as a cell, the digest, and with the time the rest.
        self._latest: dict[tuple[Shape, bytes], tuple[Any, int, float, Like]] = {}

    def rest(self, shape: Shape, last: bytes) -> Any:
        """
        Return the column ``load`` where it has only what no other has.

        :param shape: of the payload.
        :param last: the number at its end, if there is a hole for that.
        """
        known, number, cell = self._rest
        if known is not shape or number != last:
            cell = self._value(shape.rest + last)
            self._rest = (shape, last, cell)
        return cell

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

    def of(self, shape: Shape, returned: bytes, received: float) -> Like | None:
        """
        Return what a return has in common with those like it, None if it may have states.

        :param shape: of its payload.
        :param returned: what was returned, as JSON text.
        :param received: when it was read.
        """
        is_short, key = len(returned) <= LONGEST_BYTES, (shape, returned)
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
        if self._has_lines and shape.line and is_short and not has_sign(returned):
            before, behind = shape.line
            text = cell if cell.__class__ is str else text_of((cell,))
            around = (f"{before}{text}{behind}", self._received[2], f"{BETWEEN}{digest}{LINE_END}")
        like = Like(shape.cells, cell, shape.duration_ms, self._received[1], self._node_id, digest, around)
        if is_short:
            if len(self._latest) >= _MOST_LATEST:
                self._latest = {}
            self._latest[key] = (cell, digest, received, like)
        return like


def has_sign(text: bytes) -> bool:
    """
    Say whether there is a sign of lines in a text.

    :param text: JSON text.
    """
    return _MARK in text or _BETWEEN in text or _END in text
