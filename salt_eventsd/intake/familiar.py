"""
Familiar: a usual return whose payload is that of an earlier one but for its minion, its job, its time and what was
returned. So of the payload nothing but what was returned is decoded, and what follows from all else is taken over.

What is found here is what :mod:`salt_eventsd.intake.usual` finds, which a test compares; what is not familiar is left
to that.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from salt_eventsd.common.chances import Chances
from salt_eventsd.event.codec import FEW_BYTES, quoted, value_as_text
from salt_eventsd.event.frame import TAG_END
from salt_eventsd.event.parse import TRIMMED, Event, seconds_of
from salt_eventsd.event.shape import STAMP_BYTES, TS_BYTES, ZONES, Shape, key_of, packed_text, shape_of
from salt_eventsd.intake.job_counts import STATE_MARK, Told, told_of
from salt_eventsd.intake.result import Result
from salt_eventsd.intake.usual import BEGINNING, JOB_END, RET_PLACE, is_job_enough, is_usual_tag
from salt_eventsd.redact import Redactor
from salt_eventsd.rules.match import Candidates, Looks, Rules
from salt_eventsd.rules.rule import Route

#: So many shapes of payloads are remembered, and what follows from them for so many jobs.
_MOST_SHAPES, _MOST_JOBS = 64, 1000
#: So many returns of a job are not familiar, before what follows for the others is made: it costs as much as they do.
_FEWEST_RETURNS = 3
#: To learn a shape costs as much as a return does: after so many of which none was met again, few are learned.
_UNMET_SHAPES = 8
#: A minion with a longer id is not familiar, in bytes.
_LONGEST_NAME = 255
#: What differs between payloads of one shape. The job's id is the same in all that are known of a job.
_DIFFERS = ("id", "return", "_stamp", "ts")


class Known(msgspec.Struct, eq=False, gc=False):
    """
    What follows from a shape for the returns of a job.

    :param jid: the job.
    :param packed: what stands around the holes that are left.
    :param texts: likewise.
    :param zone: of the time.
    :param end: of the text behind the second at the end of the payload; empty if there is none.
    :param to: where the returns go, or went that of the minion by which they were learned.
    :param by_minion: where they go, by the minion; None if that is the same for all.
    :param told: what they are counted as; None if that depends on what was returned.
    :param is_plain: where they go depends on how the function went, which is known if no states are told of.
    :ivar is_met: a return was like it since one was not.
    """

    jid: str
    fun: str
    packed: tuple[bytes, bytes, bytes, bytes]
    texts: tuple[bytes, bytes, bytes]
    zone: bytes
    end: bytes
    to: list[Route]
    by_minion: _ByMinion | None
    told: Told | None
    is_plain: bool
    is_met: bool = False


class _ByMinion(NamedTuple):
    """
    Says where the returns of a job go.

    :param candidates: the rules that may take them.
    :param data: a payload with all that their conditions look at, but for the minion's id.
    """

    candidates: Candidates
    data: dict[Any, Any]


class Familiar:
    """
    Recognizes returns. For one thread.

    :param rules: which workers get an event.
    :param redactor: what is masked.
    """

    def __init__(self, rules: Rules, redactor: Redactor) -> None:
        self._rules = rules
        # What the payloads of a shape have in common was looked at when it was learned.
        self._may_find = redactor.may_find if redactor.values else None
        self._shapes: dict[bytes, Shape] = {}
        self._of_jobs: dict[bytes, Known] = {}
        # Where events go, each list of it once: it is the same for many jobs.
        self._routes: dict[tuple[Route, ...], list[Route]] = {}
        # How many returns of a job were not familiar.
        self._counts: dict[bytes, int] = {}
        self._chances = Chances(_UNMET_SHAPES)
        self._is_met = True
        # What was returned, and what is to be known of it: mostly the same. So is the second in which it was sent.
        self._returned = (b"", b"", False, True)
        self._sent = (b"", b"")

    def take(self, raw: bytes, received: float, is_counted: bool = False) -> tuple[list[Route], Event, Known] | None:
        """
        Return where an event goes, the event as it is kept in the first of these places, and what is known of it; None
        if it is not familiar.

        :param raw: its frame, which has :data:`.usual.RET` at :data:`.usual.RET_PLACE`, and in which the redactor has
            looked and found nothing.
        :param received: when it was read, in seconds since 1970 UTC.
        :param is_counted: it must be known what it is counted as.
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
                self._returned = self._looked_at(value)
            tag, minion_id = head.decode(), minion.decode()
            stamp = (payload[stamp_at : stamp_at + STAMP_BYTES] + known.zone).decode("ascii")
            seconds = seconds_of(stamp, 0.0)
            # In a tag with such a sign, secrets are looked for.
            if self._may_find and ("=" in minion_id or self._may_find(minion_id, stamp)):
                return None
            if by_minion := known.by_minion:
                to = by_minion.candidates.routes(tag, known.fun, by_minion.data, tag, (known.jid, minion_id))
            else:
                to = known.to
        except Exception:
            # Whatever it is, others say what becomes of it.
            return None
        _, returned, has_states, is_clean = self._returned
        is_told_apart = (has_states and (is_counted or known.is_plain)) or (is_counted and known.told is None)
        if not seconds or not to or is_told_apart or not is_clean:
            return None
        if not self._is_met:
            self._is_met = True
            self._chances.succeeded()
        known.is_met = True
        first, second, third = known.texts
        if known.end and self._sent[0] != payload[length:]:
            self._sent = (payload[length:], b"%d%b" % (int.from_bytes(payload[length:], "big"), known.end))
        last = self._sent[1] if known.end else b""
        place = to[0]
        event = Event(
            tag,
            received,
            seconds,
            known.jid,
            minion_id,
            known.fun,
            "job",
            "ret",
            b"".join((first, quoted(minion_id), second, quoted(stamp), third, last)),
            returned,
            place.rule,
            place.into or "returns",
        )
        return to, event, known

    def _looked_at(self, value: bytes) -> tuple[bytes, bytes, bool, bool]:
        """
        Return what was returned, that as JSON text, whether it may tell of states, and whether nothing is to be masked.

        :raises Exception: it is odd.
        """
        text = value_as_text(value)
        is_clean = not (self._may_find and self._may_find(msgspec.json.decode(text)))
        return value, text, STATE_MARK in text, is_clean

    def learn(self, raw: bytes, found: Result, is_counted: bool = False) -> None:
        """
        Remember the shape of a usual return.

        :param raw: its frame.
        :param found: what becomes of it.
        :param is_counted: it must be known what returns are counted as.
        """
        event, job = found.event, raw[:JOB_END]
        self._counts[job] = count = self._counts.get(job, 0) + 1
        # Where some returns of a job are unlike the others, ever fewer are looked at: a look costs as much as they do.
        is_left = count < _FEWEST_RETURNS or (count > _FEWEST_RETURNS and count & (count - 1))
        if is_left or event is None or len(raw) > FEW_BYTES:
            if len(self._counts) > _MOST_JOBS:
                self._counts.clear()
            return
        if (known := self._of_jobs.get(job)) and known.is_met:
            known.is_met = False
            return
        head, _, payload = raw.partition(TAG_END)
        told = told_of(event, found.data)
        if is_counted and told is None:
            return
        key = key_of(payload)
        shape = self._shapes.get(key)
        is_known = shape and self._introduce(head, shape, found, told)
        if is_known and self.take(raw, event.received, is_counted):
            return
        self._of_jobs.pop(job, None)
        if not self._chances.take():
            return
        # Unless it is met again.
        self._chances.failed()
        self._is_met = False
        shape = shape_of(payload, event)
        if shape is None or not self._introduce(head, shape, found, told):
            return
        if len(self._shapes) >= _MOST_SHAPES:
            self._shapes.clear()
        self._shapes[key] = shape

    def _introduce(self, head: bytes, shape: Shape, found: Result, told: Told | None) -> bool:
        """Remember what follows from a shape for the returns of a job; return whether that is enough to know them."""
        if not is_job_enough(self._rules):
            return False
        tag = head.decode("utf-8", "backslashreplace")
        candidates = self._rules.candidates(tag, tag)
        looks = candidates.looks(_DIFFERS)
        if looks is None or (looks.at_outcome and told is None):
            return False
        routes = tuple(to for to, _ in found.destinations)
        jid = tag[len(BEGINNING) : RET_PLACE.start]
        before, between, behind, end, *_ = (packed_text(jid.encode()).join(pieces) for pieces in shape.packed)
        first, second, third, *last = (quoted(jid).join(pieces) for pieces in shape.texts)
        if len(self._of_jobs) >= _MOST_JOBS:
            self._of_jobs.clear()
            self._routes.clear()
        self._of_jobs[head[:JOB_END]] = Known(
            jid,
            shape.fun,
            (before, between, behind + shape.head, ZONES[shape.head] + end),
            (first, second, third),
            ZONES[shape.head],
            b"".join(last),
            self._routes.setdefault(routes, [*routes]),
            _ByMinion(candidates, _seen(looks, found.data)) if looks.at_minion else None,
            told,
            looks.at_outcome,
        )
        return True


def _seen(looks: Looks, data: dict[Any, Any]) -> dict[Any, Any]:
    """Return what conditions look at; what was returned decides nothing, but that there is such a thing does."""
    return {**{name: data[name] for name in looks.keys if name in data}, "return": None}
