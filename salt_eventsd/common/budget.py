"""
How long one event may take: loops over what is in it say now and then that they go on, and are ended when they may not.

A thread's own processor time is measured, so that a busy machine, or another thread, takes nothing of it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

#: The clock is looked at every so many steps, of some microseconds each.
_STEPS = 32


class OutOfTime(Exception):
    """What was limited has taken as long as it may."""


class _Budget:
    def __init__(self, seconds: float) -> None:
        self._until = time.thread_time() + seconds
        self._steps = 0

    def step(self) -> None:
        self._steps += 1
        if self._steps % _STEPS == 0:
            self.look()

    def look(self) -> None:
        if time.thread_time() > self._until:
            raise OutOfTime


_current: ContextVar[_Budget | None] = ContextVar("budget", default=None)


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """
    End the block when it has taken so long.

    :param seconds: of processor time.
    :raises OutOfTime: it has.
    """
    before = _current.set(_Budget(seconds))
    try:
        yield
    finally:
        _current.reset(before)


def step() -> None:
    """
    Say that a loop goes on, within a block that is limited or not.

    :raises OutOfTime: it may not.
    """
    if (budget := _current.get()) is not None:
        budget.step()


def passed() -> None:
    """
    Say that something that may have taken long is done: the clock is looked at at once.

    :raises OutOfTime: it has.
    """
    if (budget := _current.get()) is not None:
        budget.look()
