"""Which of the chunks that wait are the next batch, and which chunk tells more about a batch that fails."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from salt_eventsd.config.structs import BatchLimits
from salt_eventsd.event.chunk import StoredChunk
from salt_eventsd.spool.keep import Spool

#: How many chunks a batch has at most, however small they are.
_MOST_CHUNKS = 1000
#: How many chunks are looked up first, and at most at a time. A batch mostly has few; each time more are looked up.
_FIRST_PAGE, _LARGEST_PAGE = 8, 512
#: How many chunks behind a batch may be its companion.
_COMPANIONS = 1000
#: How long to wait where nothing is due, in seconds; whatever comes meanwhile wakes the dispatcher.
NOTHING_DUE_SECONDS = 60.0


class Enough(NamedTuple):
    """
    What is enough for a batch, though more would fit in.

    :param events: so many.
    :param seconds: once the oldest of them has waited for so long.
    """

    events: int
    seconds: float


def next_batch(
    spool: Spool,
    lane: str,
    limits: BatchLimits,
    *,
    prio: bool,
    now: float,
    spared: Collection[int],
    enough: Enough | None = None,
) -> tuple[list[StoredChunk], float]:
    """
    Return the chunks of a lane's next batch, none if it is not due, and the seconds until one may be.

    :param spool: where the chunks are.
    :param lane: the lane's name.
    :param limits: of a batch.
    :param prio: whether the batch is of prio chunks, which need not wait until it is full, or of the others.
    :param now: seconds since 1970 UTC.
    :param spared: ids of chunks that may not be in it.
    :param enough: less than the limits; None if there is no such thing.
    """
    batch: list[StoredChunk] = []
    events = size = 0
    full = False
    for chunk in _waiting(spool, lane, prio):
        if chunk.id in spared:
            continue
        # The receipts of a batch are all of one life.
        if batch and (
            len(batch) >= _MOST_CHUNKS
            or events + chunk.events > limits.events
            or size + chunk.bytes > limits.bytes
            or chunk.life != batch[0].life
        ):
            full = True
            break
        batch.append(chunk)
        events, size = events + chunk.events, size + chunk.bytes
    if not batch:
        return [], NOTHING_DUE_SECONDS
    full = full or events >= limits.events or size >= limits.bytes or len(batch) >= _MOST_CHUNKS
    # A clock that was set back makes an event look younger than it is, never older than a batch may wait.
    age = now - batch[0].oldest
    seconds = min(limits.seconds, enough.seconds) if enough and events >= enough.events else limits.seconds
    if full or prio or age >= seconds or age < 0:
        return batch, 0.0
    return [], seconds - age


def companion(
    spool: Spool, lane: str, batch: Sequence[StoredChunk], turn: int, spared: Collection[int]
) -> list[StoredChunk]:
    """
    Return a chunk that waits behind a batch, if there is one, to see whether the backend takes anything at all.

    :param spool: where the chunks are.
    :param lane: the lane's name.
    :param batch: of which the backend takes nothing.
    :param turn: another number returns another chunk.
    :param spared: ids of chunks that may not be it.
    """
    taken = {*spared, *(chunk.id for chunk in batch)}
    most = _COMPANIONS + len(taken)
    for prio in (batch[0].prio, not batch[0].prio):
        waiting = [chunk for chunk in spool.waiting(lane, prio=prio, most=most) if chunk.id not in taken]
        # One of the batch's own life can go into the same transaction.
        if waiting := [chunk for chunk in waiting if chunk.life == batch[0].life] or waiting:
            return [waiting[turn % len(waiting)]]
    return []


def _waiting(spool: Spool, lane: str, prio: bool) -> Iterator[StoredChunk]:
    """Yield what waits, oldest first. A batch is mostly full long before the end of a long backlog."""
    after, most = 0, _FIRST_PAGE
    while page := spool.waiting(lane, prio=prio, after=after, most=most):
        yield from page
        if len(page) < most:
            return
        after, most = page[-1].id, min(_LARGEST_PAGE, most * 8)
