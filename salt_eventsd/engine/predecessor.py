"""
The engine before this one, by the state file it has left: since when nothing has been read of the event bus, and what
no operator has looked at yet.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from salt_eventsd.common.machine import Clock
from salt_eventsd.engine.report import Loss, ReportedGap

if TYPE_CHECKING:
    from salt_eventsd.bus.gaps import Gap

_CRASHED = "the engine before this one was killed, or crashed"
_ENDED = "the engine was stopped, and started again"
#: Where /proc/PID/stat says when a process began, counted behind its name (proc_pid_stat(5)).
_START_FIELD = 19


class PastBus(msgspec.Struct, frozen=True):
    """What an engine has left of its :class:`salt_eventsd.engine.report.BusReport`."""

    last: float = 0.0
    rate: float = 0.0
    connected: bool = False
    unanswered: int = 0
    received: int = 0
    beside_jobs: int | None = None
    gaps: list[ReportedGap] = []


class PastSpool(msgspec.Struct, frozen=True):
    """What an engine has left of its :class:`salt_eventsd.engine.report.SpoolReport`."""

    dir: str = ""
    handed_refused: int | None = None


class Predecessor(msgspec.Struct, frozen=True):
    """
    What an engine has left of its :class:`salt_eventsd.engine.report.Report`. Every key may be missing: after an
    upgrade the engine before was of another version.

    :param before: an idle engine keeps here what the last one that worked has left.
    """

    written: float = 0.0
    ended: bool = False
    problems: list[str] = []
    parent: int = 0
    clock: Clock = Clock()
    bus: PastBus | None = None
    spool: PastSpool = PastSpool()
    losses: dict[str, Loss] = {}
    before: Predecessor | None = None

    def gap(self) -> Gap | None:
        """Return since when nothing has been read; None if it never read anything."""
        # Who only reads the status has no need of the bus.
        from salt_eventsd.bus.gaps import Gap

        if not self.bus:
            return None
        blind_at = self.clock.monotonic if self.clock.age is not None else 0.0
        if self.restarted_with_its_master():
            # While no master ran there was no bus, and nothing that could be missed.
            blind_at = max(blind_at, _began(os.getppid()))
        gap = Gap(self.bus.last or self.written, None, _ENDED if self.ended else _CRASHED, self.bus.rate, blind_at)
        gap.open = self.bus.unanswered
        if self.bus.beside_jobs is not None:
            gap.beside = part_of(self.bus.beside_jobs, self.bus.received)
        if not blind_at:
            # The machine was started again, and with it the monotonic clock; when it reported last is known.
            gap.blind_since = self.written
        return gap

    def restarted_with_its_master(self) -> bool:
        """Whether it was stopped together with the process it was in, and the bus with both."""
        return self.ended and self.parent != os.getppid()


def part_of(some: int, received: int) -> float | None:
    """
    Return which part some events are of all that an engine has read; None if it has read none.

    :param some: how many they are.
    :param received: how many it has read.
    """
    return min(1.0, some / received) if received else None


def _began(pid: int) -> float:
    """Return when a process began, by the monotonic clock; 0 if that cannot be known."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        ticks = int(stat.rpartition(")")[2].split()[_START_FIELD])
        # The kernel counts from the start of the machine on, also while it sleeps.
        slept = time.clock_gettime(time.CLOCK_BOOTTIME) - time.monotonic()
        began = ticks / os.sysconf("SC_CLK_TCK") - slept
    except (OSError, ValueError, IndexError, AttributeError):
        return 0.0
    return began if 0 < began <= time.monotonic() else 0.0


def predecessor(path: Path, spool: Path) -> Predecessor | None:
    """
    Return the engine before this one, None if there was none.

    :param path: the state file.
    :param spool: the spool's folder. An engine with another spool is not the one before this.
    """
    found = left(path)
    if found and found.before and not found.bus:
        idle, found = found, found.before
        # An idle engine keeps no events: the engine before it did not hand over to this one.
        found = msgspec.structs.replace(found, ended=found.ended and not idle.problems)
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
