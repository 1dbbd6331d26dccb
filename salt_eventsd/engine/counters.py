"""
Every number the engine reports, registered once: its name, its kind, what it means, and how it is read.

The state file, ``salt-run eventsd.status``, the event ``eventsd/stats`` and the metrics are all made from this list. To
add a counter, add it here; the code that counts stays where the counting happens.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from salt_eventsd.dispatch.backlog import Backlog
    from salt_eventsd.engine.readings import LaneReading, Reading, WorkerReading

#: What counters of a section are read from.
Source = TypeVar("Source")
#: Numbers by the counters' names.
Counts = dict[str, int | float]

#: The names of our metrics begin with this.
METRIC_PREFIX = "salt_eventsd_"


class Kind(Enum):
    """How a number behaves, in Prometheus's terms."""

    #: Starts at 0 with the engine, and only grows.
    COUNTER = "counter"
    #: Goes up and down.
    GAUGE = "gauge"


@dataclass(frozen=True)
class Counter(Generic[Source]):
    """
    A number the engine reports.

    :param name: its key in the state file, in ``eventsd.status`` and in the event ``eventsd/stats``.
    :param about: what it counts, in one sentence; the help text of its metric.
    :param read: returns its value now.
    :param metric: the name of its metric, without :data:`METRIC_PREFIX`; "" if it has none.
    :param over: makes one number of those of a worker's lanes.
    """

    name: str
    about: str
    read: Callable[[Source], int | float]
    metric: str = ""
    kind: Kind = Kind.COUNTER
    over: Callable[[Iterable[int | float]], int | float] = sum


@dataclass(frozen=True)
class Gauge(Counter[Source]):
    """A number that goes up and down; its parameters are those of :class:`Counter`."""

    kind: Kind = Kind.GAUGE


class Section(Generic[Source]):
    """
    The counters of one part of the report.

    :param counters: to begin with.
    """

    def __init__(self, *counters: Counter[Source]) -> None:
        self._counters: dict[str, Counter[Source]] = {}
        for counter in counters:
            self.register(counter)

    def register(self, counter: Counter[Source]) -> None:
        """
        Add a counter.

        :param counter: the counter.
        :raises ValueError: there is one of its name.
        """
        if counter.name in self._counters:
            raise ValueError(f"there is a counter {counter.name} already")
        self._counters[counter.name] = counter

    def __iter__(self) -> Iterator[Counter[Source]]:
        return iter(self._counters.values())

    @property
    def names(self) -> tuple[str, ...]:
        """The counters' names."""
        return tuple(self._counters)

    def read(self, source: Source) -> Counts:
        """
        Read every counter.

        :param source: what to read them from.
        """
        return {counter.name: counter.read(source) for counter in self}

    def together(self, several: Iterable[Counts]) -> Counts:
        """
        Make one set of numbers of several.

        :param several: each from :meth:`read`.
        """
        some = list(several)
        return {counter.name: counter.over([one[counter.name] for one in some]) for counter in self}


#: What is read of the event bus, and what becomes of it before the spool.
BUS: Section[Reading] = Section(
    Counter("reconnects", "Times the event bus was connected again.", lambda it: it.parts.link.reconnects),
    Counter(
        "gaps_noticed",
        "Times in which events may have been missed.",
        lambda it: it.parts.ledger.noticed,
        metric="bus_gaps_total",
    ),
    Counter(
        "received",
        "Events read from the event bus.",
        lambda it: it.parts.link.received,
        metric="events_received_total",
    ),
    Counter(
        "matched", "Events that a rule takes.", lambda it: it.parts.intake.taking.matched, metric="events_matched_total"
    ),
    Counter("ignored", "Events that no rule takes.", lambda it: it.parts.intake.taking.ignored),
    Counter(
        "beside_jobs",
        "Events that a rule takes and that are in no job cache.",
        lambda it: it.parts.intake.taking.beside_jobs,
    ),
    Counter(
        "lost",
        "Events that were read and lost before they could be spooled.",
        lambda it: it.parts.link.lost + it.parts.inbox.dropped + it.parts.intake.lost,
        metric="events_lost_total",
    ),
    Counter("forged", "Job-like events that a minion fired by itself.", lambda it: it.parts.intake.taking.forged),
    Counter(
        "copied",
        "Events of other masters of the cluster, which are left to the engines there.",
        lambda it: it.parts.intake.taking.copied,
    ),
    Counter(
        "taken_over",
        "Events of other masters of the cluster that the engines there have not kept.",
        lambda it: it.parts.intake.taking.peers.taken,
    ),
    Counter(
        "withheld", "Events that were not given to a worker as they are.", lambda it: it.parts.intake.taking.withheld
    ),
    Counter(
        "undecided",
        "Events for which an expression of a rule ran out of time.",
        lambda it: sum(it.parts.intake.pipeline.rules.undecided.events.values()),
    ),
    Counter(
        "masked_unread",
        "Texts that were masked whole because looking through them took too long.",
        lambda it: it.parts.intake.pipeline.redactor.tally.texts,
    ),
    Gauge(
        "unanswered",
        "Answers to recent jobs that have not come yet.",
        lambda it: it.unanswered,
    ),
    Gauge("events_per_second", "Events read in a second.", lambda it: round(it.parts.link.state.rate, 1)),
)

