"""What processes have spent, and waiting for what they do."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from benchmarks.rig import Process, RigError

LONGEST_SECONDS = 120.0


def waits(pid: int) -> dict[int, tuple[int, int]]:
    """
    Return how many nanoseconds each thread of a process and of its children has run, and has waited for a processor.

    :param pid: of the process.
    """
    found = {}
    for process in _family(pid):
        for task in Path(f"/proc/{process.pid}/task").glob("*/schedstat"):
            with suppress(OSError, ValueError):
                run, waited, _ = task.read_text(encoding="utf-8").split()
                found[int(task.parent.name)] = int(run), int(waited)
    return found


def crowded(before: dict[int, tuple[int, int]], after: dict[int, tuple[int, int]]) -> int:
    """
    Return for how many nanoseconds the thread that has run most has waited.

    :param before: from :func:`waits`.
    :param after: the same, later.
    """
    spent = [
        (run - before.get(thread, (0, 0))[0], waited - before.get(thread, (0, 0))[1])
        for thread, (run, waited) in after.items()
    ]
    return max(spent, default=(0, 0))[1]


def _family(pid: int) -> list[Process]:
    return [Process(pid), *Process(pid).children()]


def cpu_seconds(pid: int) -> float:
    """
    Return the CPU time of a process and its children, also of those that have ended: PostgreSQL ends some at any time.

    :param pid: of the process.
    """
    spent = 0.0
    for process in _family(pid):
        with suppress(psutil.NoSuchProcess):
            times = psutil.Process(process.pid).cpu_times()
            spent += times.user + times.system + times.children_user + times.children_system
    return spent


def until(condition: Callable[[], bool], what: str) -> None:
    """
    Wait.

    :param condition: until it is true.
    :param what: what is waited for, for the error.
    :raises RigError: it has not become true.
    """
    end = time.monotonic() + LONGEST_SECONDS
    while not condition():
        if time.monotonic() > end:
            raise RigError(f"no {what} within {LONGEST_SECONDS:g} s")
        time.sleep(0.01)
