"""
Gaps: the times in which events may have been missed, and an estimate of how many events were missed.

A gap begins with the last frame that was read, not when it is noticed: a process that stood still for a minute notices
nothing in that minute. The monotonic clock measures lengths, so setting the system clock makes no gap.
"""

from __future__ import annotations

import time
from collections import deque
from datetime import datetime, timezone

import msgspec

from salt_eventsd.event.frame import TAG_END

#: How often :meth:`Pulse.feel` is called, in seconds.
TICK_SECONDS = 0.25
#: If that call is so late, the process stood still.
_STOOD_SECONDS = 1.0
#: A connection that is found lost within this time after a standstill was lost during the standstill.
_STOOD_KNOWN_SECONDS = 5.0
#: A frame that is read so long after it was fired shows that the reader is behind; a longer delay shows nothing.
_BEHIND_SECONDS = (1.0, 3600.0)
#: The rate of events before a gap is measured over these times. The higher one of the first two counts (a stream may
#: have just begun). If both are 0, the third counts.
_RATE_SECONDS = (4.0, 10.0, 60.0)
#: A larger frame is not kept to read its stamp.
STAMPED_BYTES = 65_536


class Gap(msgspec.Struct, array_like=True):
    """
    A time in which events may have been missed.

    :param since: when the last frame before it was read, in seconds since 1970 UTC.
    :param until: when the connection was back; None until then.
    :param why: the reason, as far as it is known.
    :param rate: events per second before the gap.
    :param blind_at: since when events may have been missed, by the monotonic clock; 0 if that time is of another boot.
    :param missing: about how many events may be missing; None while the gap lasts.
    :param blind_since: the same in seconds since 1970 UTC, used where ``blind_at`` is 0.
    :param open: how many answers were still to come when the gap began, set where the last report gives that number.
    :param beside: which part of the events is taken by rules and no job cache has it; None if that is not known.
    """

    since: float
    until: float | None
    why: str
    rate: float = 0.0
    blind_at: float = 0.0
    missing: int | None = None
    blind_since: float = 0.0
    open: int = 0
    beside: float | None = None

    def close(self, when: float) -> None:
        """
        Note that the connection is back.

        :param when: when it came back, in seconds since 1970 UTC.
        """
        self.missing = self.guess(when)
        self.until = when

    def guess(self, until: float | None = None) -> int:
        """
        Return an estimate of how many events are missing.

        :param until: the end of the time to count, in seconds since 1970 UTC; None means now.
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
    """Measures whether a reader runs and how many events it reads. Only the reading thread uses it."""

    def __init__(self) -> None:
        now = time.monotonic()
        #: The number of frames read so far, and the last frame.
        self.frames = 0
        self.newest: bytes = b""
        self.last_at = now
        self.last = 0.0
        self._felt_at = now
        self._counted = 0
        #: The last standstill: its beginning, its end, and the rate before it.
        self._stood: tuple[float, float, float] | None = None
        self._counts: deque[tuple[float, int]] = deque([(now, 0)])

    def feel(self) -> None:
        """Note that the thread is running. Call this every :data:`TICK_SECONDS`."""
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
        Return how many events came per second.

        :param until: the end of the measured time, by the monotonic clock; None means now.
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
    """Return when an event was fired, from Salt's stamp in it, in seconds since 1970 UTC; 0 if it has no stamp."""
    try:
        stamp = msgspec.msgpack.decode(raw.partition(TAG_END)[2], type=dict[str, msgspec.Raw])["_stamp"]
        found = datetime.fromisoformat(msgspec.msgpack.decode(stamp, type=str))
    except (msgspec.DecodeError, KeyError, ValueError):
        return 0.0
    return (found if found.tzinfo else found.replace(tzinfo=timezone.utc)).timestamp()
