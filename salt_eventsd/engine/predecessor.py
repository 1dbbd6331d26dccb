"""
The engine before this one, by the state file it has left: since when nothing has been read, and what nobody has seen.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import msgspec

from salt_eventsd.bus.gaps import Gap

_CRASHED = "the engine before this one was killed, or crashed"
_ENDED = "the engine was stopped, and started again"
_IDLE = "the engine was idle, and kept no events"


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


class Looked(msgspec.Struct):
    """
    A loss nobody has looked at.

    :param events: how many.
    :param at: when the last of them was lost, in seconds since 1970 UTC.
    """

    events: int = 0
    at: float = 0.0


class _Bus(msgspec.Struct):
    last: float = 0.0
    rate: float = 0.0
    connected: bool = False
    unanswered: int = 0
    gaps: list[dict[str, Any]] = []


class _Spool(msgspec.Struct):
    dir: str = ""


class Predecessor(msgspec.Struct):
    """What is of interest of the report an engine has left."""

    written: float = 0.0
    ended: bool = False
    problems: list[str] = []
    parent: int = 0
    clock: Clock = Clock()
    bus: _Bus | None = None
    spool: _Spool = msgspec.field(default_factory=_Spool)
    losses: dict[str, Looked] = {}
    #: What an idle engine has found, and hands on.
    before: Predecessor | None = None

    def gap(self) -> Gap | None:
        """Return since when nothing has been read."""
        if not self.bus:
            return None
        blind_at = self.clock.monotonic if self.clock.age is not None else 0.0
        gap = Gap(self.bus.last or self.written, None, _ENDED if self.ended else _CRASHED, self.bus.rate, blind_at)
        gap.open = self.bus.unanswered
        if not blind_at:
            # The monotonic clock of then means nothing now, so what is known is when it reported last.
            gap.blind_since = self.written
        return gap

    def restarted_with_its_master(self) -> bool:
        """Whether it ended in order together with the process it was in, and the bus with both."""
        return self.ended and self.parent != os.getppid()


def predecessor(path: Path, spool: Path) -> Predecessor | None:
    """
    Return the engine before this one, None if there was none.

    :param path: the state file.
    :param spool: the spool's folder; another spool's engine was another one.
    """
    found = left(path)
    if found and found.before and not found.bus:
        idle, found = found, found.before
        # Since then, nothing was kept.
        found.ended = found.ended and not idle.problems
    return found if found and found.bus and found.spool.dir == str(spool) else None


def left(path: Path) -> Predecessor | None:
    """
    Return what an engine has left in its state file, None if there is nothing to read.

    :param path: the state file.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Predecessor)
    except (OSError, msgspec.DecodeError):
        return None


def boot() -> str:
    """Return what tells this start of the machine from others, "" where nothing does."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def now() -> Clock:
    """Return this moment."""
    return Clock(boot(), time.monotonic())
