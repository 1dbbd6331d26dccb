"""Lanes over a real spool, and chunks to put into them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from salt_eventsd.config.structs import BatchLimits, Size, WorkerConfig
from salt_eventsd.dispatch.backoff import Backoff
from salt_eventsd.dispatch.lane import Lane
from salt_eventsd.event.chunk import Chunk, Share, Shared, StoredChunk, encode_events
from salt_eventsd.event.parse import Event
from salt_eventsd.event.sharing import encode_ordering
from salt_eventsd.spool.keep import Spool
from salt_eventsd.workers.write import Worker
from tests.support.events import numbered

#: Fails fast and tries again soon, so that a test need not wait.
SOON = Backoff(first_seconds=0.01, most_seconds=0.02, least_seconds=0.01)
#: Does not try again while a test lasts.
LATER = Backoff(first_seconds=60, most_seconds=60, least_seconds=60)


def lane_of(
    spool: Spool,
    worker: Worker | None,
    name: str = "history",
    *,
    events: int = 1000,
    size: int = 2**23,
    seconds: float = 1.0,
    concurrency: int = 1,
    backoff: Backoff = SOON,
    problem: str = "",
    owner: str = "",
) -> Lane:
    """Return a worker's lane with these batch limits."""
    batch = BatchLimits(events=events, bytes=Size(size), seconds=seconds)
    return Lane(name, WorkerConfig(batch=batch, concurrency=concurrency), worker, problem, spool, backoff, owner)


def chunk(
    events: Sequence[Event] | int = 1, worker: str = "history", *, prio: bool = False, oldest: float = 0.0
) -> Chunk:
    """Return a chunk as the intake makes it. For a number, this builds so many events."""
    some = numbered(events) if isinstance(events, int) else events
    return Chunk(worker, prio, len(some), oldest, encode_events(some))


def shared_chunks(
    events: Sequence[Event] | int, lanes: Sequence[str], *, own: int = 0, prio: bool = False
) -> list[Chunk]:
    """Return chunks as the intake makes them of events that several lanes get, before as many as asked of their own."""
    some = numbered(events) if isinstance(events, int) else list(events)
    share = Share(Shared(encode_events(some[own:])))
    ordering = encode_ordering([0, own, 1, len(some) - own])
    return [Chunk(lane, prio, len(some), 0.0, encode_events(some[:own]), (share,), ordering) for lane in lanes]


def keep(lane: Lane, spool: Spool, *chunks: Chunk) -> list[StoredChunk]:
    """Put chunks into the spool and have the lane count them, as the intake and the dispatcher do."""
    kept = spool.put(chunks)
    for one in kept:
        lane.backlog.add(one)
    return kept


def eventually(condition: Callable[[], object], seconds: float = 10.0) -> None:
    """Wait until a condition holds; fail if it does not hold within so many seconds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "this did not happen in time"
        time.sleep(0.002)
