"""
How the cost of a step grows with what it is given: twice the bytes may not cost more than 2.5 times the time.

CPU time of the thread is measured, so a busy machine disturbs little; the best of several tries counts.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
#: How much more twice the input may cost.
MOST = 2.5
#: Below this, clocks and caches are measured, and not the step, in seconds.
_MEASURABLE_SECONDS = 0.004
_TRIES = 5
#: How many doublings are looked at where one is not clear.
_FURTHER = 5


def cpu_seconds(step: Callable[[T], object], given: T, tries: int = 1) -> float:
    """
    Return the CPU time that a step takes in this thread, the best of several tries.

    :param step: what is measured; it must leave its input as it is.
    :param given: its input.
    :param tries: how often it is done.
    """
    best = float("inf")
    # Garbage is collected whenever it has piled up, all of the process's at once.
    gc.disable()
    try:
        for _ in range(tries):
            began = time.thread_time()
            step(given)
            best = min(best, time.thread_time() - began)
    finally:
        gc.enable()
    return best


def assert_linear(
    step: Callable[[T], object], make: Callable[[int], T], smallest: int = 1024, largest: int = 2**18
) -> None:
    """
    Fail if a step costs more than :data:`MOST` times as much for twice the input.

    Inputs double from the smallest until the step takes long enough to be measured; then it is compared with the next.
    A step that is too fast to be measured with the largest is fast enough.

    :param step: what is measured; it must leave its input as it is.
    :param make: returns an input of about so many bytes.
    :param smallest: where to begin, in bytes.
    :param largest: where to end, in bytes.
    """
    size = smallest
    while size < largest and cpu_seconds(step, make(size)) < _MEASURABLE_SECONDS:
        size *= 2
    once, twice = make(size), make(size * 2)
    ratio = float("inf")
    for _ in range(_TRIES):
        small = cpu_seconds(step, once, 2)
        large = cpu_seconds(step, twice, 2)
        if large < _MEASURABLE_SECONDS:
            return
        ratio = min(ratio, large / small)
        if ratio <= MOST:
            return
    # What no longer fits into a cache costs more once; a step that grows faster does so each time.
    if cpu_seconds(step, make(size * 2**_FURTHER)) <= MOST**_FURTHER * cpu_seconds(step, once, 2):
        return
    raise AssertionError(f"{size} bytes cost {small:.4f} s, twice as many {large:.4f} s: {ratio:.1f} times as much")
