"""
Limits how long one event may take. Loops over an event's content call :func:`step`, which ends them when the
time is up.

It measures the thread's own processor time, so a busy machine or another thread does not use up the limit.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

#: The clock is read every so many steps. A step takes some microseconds.
_STEPS = 32


class OutOfTime(Exception):
    """The limited block has used up its time."""


class _Budget:
    def __init__(self, seconds: float) -> None:
        self._until = time.thread_time() + seconds
        # No thread uses more processor time than passes; and to ask for what has passed costs a hundredth.
        self._not_before = time.monotonic() + seconds
        self._steps = 0

    def step(self) -> None:
        self._steps += 1
        if self._steps % _STEPS == 0:
            self.look()

    def look(self) -> None:
        now = time.monotonic()
        if now < self._not_before:
            return
        left = self._until - time.thread_time()
        if left < 0:
            raise OutOfTime
        self._not_before = now + left


_current: ContextVar[_Budget | None] = ContextVar("budget", default=None)


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """
    Limit the time of a ``with`` block.

    :param seconds: the limit, in seconds of processor time.
    :raises OutOfTime: the block took longer.
    """
    before = _current.set(_Budget(seconds))
    try:
        yield
    finally:
        _current.reset(before)


def step() -> None:
    """
    Count one step of a loop. Outside of a limited block this does nothing.

    :raises OutOfTime: the time of the limited block is up.
    """
    if (budget := _current.get()) is not None:
        budget.step()


def passed() -> None:
    """
    Read the clock at once, after something that may have taken long.

    :raises OutOfTime: the time of the limited block is up.
    """
    if (budget := _current.get()) is not None:
        budget.look()
