"""
Every number that a writer reports, registered once: its name, what it means, and how it is read. Numbers that the
engine has, too, have the engine's names.
"""

from __future__ import annotations

import time

from salt_eventsd.engine.counters import Counter, Gauge, Section
from salt_eventsd.writer.carry.desk import Desk
from salt_eventsd.writer.carry.lane import Lane

#: Numbers by their names.
Numbers = dict[str, int | float]

#: A parcel that is being written for longer than this hangs.
HANGING_SECONDS = 60.0

#: What a lane has done; a worker has the numbers of all its lanes together.
LANE: Section[Lane] = Section(
    Gauge(
        "up",
        "1 if the last try to write succeeded, else 0.",
        lambda it: int(it.tries.state == "ok"),
        "worker_up",
        over=min,
    ),
    Counter("written", "Events written.", lambda it: it.counts.written, "written_total"),
    Counter(
        "already",
        "Events that had been written before their parcel came.",
        lambda it: it.counts.already,
        "already_written_total",
    ),
    Counter("buried", "Events the backend refused, kept as dead letters.", lambda it: it.counts.buried, "buried_total"),
    Counter("parcels", "Parcels settled.", lambda it: it.counts.parcels, "parcels_total"),
    Counter(
        "parcels_buried",
        "Parcels set aside whole, as nobody can read them or they end writers.",
        lambda it: it.counts.parcels_buried,
        "parcels_buried_total",
    ),
    Counter("retries", "Tries to write that failed.", lambda it: it.tries.retries, "retries_total"),
    Counter("renamed", "Events written under new names, theirs being taken.", lambda it: it.counts.renamed),
    Counter("too_new", "Times that a parcel of a newer version came.", lambda it: it.counts.too_new),
    Gauge("in_hand", "Parcels that were pulled and are not settled.", lambda it: len(it.in_hand)),
    Gauge("passed_by", "Parcels given back, the backend refusing what is in them.", lambda it: it.tries.passed_by),
    Gauge("next_try_seconds", "Until the next try.", lambda it: round(it.tries.next_try_seconds, 1), over=max),
    Gauge("hanging_seconds", "For how long a parcel has hung.", lambda it: _hanging(it), over=max),
)

#: What waits for a worker in the broker, as it was when the broker was last asked.
WORKER: Section[Desk] = Section(
    Gauge("waiting", "Parcels that no writer has.", lambda it: it.depth.waiting, "parcels_waiting"),
    Gauge("unacknowledged", "Parcels that writers have.", lambda it: it.depth.unacknowledged, "parcels_unacknowledged"),
    Gauge("redelivered", "Of these, those that came before.", lambda it: it.depth.redelivered, "parcels_redelivered"),
    Gauge(
        "lag_seconds",
        "Age of the oldest parcel that waits.",
        lambda it: round(it.depth.oldest_seconds, 1),
        "lag_seconds",
    ),
    Gauge(
        "asked_seconds",
        "Since the broker was last asked what waits; -1 if it never answered.",
        lambda it: round(time.monotonic() - it.depth_at, 1) if it.depth_at else -1,
    ),
)


def _hanging(lane: Lane) -> int:
    clock = time.monotonic()
    return max((round(clock - at) for at in list(lane.running.values()) if clock - at > HANGING_SECONDS), default=0)
