"""
How long something takes: a histogram, as Prometheus has them.
"""

from __future__ import annotations

import itertools
import threading
from bisect import bisect_left
from typing import NamedTuple

#: The upper bounds of the buckets, in seconds.
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Taken(NamedTuple):
    """
    What was timed so far.

    :param counts: how many took up to each of :data:`BOUNDS`, and how many there were in all.
    :param seconds: how long all of them took together.
    """

    counts: tuple[int, ...]
    seconds: float


class Timings:
    """Counts how long something takes. Every call is thread-safe."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._counts = [0] * (len(BOUNDS) + 1)
        self._seconds = 0.0

    def add(self, seconds: float) -> None:
        """
        Count one.

        :param seconds: how long it took.
        """
        with self._mutex:
            self._counts[bisect_left(BOUNDS, seconds)] += 1
            self._seconds += seconds

    def taken(self) -> Taken:
        """Return what was timed so far."""
        with self._mutex:
            return Taken(tuple(itertools.accumulate(self._counts)), self._seconds)


def together(several: list[Taken]) -> Taken:
    """
    Return several timings as one.

    :param several: at least one.
    """
    return Taken(tuple(map(sum, zip(*(one.counts for one in several)))), sum(one.seconds for one in several))
