"""
Gaps: times in which events may have been missed, when they began, and about how many events that may be.

A gap begins with the last frame that was read, not with its being noticed: whoever stood still for a minute notices
nothing meanwhile. Lengths are taken from the monotonic clock, so that a clock that is set makes none.
"""

from __future__ import annotations

import time
from collections import deque
from datetime import datetime, timezone

import msgspec

from salt_eventsd.event.frame import TAG_END

#: How often a pulse is felt, in seconds.
TICK_SECONDS = 0.25
#: A pulse that is so late means that the process stood still.
_STOOD_SECONDS = 1.0
#: For so long after that, a connection that is found lost was lost meanwhile.
_STOOD_KNOWN_SECONDS = 5.0
#: A frame that is read so long after it was fired tells that the reader is behind; a longer time is no such thing.
_BEHIND_SECONDS = (1.0, 3600.0)
#: The rate of events before a gap is that of the first or the second of these, whichever is higher (a stream may have
#: just begun), or that of the third if there was none in that time.
_RATE_SECONDS = (4.0, 10.0, 60.0)
#: A larger frame is not kept for its stamp.
STAMPED_BYTES = 65_536


class Gap(msgspec.Struct, array_like=True):
    """
    A time in which events may have been missed.

    :param since: when the last frame before it was read, in seconds since 1970 UTC.
    :param until: when there was a connection again; None while there is not.
    :param why: the reason, as far as it can be told.
    :param rate: events a second before it.
    :param blind_at: since when events may have been missed, by the monotonic clock; 0 if another boot's.
    :param missing: about how many events may be missing; None while the gap lasts.
    :param blind_since: the same as ``blind_at``, in seconds since 1970 UTC, where that is not known.
    :param open: answers that were to come when it began, where whoever tells it does not know them by itself.
    """

    since: float
    until: float | None
    why: str
    rate: float = 0.0
    blind_at: float = 0.0
    missing: int | None = None
    blind_since: float = 0.0
    open: int = 0

    def close(self, when: float) -> None:
        """
        Note that there is a connection again.

        :param when: since when, in seconds since 1970 UTC.
        """
        self.missing = self.guess(when)
        self.until = when

    def guess(self, until: float | None = None) -> int:
        """
        Return about how many events are missing.

        :param until: up to when, in seconds since 1970 UTC; None is now.
        """
        if self.missing is not None:
            return self.missing
        now = time.time()
        until = now if until is None else until
        blind = time.monotonic() - (now - until) - self.blind_at
        if not self.blind_at:
            blind = until - (self.blind_since or self.since)
        return max(self.open, round(self.rate * max(0.0, blind)))


class Pulse:
    """How lively a reader and its bus are; one thread's."""

    def __init__(self) -> None:
        now = time.monotonic()
        #: Frames read so far, and the last one of them.
        self.frames = 0
        self.newest: bytes = b""
        self.last_at = now
        self.last = 0.0
        self._felt_at = now
        self._counted = 0
        #: When it stood still last, from when to when, and the rate before.
        self._stood: tuple[float, float, float] | None = None
        self._counts: deque[tuple[float, int]] = deque([(now, 0)])

    def feel(self) -> None:
        """Note that the thread lives; to be called every :data:`TICK_SECONDS`."""
        now = time.monotonic()
        self._see_whether_it_stood(now)
        self._felt_at = now
        if self.frames != self._counted:
            self._counted = self.frames
            self.last_at, self.last = now, time.time()
            self._counts.append((now, self.frames))
        while len(self._counts) > 1 and self._counts[1][0] < now - _RATE_SECONDS[-1]:
            self._counts.popleft()

    def gap(self, why: str) -> Gap:
        """
        Return the gap that has just been noticed.

        :param why: the reason.
        """
        now, wall = time.monotonic(), time.time()
        self._see_whether_it_stood(now)
        blind_at, rate = self._felt_at, 0.0
        if self._stood and now - self._stood[1] < _STOOD_KNOWN_SECONDS:
            blind_at, _, rate = self._stood
        behind = wall - _stamp(self.newest)
        if self.frames != self._counted:
            last_at = now
        else:
            last_at = self.last_at
            behind -= now - last_at
        if _BEHIND_SECONDS[0] < behind < _BEHIND_SECONDS[1]:
            last_at -= behind
            blind_at = min(blind_at, last_at)
        rate = rate or max(self.rate(blind_at), self.rate())
        self.newest = b""
        return Gap(wall - (now - min(last_at, now)), None, why, rate, blind_at)

    def _see_whether_it_stood(self, now: float) -> None:
        if now - self._felt_at > _STOOD_SECONDS:
            self._stood = (self._felt_at, now, self.rate(self._felt_at))

    def rate(self, until: float | None = None) -> float:
        """
        Return how many events a second came.

        :param until: by the monotonic clock; None is now.
        """
        until = time.monotonic() if until is None else until + TICK_SECONDS
        counts = [one for one in self._counts if one[0] <= until] or [self._counts[0]]
        short, usual, long = (self._rate_of(counts, until, seconds) for seconds in _RATE_SECONDS)
        return max(short, usual) or long

    @staticmethod
    def _rate_of(counts: list[tuple[float, int]], until: float, seconds: float) -> float:
        before = [count for when, count in counts if when <= until - seconds]
        return (counts[-1][1] - (before[-1] if before else counts[0][1])) / seconds


def _stamp(raw: bytes) -> float:
    """When an event was fired, as Salt has stamped it, in seconds since 1970 UTC; 0 if it does not tell."""
    try:
        stamp = msgspec.msgpack.decode(raw.partition(TAG_END)[2], type=dict[str, msgspec.Raw])["_stamp"]
        found = datetime.fromisoformat(msgspec.msgpack.decode(stamp, type=str))
    except (msgspec.DecodeError, KeyError, ValueError):
        return 0.0
    return (found if found.tzinfo else found.replace(tzinfo=timezone.utc)).timestamp()
