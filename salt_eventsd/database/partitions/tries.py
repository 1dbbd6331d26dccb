"""
Have a table for oneself, though others write and read: in short tries, for whoever writes waits behind each of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

#: How long a try may wait, in seconds. The longer it was tried, the longer one may wait.
_SHORTEST, _LONGEST = 0.05, 0.5
_GROWS = 0.01
#: After a try comes a rest of so many times its length, in which those go on that have waited behind it.
_RESTS = 10


def tries(seconds: float, wait: Callable[[float], object] = time.sleep) -> Iterator[float]:
    """
    Yield how long each try may wait for its locks, in seconds, and rest between two of them.

    :param seconds: how long it is tried in all.
    :param wait: waits so many seconds.
    """
    began = time.monotonic()
    while True:
        patience = min(_LONGEST, max(_SHORTEST, (time.monotonic() - began) * _GROWS))
        yield patience
        if time.monotonic() - began + patience * _RESTS > seconds:
            return
        wait(patience * _RESTS)