#: What the spool holds, and what it had to let go.
SPOOL: Section[Reading] = Section(
    Gauge("events", "Events in the spool.", lambda it: sum(lane.backlog.events for lane in it.lanes)),
    Gauge(
        "bytes",
        "Bytes of the events in the spool.",
        lambda it: it.parts.quota.waiting,
        metric="spool_bytes",
    ),
    Gauge("max_bytes", "The configured spool.max_bytes.", lambda it: int(it.parts.quota.config.max_bytes)),
    Gauge("file_bytes", "Bytes of the spool's files.", lambda it: it.parts.spool.disk.used_bytes()),
    Gauge(
        "oldest_seconds",
        "Age of the oldest event that waits for a configured worker.",
        lambda it: max((_age(it.oldest.get(lane.name, 0.0)) for lane in it.lanes if not lane.retired), default=0.0),
        metric="spool_oldest_seconds",
    ),
    Counter(
        "handed",
        "Returns that only Salt's job cache has handed over, and not the event bus.",
        lambda it: it.parts.drain.taken if it.parts.drain else 0,
    ),
    Gauge("handed_waiting", "Returns of Salt's job cache that are to be taken in.", lambda it: it.handed.waiting),
    Gauge("handed_seconds", "Age of the oldest of them.", lambda it: _age(it.handed.oldest)),
    Gauge(
        "handed_refused",
        "What Salt's job cache was told and had no room for, by all processes of the master since the file was made.",
        lambda it: it.handed.refused,
    ),
    Gauge("unkept_events", "Events in memory that the spool did not take.", lambda it: it.parts.intake.unkept_events),
    Counter(
        "orphaned_gone",
        "Events dropped or lost that waited for workers and rules no longer configured.",
        lambda it: sum(_gone(lane.backlog) for lane in it.lanes if lane.retired),
    ),
    Counter(
        "orphaned_dropped",
        "Events that eventsd.drop_orphaned removed.",
        lambda it: sum(lane.backlog.removed for lane in it.lanes),
    ),
    Gauge("letters_bytes", "Bytes of the dead letters.", lambda it: it.parts.spool.burials.letter_bytes),
    Counter(
        "letters_dropped",
        "Dead letters that gave way to newer ones.",
        lambda it: it.parts.spool.burials.letters_given_way.total(),
    ),
    Counter(
        "set_aside_deleted",
        "Broken spools that were set aside and deleted later.",
        lambda it: it.parts.spool.file.aside.deleted,
    ),
)

#: What a lane has done and has before it; a worker has the numbers of all its lanes together.
LANE: Section[LaneReading] = Section(
    Gauge("up", "1 if the last try to write succeeded, else 0.", lambda it: int(it.is_up), "worker_up", over=min),
    Gauge("queued_events", "Events that wait.", lambda it: it.lane.backlog.events, "queue_events"),
    Gauge("queued_bytes", "Bytes of the events that wait.", lambda it: it.lane.backlog.bytes),
    Gauge("oldest_age", "Seconds since the oldest of them was read.", lambda it: _age(it.oldest), over=max),
    Gauge("growing_seconds", "For how long the queue has only grown.", lambda it: it.growing_seconds, over=max),
    Gauge(
        "paused_seconds",
        "For how long an operator has had it wait.",
        lambda it: max(_age(it.lane.paused_at), 0.1) if it.lane.paused_at else 0.0,
        "worker_paused_seconds",
        over=max,
    ),
    Gauge("in_flight", "Batches that are being written.", lambda it: it.lane.flights.count),
    Gauge("hanging_seconds", "For how long a batch has hung.", lambda it: it.hanging_seconds, over=max),
    Gauge("next_try_seconds", "Until the next try.", lambda it: round(it.lane.retry.wait_seconds, 1), over=max),
    Counter("written", "Events written.", lambda it: it.lane.written, "written_total"),
    Counter("buried", "Events the backend refused, kept as dead letters.", lambda it: it.lane.buried, "buried_total"),
    Counter("failed", "The same as buried.", lambda it: it.lane.buried),
    Counter(
        "dropped", "Events dropped because the spool was full.", lambda it: it.lane.backlog.dropped, "dropped_total"
    ),
    Counter("lost", "Events lost in a spool that broke.", lambda it: it.lane.backlog.lost),
    Counter("lost_behind", "Events lost with a broker that had them.", lambda it: it.lane.lost_behind),
    Counter("retries", "Tries to write that failed.", lambda it: it.lane.retries, "retries_total"),
    Counter("renamed", "Events written under new names, theirs being taken.", lambda it: it.lane.renamed),
    Counter("elsewhere", "Events another engine on a copy of this spool wrote.", lambda it: it.lane.elsewhere),
)

#: What is known of a worker as a whole only.
WORKER: Section[WorkerReading] = Section(
    Gauge("dead_letters", "Dead letters there are now.", lambda it: it.dead_letters),
    Counter("letters_dropped", "Dead letters that gave way to newer ones.", lambda it: it.letters_dropped),
    Gauge("written_per_second", "Events written in a second.", lambda it: it.written_per_second),
)


def _age(since: float) -> float:
    """Seconds since a moment, which is in seconds since 1970 UTC; 0 if there is none."""
    return round(max(0.0, time.time() - since), 1) if since else 0.0


def _gone(backlog: Backlog) -> int:
    """Events dropped or lost without an operator having asked for it."""
    return backlog.dropped + backlog.lost - backlog.removed
