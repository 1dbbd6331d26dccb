"""
What the machine tells: a clock that nobody sets, and whether a process is there.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import msgspec


class Clock(msgspec.Struct, frozen=True):
    """
    A moment by a clock that nobody sets.

    :param boot: tells one start of the machine from another.
    :param monotonic: seconds since then.
    """

    boot: str = ""
    monotonic: float = 0.0

    @property
    def age(self) -> float | None:
        """Seconds since that moment, None if it was before the machine was started, or on another one."""
        seconds = time.monotonic() - self.monotonic
        return seconds if self.boot and self.boot == boot() and seconds >= 0 else None


def boot() -> str:
    """Return what tells this start of the machine from others, "" where nothing does."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def now() -> Clock:
    """Return this moment."""
    return Clock(boot(), time.monotonic())


def is_alive(pid: int) -> bool:
    """
    Say whether there is a process.

    :param pid: its id.
    """
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
