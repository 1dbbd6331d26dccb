"""
Which threads stand still, which queues only grow, and how fast counters grow.

Each thread has a sign, a value that changes as long as the thread does something. While a thread waits in vain for a
disk, a lock or an answer, its sign stays as it is. The thread that makes reports looks at all signs. If that thread
stands still itself, or another one holds Python's global lock and so stops all, no report is written, and readers see
that the last one is old.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

#: If a thread's sign has not changed for so long, the thread stands still.
STANDS_SECONDS = 3.0
#: If the thread that looks has not looked for so long, it stood still itself, and knows nothing of the others.
_BLIND_SECONDS = 2.5

#: Returns the sign of a thread; None if it has ended.
Sign = Callable[[], Any]


def sign_of(thread: threading.Thread, sign: Sign) -> Sign:
    """
    Return the sign of a thread that may end without anybody noticing. A thread that was not started yet has not ended.

    :param thread: the thread.
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

        :param name: its name.
        :param sign: its sign.
        """
        self._signs = {**self._signs, name: sign}

    def look(self) -> dict[str, float | None]:
        """Return for how many seconds each thread's sign has not changed; None for a thread that has ended."""
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
    """Looks at the lengths of queues: a queue that only grows is never written fast enough."""

    def __init__(self) -> None:
        #: By name: when the queue was last seen to get shorter, and its length at the last look.
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


#: A rate is the average over so long at least, and twice as long at most.
_RATE_SECONDS = 10.0


class Pace:
    """Looks at how fast counters grow."""

    def __init__(self) -> None:
        #: By name: the beginnings, each as time and count, of the stretch before this one and of this one.
        self._counters: dict[str, tuple[tuple[float, int], tuple[float, int]]] = {}

    def look(self, counts: Iterable[tuple[str, int]]) -> dict[str, float]:
        """
        Return by how much each counter has grown in a second, on average.

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
