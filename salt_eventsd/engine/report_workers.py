"""
What the report says of each worker: its lanes put together, and by themselves where there are several.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from salt_eventsd.dispatch.lane import Lane

#: What is added up over a worker's lanes, and of what the largest counts.
_SUMS = (
    "queued_events",
    "queued_bytes",
    "in_flight",
    "written",
    "failed",
    "dropped",
    "lost",
    "retries",
    "renamed",
    "elsewhere",
)
_LARGEST = ("oldest_age", "growing_seconds", "hanging_seconds", "next_try_seconds", "last_write", "last_drop")
#: A batch hangs that takes so much longer than one usually does.
_HANGING_SECONDS = 5.0
#: How the lane is called that all rules share which have no table or statement of their own.
BUILT_IN = "all others"
#: From good to bad.
_STATES = ("ok", "retrying", "held")


def worker_reports(
    lanes: Iterable[Lane],
    dead: Mapping[str, int],
    oldest: Mapping[str, float],
    growing: Mapping[str, float] = MappingProxyType({}),
    letters_dropped: Mapping[str, int] = MappingProxyType({}),
) -> dict[str, dict[str, Any]]:
    """
    Return what there is to say of each worker.

    :param lanes: all lanes.
    :param dead: how many dead letters each worker has.
    :param oldest: when the oldest event of each lane was read, in seconds since 1970 UTC; 0 if none waits.
    :param growing: for how many seconds each lane's queue has only grown.
    :param letters_dropped: how many of each worker's dead letters have given way to newer ones.
    """
    found: dict[str, list[Lane]] = {}
    for lane in lanes:
        if not lane.retired:
            found.setdefault(lane.owner, []).append(lane)
    return {
        name: {
            **_worker(name, some, dead.get(name, 0), oldest, growing),
            "letters_dropped": letters_dropped.get(name, 0),
        }
        for name, some in found.items()
    }


def orphaned_letters(lanes: Iterable[Lane], dead: Mapping[str, int]) -> dict[str, int]:
    """
    Return how many dead letters there are of workers that are not configured.

    :param lanes: all lanes.
    :param dead: how many dead letters each worker has.
    """
    configured = {lane.owner for lane in lanes if not lane.retired}
    return {name: count for name, count in dead.items() if name not in configured}


def _worker(
    name: str, lanes: list[Lane], dead: int, oldest: Mapping[str, float], growing: Mapping[str, float]
) -> dict[str, Any]:
    each = {lane.name: _lane(lane, oldest.get(lane.name, 0.0), growing.get(lane.name, 0.0)) for lane in lanes}
    worst = max(each.values(), key=lambda one: _STATES.index(one["state"]))
    told = worst if worst["last_error"] else next((one for one in each.values() if one["last_error"]), worst)
    whole = {
        **worst,
        **{key: sum(one[key] for one in each.values()) for key in _SUMS},
        **{key: max(one[key] for one in each.values()) for key in _LARGEST},
        "last_error": told["last_error"],
        "dead_letters": dead,
    }
    if len(each) == 1:
        return whole
    rules = {BUILT_IN if key == name else key.removeprefix(f"{name}:"): one for key, one in each.items()}
    return {**whole, "rules": rules}


def _lane(lane: Lane, oldest: float, growing: float) -> dict[str, Any]:
    now, clock = time.time(), time.monotonic()
    too_long = lane.flights.usual_seconds + _HANGING_SECONDS
    hanging = [round(clock - since) for since in lane.flights.times() if clock - since > too_long]
    return {
        "state": lane.state,
        "queued_events": lane.backlog.events,
        "queued_bytes": lane.backlog.bytes,
        "oldest_age": round(max(0.0, now - oldest), 1) if oldest else 0.0,
        "growing_seconds": growing,
        "batch_seconds": lane.config.batch.seconds,
        "in_flight": lane.flights.count,
        "hanging_seconds": max(hanging, default=0),
        "written": lane.written,
        "failed": lane.buried,
        "dropped": lane.backlog.dropped,
        "lost": lane.backlog.lost,
        "retries": lane.retries,
        "renamed": lane.renamed,
        "elsewhere": lane.elsewhere,
        "last_error": lane.last_error,
        "next_try_seconds": round(lane.retry.wait_seconds, 1),
        "last_write": lane.last_write,
        "last_drop": lane.backlog.last_drop,
    }
