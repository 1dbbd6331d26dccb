"""
Measures how the cost of a step grows with its input: twice the bytes may not cost more than 2.5 times the time.

It measures the thread's CPU time, so a busy machine disturbs little. The best of several tries counts.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
#: How many times as much a step may cost for twice the input.
MOST = 2.5
#: A shorter time, in seconds, measures clocks and caches and not the step.
_MEASURABLE_SECONDS = 0.002
_TRIES = 5
#: How many doublings to measure if one doubling gives no clear result.
_FURTHER = 5


def cpu_seconds(step: Callable[[T], object], given: T, tries: int = 1) -> float:
    """
    Return the CPU time that a step takes in this thread, the best of several tries.

    :param step: the step to measure; it must not change its input.
    :param given: its input.
    :param tries: how often to run it.
    """
    best = float("inf")
    # A garbage collection may run at any time, and collects the garbage of the whole process.
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

    The input doubles from the smallest until the step takes long enough to be measured; this time is compared with that
    of the next input. A step that is too fast to be measured with the largest input is fast enough.

    :param step: the step to measure; it must not change its input.
    :param make: returns an input of about so many bytes.
    :param smallest: the smallest input, in bytes.
    :param largest: the largest input, in bytes.
    """
    size = smallest
    while size < largest and cpu_seconds(step, make(size)) < _MEASURABLE_SECONDS:
        size *= 2
    once, twice = make(size), make(size * 2)
    ratio = float("inf")
    for _ in range(_TRIES):
        small = cpu_seconds(step, once, 2)
        # One that took too long by chance is tried again with both.
        large = cpu_seconds(step, twice)
        if large < _MEASURABLE_SECONDS:
            return
        ratio = min(ratio, large / small)
        if ratio <= MOST:
            return
    # An input that exceeds a cache costs more once; a step that is not linear costs more at each doubling.
    if cpu_seconds(step, make(size * 2**_FURTHER)) <= MOST**_FURTHER * cpu_seconds(step, once, 2):
        return
    raise AssertionError(f"{size} bytes cost {small:.4f} s, twice as many {large:.4f} s: {ratio:.1f} times as much")
