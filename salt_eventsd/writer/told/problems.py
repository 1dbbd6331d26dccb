"""
What is wrong with a running writer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from salt_eventsd.writer.carry.desk import Desk
from salt_eventsd.writer.told.numbers import LANE
from salt_eventsd.writer.told.report import Problem

#: How long parcels that no lane pulls may wait before they are reported: they may only be on their way.
_UNFOUND_SECONDS = 10.0
#: If the oldest parcel waits for longer, the writers do not keep up.
_LAGS_SECONDS = 60.0


def problems(desks: Sequence[Desk]) -> Iterator[Problem]:
    """
    Yield what is wrong, the worst first.

    :param desks: the workers.
    """
    told = set()
    for desk in desks:
        if desk.source.error and desk.source.error not in told:
            told.add(desk.source.error)
            yield Problem("source", desk.source.error)
    for desk in desks:
        yield from _of(desk)


def _of(desk: Desk) -> Iterator[Problem]:
    for lane in desk.lanes.values():
        rule = f", rule {lane.name.removeprefix(f'{desk.name}:')}" if lane.is_ordered else ""
        if not lane.alive:
            yield Problem("ended", f"a thread of worker {desk.name}{rule} has ended")
        if lane.tries.state != "ok":
            yield Problem(lane.tries.state, f"worker {desk.name}{rule} is {lane.tries.state}: {lane.tries.last_error}")
        numbers = LANE.read(lane)
        if seconds := numbers["hanging_seconds"]:
            yield Problem("hanging", f"worker {desk.name}{rule} has been writing one parcel for {seconds} s")
    count, seconds = desk.unfound
    if seconds > _UNFOUND_SECONDS:
        what = "parcels wait" if count != 1 else "parcel waits"
        yield Problem(
            "unconfigured",
            f"worker {desk.name}: {count} {what} for rules of the masters that write nowhere here (events)",
        )
    elif desk.depth.oldest_seconds > _LAGS_SECONDS:
        yield Problem("lag", f"worker {desk.name}: the oldest parcel has waited for {desk.depth.oldest_seconds:.0f} s")
    for line in desk.strangers.lines:
        yield Problem("differs", line)
