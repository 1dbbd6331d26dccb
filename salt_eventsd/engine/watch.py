"""
Which threads stand still, and which queues only grow: seen by somebody who is none of them.

Each thread shows a sign, a value that changes as long as the thread does something; whoever waits in vain for a disk, a
lock or an answer shows none. The one who looks is the thread that reports. If that stands still itself, or all of them
do because one holds Python's global lock, the age of the report tells.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

#: Shown no sign for so long, a thread stands still.
STANDS_SECONDS = 3.0
#: Whoever has not looked for so long has stood still himself, and knows nothing of the others.
_BLIND_SECONDS = 2.5

#: Returns the sign of a thread; None if it has ended.
Sign = Callable[[], Any]


def sign_of(thread: threading.Thread, sign: Sign) -> Sign:
    """
    Return the sign of a thread that may end unseen. One that was not started yet has not ended.

    :param thread: whose.
    :param sign: a value that changes as long as the thread does something.
    """
    return lambda: sign() if thread.is_alive() or not thread.ident else None


class Watch:
    """
    Looks at the signs of threads.

    :param signs: by the threads' names.
    """

    def __init__(self, signs: Mapping[str, Sign]) -> None:
        self._signs = dict(signs)
        self._seen: dict[str, tuple[Any, float]] = {}
        self._looked_at = time.monotonic()

    def add(self, name: str, sign: Sign) -> None:
        """
        Look at another thread, too.

        :param name: the thread's.
        :param sign: its sign.
        """
        self._signs = {**self._signs, name: sign}

    def look(self) -> dict[str, float | None]:
        """Return for how many seconds each thread has shown no sign; None for one that has ended."""
        now = time.monotonic()
        if now - self._looked_at > _BLIND_SECONDS:
            self._seen.clear()
        self._looked_at = now
        return {name: self._still(name, sign(), now) for name, sign in self._signs.items()}

    def _still(self, name: str, sign: Any, now: float) -> float | None:
        if sign is None:
            return None
        before = self._seen.get(name)
        if before is None or before[0] != sign:
            before = self._seen[name] = (sign, now)
        return round(now - before[1], 1)


class Growth:
    """Looks at the lengths of queues."""

    def __init__(self) -> None:
        #: When each was last seen to be shorter than before, and how long it was when it was looked at last.
        self._queues: dict[str, tuple[float, int]] = {}

    def look(self, lengths: Iterable[tuple[str, int]]) -> dict[str, float]:
        """
        Return for how many seconds each queue has only grown.

        :param lengths: name and length of each.
        """
        now = time.monotonic()
        queues = {}
        for name, length in lengths:
            since, before = self._queues.get(name, (now, 0))
            queues[name] = (since if length > before or (length == before > 0) else now, length)
        self._queues = queues
        return {name: round(now - since, 1) for name, (since, _) in queues.items()}


#: Over so long, at least, is what workers have written told as a rate.
_RATE_SECONDS = 10.0


class Pace:
    """Looks at how fast counters grow."""

    def __init__(self) -> None:
        #: When each began to be counted for a rate, and from which number; of this stretch and of the one before.
        self._counters: dict[str, tuple[tuple[float, int], tuple[float, int]]] = {}

    def look(self, counts: Iterable[tuple[str, int]]) -> dict[str, float]:
        """
        Return how much each counter grows in a second, over the last seconds.

        :param counts: name and count of each.
        """
        now = time.monotonic()
        counters, rates = {}, {}
        for name, count in counts:
            before, since = self._counters.get(name, ((now, count), (now, count)))
            if now - since[0] >= _RATE_SECONDS:
                before, since = since, (now, count)
            counters[name] = (before, since)
            rates[name] = round(max(0, count - before[1]) / (now - before[0]), 1) if now > before[0] else 0.0
        self._counters = counters
        return rates
