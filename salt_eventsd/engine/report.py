"""
What an engine reports, as its writer and all readers share it. A missing key is an error for every one of them.

:mod:`collect` makes a report of a running engine; :mod:`state_file` writes and reads it. Numbers are in ``counts``, by
their names in :mod:`counters`; in the state file they stand beside the other keys.
"""

from __future__ import annotations

import msgspec

from salt_eventsd.common.machine import Clock
from salt_eventsd.engine.counters import Counts

#: What the lane is called that all rules share which have no table or statement of their own.
BUILT_IN = "all others"


class ReportedGap(msgspec.Struct, frozen=True):
    """
    A time in which events may have been missed.

    :param since: when it began, in seconds since 1970 UTC.
    :param until: when it ended; None while it lasts.
    :param why: the reason, as far as it is known.
    :param missing: about how many events were missed; None if nobody can tell.
    :param seen: whether nobody needs to be told of it: an operator has looked, or nothing can be missing.
    :param repaired: how many events of it Salt's job cache has had, which are no longer missing; None if it has not
        been asked to the end.
    :param beside_jobs: about how many events were missed that rules take and no job cache has; None if nobody can tell.
    """

    since: float = msgspec.field(name="from")
    until: float | None = msgspec.field(name="to")
    why: str
    missing: int | None = None
    seen: bool = True
    repaired: int | None = None
    beside_jobs: int | None = None


class Loss(msgspec.Struct, frozen=True):
    """
    Events that were lost, and no operator has looked at it yet.

    :param events: how many.
    :param at: when the last of them was lost, in seconds since 1970 UTC.
    """

    events: int = 0
    at: float = 0.0


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the report with registered numbers; ``part["written"]`` is one of them."""

    counts: Counts

    def __getitem__(self, name: str) -> int | float:
        return self.counts[name]

    def count(self, name: str) -> int:
        """
        Return a number that counts things.

        :param name: the counter's.
        """
        return int(self.counts[name])


class ReaderReport(msgspec.Struct, frozen=True):
    """
    The process that reads the event bus.

    :param waiting_bytes: what it has read and the engine has not taken yet.
    :param dropped: events it had no room for.
    """

    pid: int
    waiting_bytes: int
    dropped: int


class PeerReport(msgspec.Struct, frozen=True):
    """
    Another master of the cluster.

    :param engine: ``alive``, ``down``, or ``waiting`` to be heard for the first time.
    :param heard: when its engine was heard last, in seconds since 1970 UTC; 0 if it never was.
    :param copied: events of it that have come and that a rule wants.
    :param taken: how many of them are kept here.
    """

    engine: str
    heard: float
    copied: int
    taken: int


class BusReport(Counted, frozen=True, kw_only=True):
    """
    The event bus. Moments are in seconds since 1970 UTC, 0 if there was none.

    :param since: when it was connected.
    :param last: when the last event was read.
    :param rate: events in a second.
    :param gaps: the newest last.
    :param peers: the other masters of the cluster, by their ids.
    """

    connected: bool
    since: float
    last: float
    rate: float
    reader: ReaderReport
    gaps: list[ReportedGap]
    peers: dict[str, PeerReport]


class DispatchReport(msgspec.Struct, frozen=True):
    """
    The thread that gives out batches.

    :param error: why it cannot, "" if it can.
    """

    error: str


class LaneReport(Counted, frozen=True, kw_only=True):
    """
    A lane. Moments are in seconds since 1970 UTC, 0 if there was none.

    :param state: ``ok``, ``retrying`` or ``held``.
    :param last_error: why the last failed try failed, "" if none did.
    :param batch_seconds: how old an event may become before its batch is due.
    :param last_write: when a batch was written last.
    :param last_drop: when an event was dropped last.
    """

    state: str
    last_error: str
    batch_seconds: float
    last_write: float
    last_drop: float


class WorkerReport(LaneReport, frozen=True, kw_only=True):
    """
    A worker: its lanes together, the worst of them deciding its state.

    :param rules: its lanes by the rules' names, if there is more than one.
    """

    rules: dict[str, LaneReport] | msgspec.UnsetType = msgspec.UNSET

    @property
    def lanes(self) -> dict[str, LaneReport]:
        """Its lanes by the rules' names; {} if there is only one."""
        return {} if self.rules is msgspec.UNSET else self.rules


class SpoolReport(Counted, frozen=True, kw_only=True):
    """
    The spool.

    :param dir: its folder.
    :param full: whether it is as large as ``max_bytes`` allows, so that events are dropped.
    :param error: why it cannot be written, "" if it can.
    :param orphaned: events that wait for workers and rules no longer configured, by lane.
    :param orphaned_letters: dead letters of workers no longer configured, by worker.
    :param set_aside: paths of spools that broke.
    """

    dir: str
    full: bool
    error: str
    orphaned: dict[str, int]
    orphaned_letters: dict[str, int]
    set_aside: list[str]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """
    What a working engine reports. Moments are in seconds since 1970 UTC.

    :param version: of salt-eventsd.
    :param parent: the process it is a child of.
    :param started: when the engine was started.
    :param written: when the report was made.
    :param clock: the same moment by the clock nobody sets.
    :param timer: ``state_timer``, in seconds.
    :param ended: whether this is the last report of an engine that was stopped.
    :param problems: none: those of an engine that is idle stand here.
    :param threads: for how many seconds each thread has shown no sign; None for one that has ended.
    :param metrics: why they cannot be read; "" if they can, or are not wanted.
    :param losses: what was lost and nobody has looked at, by what :func:`problems.lost_events` calls it.
    :param seen: when an operator looked last, 0 if nobody has.
    """

    version: str
    pid: int
    parent: int
    started: float
    written: float
    clock: Clock
    timer: float
    ended: bool
    problems: list[str]
    threads: dict[str, float | None]
    bus: BusReport
    dispatch: DispatchReport
    workers: dict[str, WorkerReport]
    spool: SpoolReport
    metrics: str
    losses: dict[str, Loss]
    seen: float
