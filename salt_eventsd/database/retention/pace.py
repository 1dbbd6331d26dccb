"""How much a step looks at or deletes, and how long the rest after it is, so that whoever writes hardly waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

#: What a step should take, in seconds: as long may a writer of SQLite wait.
_STEP_SECONDS = 0.1
_FEWEST, _FIRST, _MOST = 50, 500, 5000
_LONGEST_REST = 10.0


class Pace:
    """
    The pace of one purge.

    :param share: how much of the time the steps may take, up to 1.
    :param stop: set to end the purge before its next step.
    """

    def __init__(self, share: float = 0.2, stop: threading.Event | None = None) -> None:
        #: How many rows a step is to look at.
        self.looks = _FIRST
        #: How many rows a step is to change, which takes far longer.
        self.rows = _FIRST
        self._share = share
        self._stop = stop or threading.Event()

    @property
    def stopped(self) -> bool:
        """Whether the purge is to end."""
        return self._stop.is_set()

    def wait(self, seconds: float) -> None:
        """
        Wait, unless the purge is to end.

        :param seconds: how long.
        """
        self._stop.wait(seconds)

    @contextmanager
    def step(self) -> Iterator[list[int]]:
        """
        Take a step: rest after it, and make the next one of its kind larger or smaller if it was quick or slow.

        Who changes rows says how many they were, in the list that this yields; otherwise it was a look.
        """
        began = time.monotonic()
        changed: list[int] = []
        yield changed
        took = max(time.monotonic() - began, 0.001)
        if any(changed):
            # That a few rows took no time tells nothing of many.
            self.rows = _fitting(self.rows, took, grows=sum(changed) >= self.rows / 2)
        else:
            self.looks = _fitting(self.looks, took)
        self.wait(min(_LONGEST_REST, took * (1 / self._share - 1)))


def _fitting(rows: int, took: float, *, grows: bool = True) -> int:
    factor = min(2.0 if grows else 1.0, max(0.25, _STEP_SECONDS / took))
    return round(min(_MOST, max(_FEWEST, rows * factor)))
