"""
What a writer reports, as the state file, the status and the metrics share it. Moments are in seconds since 1970 UTC, 0
if there was none.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence

import msgspec

from salt_eventsd import __version__
from salt_eventsd.common.machine import Clock, now
from salt_eventsd.writer.carry.desk import Desk
from salt_eventsd.writer.carry.lane import Lane
from salt_eventsd.writer.told.numbers import LANE, WORKER, Numbers

#: From good to bad.
_STATES = ("ok", "retrying", "held")


class Problem(msgspec.Struct, frozen=True):
    """
    Something that is wrong.

    :param kind: what, in one word for programs.
    :param text: the same in a line for people.
    """

    kind: str
    text: str


class LaneReport(msgspec.Struct, frozen=True, kw_only=True):
    """
    A lane, or a worker: its lanes together, the worst of them deciding its state.

    :param state: ``ok``, ``retrying`` or ``held``.
    :param last_error: why the last failed try failed, "" if none did.
    :param last_write: when a parcel was written last.
    :param counts: by the names in :mod:`~salt_eventsd.writer.told.numbers`.
    """

    state: str
    last_error: str
    last_write: float
    counts: Numbers


class WorkerReport(LaneReport, frozen=True, kw_only=True):
    """
    A worker.

    :param rules: its lanes by the rules' names, of rules with a table or a statement of the user's own.
    """

    rules: dict[str, LaneReport]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """
    A writer.

    :param version: of salt-eventsd.
    :param started: when it was started.
    :param written: when the report was made.
    :param clock: the same moment by the clock nobody sets.
    :param timer: ``state_timer``, in seconds.
    :param ended: whether this is the last report of a writer that was stopped.
    :param problems: what is wrong, the worst first.
    """

    version: str
    pid: int
    started: float
    written: float
    clock: Clock
    timer: float
    ended: bool
    problems: list[Problem]
    workers: dict[str, WorkerReport]


def report(
    desks: Sequence[Desk], started: float, timer: float, problems: Iterable[Problem], *, ended: bool = False
) -> Report:
    """
    Return the report of a writer.

    :param desks: its workers.
    :param started: when it was started.
    :param timer: ``state_timer``, in seconds.
    :param problems: what is wrong besides the workers.
    :param ended: whether it is the last one.
    """
    return Report(
        version=__version__,
        pid=os.getpid(),
        started=started,
        written=time.time(),
        clock=now(),
        timer=timer,
        ended=ended,
        problems=list(problems),
        workers={desk.name: _worker(desk) for desk in desks},
    )


def _worker(desk: Desk) -> WorkerReport:
    by_lane = {name: _lane(lane) for name, lane in desk.lanes.items()}
    each = list(by_lane.values())
    worst = max(each, key=lambda one: _STATES.index(one.state))
    errors = [one.last_error for one in (worst, *each) if one.last_error]
    return WorkerReport(
        state=worst.state,
        last_error=errors[0] if errors else "",
        last_write=max(one.last_write for one in each),
        counts={**LANE.together([one.counts for one in each]), **WORKER.read(desk)},
        rules={name.removeprefix(f"{desk.name}:"): one for name, one in by_lane.items() if name != desk.name},
    )


def _lane(lane: Lane) -> LaneReport:
    return LaneReport(
        state=lane.tries.state,
        last_error=lane.tries.last_error,
        last_write=lane.counts.last_write,
        counts=LANE.read(lane),
    )
