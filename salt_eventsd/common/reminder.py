"""
Tell what happens again and again once a minute, with how often it did.
"""

from __future__ import annotations

import time

_SECONDS = 60.0


class Reminder:
    """
    Counts what has happened, and says when it is to be told.

    :param seconds: how long it is quiet after it was told.
    """

    def __init__(self, seconds: float = _SECONDS) -> None:
        self._seconds = seconds
        self._untold = 0
        self._next = 0.0

    def due(self) -> int:
        """Count once more; return how often it has happened since it was told last, or 0 if it is not to be told."""
        self._untold += 1
        now = time.monotonic()
        if now < self._next:
            return 0
        self._next = now + self._seconds
        untold, self._untold = self._untold, 0
        return untold
