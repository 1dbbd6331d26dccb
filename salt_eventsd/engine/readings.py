"""
What the registered counters are read from: the parts of an engine, a lane, a worker.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from salt_eventsd.bus.inbox import Inbox
from salt_eventsd.bus.link import Link
from salt_eventsd.dispatch.lane import Lane
from salt_eventsd.dispatch.quota import Quota
from salt_eventsd.dispatch.run import Dispatcher
from salt_eventsd.engine.ledger import Ledger
from salt_eventsd.engine.watch import Growth, Pace, Watch
from salt_eventsd.exceptions import SpoolError
from salt_eventsd.intake.drain import Drain
from salt_eventsd.intake.thread import Intake
from salt_eventsd.spool.doorstep import Queue
from salt_eventsd.spool.keep import Spool

#: A batch hangs that takes so much longer than one usually does.
_HANGING_SECONDS = 5.0


@dataclass(frozen=True)
class Parts:
    """
    The parts of an engine that have something to report.

    :param started: when the engine was started, in seconds since 1970 UTC.
    """

    started: float
    link: Link
    ledger: Ledger
    watch: Watch
    inbox: Inbox
    intake: Intake
    lanes: Mapping[str, Lane]
    spool: Spool
    quota: Quota
    dispatcher: Dispatcher
    #: What takes in what Salt hands to its job cache.
    drain: Drain | None = None
    #: Why metrics cannot be read; "" if they can, or are not wanted.
    no_metrics: Callable[[], str] = lambda: ""
    #: What the spool answered last, for the times when its disk stalls.
    told: dict[str, Any] = field(default_factory=dict)
    growth: Growth = field(default_factory=Growth)
    pace: Pace = field(default_factory=Pace)

    def ask(self, key: str, question: Callable[[], Any], otherwise: Any) -> Any:
        """
        Ask the spool; while it does not answer, return what it answered last.

        :param key: tells this question from others.
        :param question: asks it.
        :param otherwise: the answer if it has never answered.
        """
        with suppress(SpoolError):
            self.told[key] = question()
        return self.told.get(key, otherwise)


@dataclass(frozen=True)
class Reading:
    """
    What the counters of the bus and the spool are read from.

    :param lanes: those there are now, also of workers and rules no longer configured.
    :param oldest: when the oldest event of each lane was read, in seconds since 1970 UTC; 0 if none waits.
    :param unanswered: answers to recent jobs that are still to come.
    """

    parts: Parts
    lanes: list[Lane]
    oldest: Mapping[str, float]
    unanswered: int

    @cached_property
    def handed(self) -> Queue:
        """What Salt has handed to its job cache, and has not been taken in yet."""
        drain = self.parts.drain
        found: Queue = self.parts.ask("doorstep", drain.doorstep.queue, Queue()) if drain else Queue()
        return found


@dataclass(frozen=True)
class LaneReading:
    """
    What the counters of a lane are read from.

    :param oldest: when its oldest event was read, in seconds since 1970 UTC; 0 if none waits.
    :param growing_seconds: for how long its queue has only grown.
    """

    lane: Lane
    oldest: float = 0.0
    growing_seconds: float = 0.0

    @property
    def is_up(self) -> bool:
        """Whether its last try to write succeeded."""
        return self.lane.state == "ok"

    @property
    def hanging_seconds(self) -> int:
        """For how long a batch has hung; 0 if none does."""
        clock, too_long = time.monotonic(), self.lane.flights.usual_seconds + _HANGING_SECONDS
        return max((round(clock - at) for at in self.lane.flights.times() if clock - at > too_long), default=0)


@dataclass(frozen=True)
class WorkerReading:
    """
    What the counters of a worker are read from.

    :param dead_letters: how many it has.
    :param letters_dropped: how many of them gave way to newer ones.
    :param written_per_second: events it writes.
    """

    dead_letters: int = 0
    letters_dropped: int = 0
    written_per_second: float = 0.0
