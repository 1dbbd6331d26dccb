"""
Familiar: a usual return whose payload is that of an earlier one but for its minion, its job, its time and what was
returned. So of the payload nothing but what was returned is decoded, and what follows from all else is taken over.

What is found here is what :mod:`salt_eventsd.intake.usual` finds, which a test compares; what is not familiar is left
to that.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from salt_eventsd.common.chances import Chances
from salt_eventsd.event.codec import FEW_BYTES, quoted, value_as_text
from salt_eventsd.event.frame import TAG_END
from salt_eventsd.event.parse import TRIMMED, Event, seconds_of
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
#: What a shape has a hole for, in the order in which Salt has them; the job is anywhere.
_HOLES = ("id", "return", "_stamp")
#: The length of a time as Salt writes it, without a zone. How MessagePack begins such a text -> the zone behind it,
#: which Salt 3008 writes, too.
_STAMP_BYTES = 26
_ZONES = {b"\xba": b"", b"\xd9\x20": b"+00:00"}
#: A minion with a longer id is not familiar, in bytes.
_LONGEST_NAME = 255
#: How a payload begins that has a few fields, and how the name of the function does.
_FEW_FIELDS, _FUN = 0x80, b"\xa3fun"
#: How a text begins that has up to so many bytes, and one of up to 255.
_SHORT_TEXT, _LONGEST_SHORT, _TEXT = 0xA0, 31, 0xD9
_FIELDS = msgspec.msgpack.Decoder(dict[str, msgspec.Raw]).decode


class _Shape(msgspec.Struct, frozen=True, eq=False, gc=False):
    """
    A payload with holes.

    :param fun: the function.
    :param packed: what stands around the minion's id, what was returned and the time, each in pieces around the job.
    :param texts: likewise for the payload as JSON text, in which what was returned has no place.
    :param head: how the time begins, one of those of :data:`_ZONES`.
    """

    fun: str
    packed: list[list[bytes]]
    texts: list[list[bytes]]
    head: bytes


class _Known(msgspec.Struct, eq=False, gc=False):
    """
    What follows from a shape for the returns of a job.

    :param jid: the job.
    :param packed: what stands around the holes that are left.
    :param texts: likewise.
    :param zone: of the time.
    :param to: where the returns go.
    :ivar is_met: a return was like it since one was not.
    """

    jid: str
    fun: str
    packed: tuple[bytes, bytes, bytes, bytes]
    texts: tuple[bytes, bytes, bytes]
    zone: bytes
    to: Route
    is_met: bool = False


class Familiar:
    """
    Recognizes returns. For one thread.

    :param rules: which workers get an event.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._shapes: dict[bytes, _Shape] = {}
        self._of_jobs: dict[bytes, _Known] = {}
        # How many returns of a job were not familiar.
        self._counts: dict[bytes, int] = {}
        self._chances = Chances(_UNMET_SHAPES)
        self._is_met = True
        # What was returned, and that as JSON text: mostly the same.
        self._returned = (b"", b"")

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
        before, between, behind, end = known.packed
        begin = before + _packed(minion) + between
        stamp_at = len(payload) - len(end) - _STAMP_BYTES
        start, stop = len(begin), stamp_at - len(behind)
        if (
            stop <= start
            or payload[stop:stamp_at] != behind
            or not (payload.startswith(begin) and payload.endswith(end))
        ):
            return None
        value = payload[start:stop]
        try:
            if value != self._returned[0]:
                self._returned = (value, value_as_text(value))
            tag, minion_id = head.decode(), minion.decode()
            stamp = (payload[stamp_at : stamp_at + _STAMP_BYTES] + known.zone).decode("ascii")
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
            b"".join((first, quoted(minion_id), second, quoted(stamp), third)),
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
        key = _key(payload)
        if (shape := self._shapes.get(key)) and self._introduce(head, shape) and self.take(raw, event.received):
            return
        self._of_jobs.pop(job, None)
        if not self._chances.take():
            return
        # Unless it is met again.
        self._chances.failed()
        self._is_met = False
        shape = _shape_of(payload, event)
        if shape is None or not self._introduce(head, shape):
            return
        if len(self._shapes) >= _MOST_SHAPES:
            self._shapes.clear()
        self._shapes[key] = shape

    def _introduce(self, head: bytes, shape: _Shape) -> bool:
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
        before, between, behind, end = (_packed(jid.encode()).join(pieces) for pieces in shape.packed)
        first, second, third = (quoted(jid).join(pieces) for pieces in shape.texts)
        if len(self._of_jobs) >= _MOST_JOBS:
            self._of_jobs.clear()
        self._of_jobs[head[:JOB_END]] = _Known(
            jid,
            shape.fun,
            (before, between, behind + shape.head, _ZONES[shape.head] + end),
            (first, second, third),
            _ZONES[shape.head],
            routes[0],
        )
        return True


def _shape_of(payload: bytes, event: Event) -> _Shape | None:
    """Return the shape of a payload, None if it is not just as Salt makes it."""
    try:
        fields = {name: bytes(raw) for name, raw in _FIELDS(payload).items()}
        packed = [("", bytes([_FEW_FIELDS + len(fields)]))]
        texts = [("", b"{")]
        for name, value in fields.items():
            packed += [("", _packed(name.encode())), (name, value)]
            if name != "return":
                texts += [("", b"," * (len(texts) > 1) + quoted(name) + b":"), (name, value_as_text(value))]
        texts.append(("", b"}"))
        told = {"id": _packed(event.minion_id.encode()), "jid": _packed(event.jid.encode())}
        head = next(head for head in _ZONES if fields["_stamp"].startswith(head))
    except Exception:
        return None
    is_as_made = (
        [name for name in fields if name in _HOLES] == list(_HOLES)
        and all(fields.get(name) == value for name, value in told.items())
        and fields["_stamp"][len(head) + _STAMP_BYTES :] == _ZONES[head]
        and b"".join([part for _, part in packed]) == payload
        and b"".join([part for _, part in texts]) == event.body
    )
    return _Shape(event.fun, _pieces(packed), _pieces(texts), head) if is_as_made else None


def _pieces(parts: Sequence[tuple[str, bytes]]) -> list[list[bytes]]:
    """Return what stands around the holes; each in pieces around the job id."""
    pieces = [[b""]]
    for name, part in parts:
        if name in _HOLES:
            pieces.append([b""])
        elif name == "jid":
            pieces[-1].append(b"")
        else:
            pieces[-1][-1] += part
    return pieces


def _key(payload: bytes) -> bytes:
    """Return what payloads of one shape have in common: the name of the function."""
    at = payload.rfind(_FUN)
    start = at + len(_FUN)
    return payload[at : start + 1 + payload[start] % _SHORT_TEXT] if 0 <= at < len(payload) - len(_FUN) else b""


def _packed(text: bytes) -> bytes:
    """Return a short text as MessagePack."""
    if len(text) <= _LONGEST_SHORT:
        return bytes((_SHORT_TEXT + len(text),)) + text
    return bytes((_TEXT, len(text))) + text
