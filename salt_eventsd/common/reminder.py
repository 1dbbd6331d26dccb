"""
Limit a repeated message to one a minute, with a count of how often it happened.
"""

from __future__ import annotations

import time

_SECONDS = 60.0


class Reminder:
    """
    Counts how often something happened, and says when to report it.

    :param seconds: the shortest time between two reports.
    """

    def __init__(self, seconds: float = _SECONDS) -> None:
        self._seconds = seconds
        self._untold = 0
        self._next = 0.0

    def due(self) -> int:
        """Count once more; return how often it happened since the last report, or 0 if it is too early for another."""
        self._untold += 1
        now = time.monotonic()
        if now < self._next:
            return 0
        self._next = now + self._seconds
        untold, self._untold = self._untold, 0
        return untold
