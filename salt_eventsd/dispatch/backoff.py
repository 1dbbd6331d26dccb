"""How long to wait before the next try: arithmetic alone, without a clock."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Backoff:
    """
    Exponential backoff with full jitter.

    Full jitter (a wait drawn evenly from everything below the cap) keeps the workers of several masters from asking a
    database all at once when it comes back.

    :param first_seconds: the cap of the first wait.
    :param most_seconds: no wait is longer.
    :param least_seconds: no wait is shorter, so that a fault that answers at once does not spin.
    """

    first_seconds: float = 0.5
    most_seconds: float = 30.0
    least_seconds: float = 0.1

    def seconds(self, failures: int, draw: Callable[[], float] = random.random) -> float:
        """
        Return the wait before the next try.

        :param failures: how many tries in a row have failed, from 1.
        :param draw: returns a number in [0, 1); a test gives its own.
        """
        exponent = min(max(failures, 1) - 1, 32)
        cap = min(self.most_seconds, self.first_seconds * 2.0**exponent)
        return max(self.least_seconds, cap * draw())
