"""
Familiar: a usual return whose payload is that of an earlier one but for its minion, its job, its time and what was
returned. So of the payload nothing but what was returned is decoded, and what follows from all else is taken over.

What is found here is what :mod:`salt_eventsd.intake.usual` finds, which a test compares; what is not familiar is left
to that.
"""

from __future__ import annotations

import msgspec

from salt_eventsd.common.chances import Chances
from salt_eventsd.event.codec import FEW_BYTES, quoted, value_as_text
from salt_eventsd.event.frame import TAG_END
from salt_eventsd.event.parse import TRIMMED, Event, seconds_of
from salt_eventsd.event.shape import STAMP_BYTES, TS_BYTES, ZONES, Shape, key_of, packed_text, shape_of
from salt_eventsd.intake.result import Result
from salt_eventsd.intake.usual import BEGINNING, JOB_END, RET_PLACE, is_job_enough, is_usual_tag
from salt_eventsd.rules.match import Rules
from salt_eventsd.rules.rule import Route

#: So many shapes of payloads are remembered, and what follows from them for so many jobs.
_MOST_SHAPES, _MOST_JOBS = 64, 1000
#: So many returns of a job are not familiar, before what follows for the others is made: it costs as much as they do.
_FEWEST_RETURNS = 3
#: To learn a shape costs as much as a return does: after so many of which none was met again, few are learned.
_UNMET_SHAPES = 8
#: A minion with a longer id is not familiar, in bytes.
_LONGEST_NAME = 255


class _Known(msgspec.Struct, eq=False, gc=False):
    """
    What follows from a shape for the returns of a job.

    :param jid: the job.
    :param packed: what stands around the holes that are left.
    :param texts: likewise.
    :param zone: of the time.
    :param end: of the text behind the second at the end of the payload; empty if there is none.
    :param to: where the returns go.
    :ivar is_met: a return was like it since one was not.
    """

    jid: str
    fun: str
    packed: tuple[bytes, bytes, bytes, bytes]
    texts: tuple[bytes, bytes, bytes]
    zone: bytes
    end: bytes
    to: Route
    is_met: bool = False


class Familiar:
    """
    Recognizes returns. For one thread.

    :param rules: which workers get an event.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._shapes: dict[bytes, Shape] = {}
        self._of_jobs: dict[bytes, _Known] = {}
        # How many returns of a job were not familiar.
        self._counts: dict[bytes, int] = {}
        self._chances = Chances(_UNMET_SHAPES)
        self._is_met = True
        # What was returned, and that as JSON text: mostly the same. So is the second in which it was sent.
        self._returned = (b"", b"")
        self._sent = (b"", b"")

    def take(self, raw: bytes, received: float) -> tuple[Route, Event] | None:
        """
        Return where an event goes, and the event; None if it is not familiar.

        :param raw: its frame, which has :data:`.usual.RET` at :data:`.usual.RET_PLACE`, and in which the redactor has
            looked and found nothing.
        :param received: when it was read, in seconds since 1970 UTC.
        """
        known = self._of_jobs.get(raw[:JOB_END])
        if known is None:
            return None
        head, _, payload = raw.partition(TAG_END)
        minion = head[JOB_END:]
        if len(payload) > FEW_BYTES or len(minion) > _LONGEST_NAME or not is_usual_tag(head) or TRIMMED in payload:
            return None
        if minion.endswith(b" "):
            return None
        before, between, behind, end = known.packed
        begin = before + packed_text(minion) + between
        length = len(payload) - TS_BYTES if known.end else len(payload)
        stamp_at = length - len(end) - STAMP_BYTES
        start, stop = len(begin), stamp_at - len(behind)
        if (
            stop <= start
            or payload[stop:stamp_at] != behind
            or not (payload.startswith(begin) and payload.endswith(end, 0, length))
        ):
            return None
        value = payload[start:stop]
        try:
            if value != self._returned[0]:
                self._returned = (value, value_as_text(value))
            tag, minion_id = head.decode(), minion.decode()
            stamp = (payload[stamp_at : stamp_at + STAMP_BYTES] + known.zone).decode("ascii")
            seconds = seconds_of(stamp, 0.0)
        except Exception:
            # Whatever it is, others say what becomes of it.
            return None
        if not seconds:
            return None
        if not self._is_met:
            self._is_met = True
            self._chances.succeeded()
        known.is_met = True
        first, second, third = known.texts
        if known.end and self._sent[0] != payload[length:]:
            self._sent = (payload[length:], b"%d%b" % (int.from_bytes(payload[length:], "big"), known.end))
        last = self._sent[1] if known.end else b""
        to = known.to
        return to, Event(
            tag,
            received,
            seconds,
            known.jid,
            minion_id,
            known.fun,
            "job",
            "ret",
            b"".join((first, quoted(minion_id), second, quoted(stamp), third, last)),
            self._returned[1],
            to.rule,
            to.into or "returns",
        )

    def learn(self, raw: bytes, found: Result) -> None:
        """
        Remember the shape of a usual return.

        :param raw: its frame.
        :param found: what becomes of it.
        """
        event, job = found.event, raw[:JOB_END]
        self._counts[job] = count = self._counts.get(job, 0) + 1
        # Where some returns of a job are unlike the others, ever fewer are looked at: a look costs as much as they do.
        is_left = count < _FEWEST_RETURNS or (count > _FEWEST_RETURNS and count & (count - 1))
        if is_left or event is None or len(found.destinations) > 1 or len(raw) > FEW_BYTES:
            if len(self._counts) > _MOST_JOBS:
                self._counts.clear()
            return
        if (known := self._of_jobs.get(job)) and known.is_met:
            known.is_met = False
            return
        head, _, payload = raw.partition(TAG_END)
        key = key_of(payload)
        if (shape := self._shapes.get(key)) and self._introduce(head, shape) and self.take(raw, event.received):
            return
        self._of_jobs.pop(job, None)
        if not self._chances.take():
            return
        # Unless it is met again.
        self._chances.failed()
        self._is_met = False
        shape = shape_of(payload, event)
        if shape is None or not self._introduce(head, shape):
            return
        if len(self._shapes) >= _MOST_SHAPES:
            self._shapes.clear()
        self._shapes[key] = shape

    def _introduce(self, head: bytes, shape: Shape) -> bool:
        """Remember what follows from a shape for the returns of a job; return whether that is enough to know them."""
        if not is_job_enough(self._rules):
            return False
        tag = head.decode("utf-8", "backslashreplace")
        candidates = self._rules.candidates(tag, tag)
        if candidates.looks_inside:
            return False
        routes = candidates.routes(tag, shape.fun)
        if len(routes) != 1:
            return False
        jid = tag[len(BEGINNING) : RET_PLACE.start]
        before, between, behind, end, *_ = (packed_text(jid.encode()).join(pieces) for pieces in shape.packed)
        first, second, third, *last = (quoted(jid).join(pieces) for pieces in shape.texts)
        if len(self._of_jobs) >= _MOST_JOBS:
            self._of_jobs.clear()
        self._of_jobs[head[:JOB_END]] = _Known(
            jid,
            shape.fun,
            (before, between, behind + shape.head, ZONES[shape.head] + end),
            (first, second, third),
            ZONES[shape.head],
            b"".join(last),
            routes[0],
        )
        return True
