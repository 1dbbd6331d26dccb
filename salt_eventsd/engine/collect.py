"""
Make the report of a running engine: ask each of its parts, and read every registered counter.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence

import msgspec

from salt_eventsd import __version__
from salt_eventsd.bus.unanswered import ANSWERED_SECONDS
from salt_eventsd.common.machine import now
from salt_eventsd.dispatch.lane import Lane
from salt_eventsd.engine.counters import BUS, LANE, SPOOL, WORKER
from salt_eventsd.engine.problems import lost_events
from salt_eventsd.engine.readings import LaneReading, Parts, Reading, WorkerReading
from salt_eventsd.engine.report import (
    BUILT_IN,
    BusReport,
    DispatchReport,
    LaneReport,
    PeerReport,
    ReaderReport,
    Report,
    SpoolReport,
    WorkerReport,
)

#: From good to bad.
_STATES = ("ok", "retrying", "held")


def report(parts: Parts) -> Report:
    """
    Return the report of a running engine.

    :param parts: of the engine.
    """
    lanes = list(parts.lanes.values())
    dead = parts.ask("dead", parts.spool.burials.dead_letters, {})
    oldest = {lane.name: parts.ask(f"oldest.{lane.name}", lane.backlog.oldest, 0.0) for lane in lanes}
    moment = time.time()
    unanswered = parts.intake.taking.unanswered.since(moment - ANSWERED_SECONDS, moment)
    reading = Reading(parts, lanes, oldest, unanswered)
    made = Report(
        version=__version__,
        pid=os.getpid(),
        parent=os.getppid(),
        started=parts.started,
        written=moment,
        clock=now(),
        timer=0.0,
        ended=False,
        problems=[],
        threads=parts.watch.look(),
        bus=_bus(reading),
        dispatch=DispatchReport(parts.dispatcher.problem),
        workers=worker_reports(parts, lanes, dead, oldest),
        spool=_spool(reading, dead),
        metrics=parts.no_metrics(),
        losses={},
        seen=parts.ledger.seen_at,
    )
    return msgspec.structs.replace(made, losses=parts.ledger.losses(lost_events(made)))


def worker_reports(
    parts: Parts, lanes: Sequence[Lane], dead: Mapping[str, int], oldest: Mapping[str, float]
) -> dict[str, WorkerReport]:
    """
    Return what there is to say of each configured worker.

    :param parts: of the engine.
    :param lanes: all lanes.
    :param dead: how many dead letters each worker has.
    :param oldest: when the oldest event of each lane was read, in seconds since 1970 UTC; 0 if none waits.
    """
    growing = parts.growth.look((lane.name, lane.backlog.events) for lane in lanes)
    by_owner: dict[str, list[Lane]] = {}
    for lane in lanes:
        if not lane.retired:
            by_owner.setdefault(lane.owner, []).append(lane)
    rates = parts.pace.look((owner, sum(lane.written for lane in some)) for owner, some in by_owner.items())
    gone = parts.spool.burials.letters_given_way
    return {
        owner: _worker(
            [LaneReading(lane, oldest.get(lane.name, 0.0), growing[lane.name]) for lane in some],
            WorkerReading(dead.get(owner, 0), gone.get(owner, 0), rates[owner]),
        )
        for owner, some in by_owner.items()
    }


def _worker(lanes: Sequence[LaneReading], worker: WorkerReading) -> WorkerReport:
    """A worker is its lanes together; if there are several, each is told by itself, too."""
    by_rule = {_shown_name(one.lane): _lane(one) for one in lanes}
    each = list(by_rule.values())
    worst = max(each, key=lambda one: _STATES.index(one.state))
    errors = [one.last_error for one in (worst, *each) if one.last_error]
    return WorkerReport(
        state=worst.state,
        last_error=errors[0] if errors else "",
        batch_seconds=worst.batch_seconds,
        last_write=max(one.last_write for one in each),
        last_drop=max(one.last_drop for one in each),
        counts={**LANE.together(one.counts for one in each), **WORKER.read(worker)},
        rules=by_rule if len(each) > 1 else msgspec.UNSET,
    )


def _lane(reading: LaneReading) -> LaneReport:
    lane = reading.lane
    return LaneReport(
        state=lane.state,
        last_error=lane.last_error,
        batch_seconds=lane.config.batch.seconds,
        last_write=lane.last_write,
        last_drop=lane.backlog.last_drop,
        counts=LANE.read(reading),
    )


def _shown_name(lane: Lane) -> str:
    """The rule's name, or that of all other rules together."""
    return BUILT_IN if lane.name == lane.owner else lane.name.removeprefix(f"{lane.owner}:")


def _bus(reading: Reading) -> BusReport:
    parts, reader = reading.parts, reading.parts.link.state
    # Before the counters are read: the ledger counts the gaps it has not known.
    gaps = parts.ledger.gaps(parts.link.gaps, parts.intake.taking.unanswered)
    return BusReport(
        connected=reader.connected,
        since=reader.since,
        last=reader.last,
        rate=reader.rate,
        reader=ReaderReport(reader.pid, reader.waiting_bytes, reader.dropped),
        gaps=gaps,
        peers={
            one.name: PeerReport(one.state, one.heard, one.copied, one.taken)
            for one in parts.intake.taking.peers.told()
        },
        counts=BUS.read(reading),
    )


def _spool(reading: Reading, dead: Mapping[str, int]) -> SpoolReport:
    parts, lanes = reading.parts, reading.lanes
    configured = {lane.owner for lane in lanes if not lane.retired}
    return SpoolReport(
        dir=str(parts.spool.folder),
        full=parts.quota.is_full,
        error=parts.intake.spool_error,
        # From before the start, and since a reload took their worker away.
        orphaned={lane.name: lane.backlog.events for lane in lanes if lane.retired and lane.backlog.events},
        orphaned_letters={name: count for name, count in dead.items() if name not in configured},
        set_aside=list(parts.spool.file.aside.paths),
        counts=SPOOL.read(reading),
    )
