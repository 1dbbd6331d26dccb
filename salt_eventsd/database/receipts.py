"""
Receipts: which chunks are written in this database, so that none is written twice, whatever copy of a spool it is in.

A chunk is known by the life it was put in (:mod:`salt_eventsd.spool.file`) and its number. A receipt is inserted in the
transaction that inserts the chunk's rows. It is never simply deleted, for an older copy of the spool may still hold the
chunk. Instead receipts of neighbours become one: each says which chunk of its lane came before its own, so two that
join can be told from two with a chunk between them that was dropped. A receipt also says which events of its chunk were
refused: an older copy of the spool knows nothing of that, and sets them aside, too.
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
import time
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from itertools import accumulate
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import IntegrityError

from salt_eventsd.common.grouping import grouped
from salt_eventsd.database import schema
from salt_eventsd.event.chunk import StoredChunk
from salt_eventsd.exceptions import Reused, Transient
from salt_eventsd.redact.error_text import one_line
from salt_eventsd.workers.write import Batch, Refusal

log = logging.getLogger(__name__)

#: How often receipts of neighbours are made one, in seconds.
_JOIN_SECONDS = 60.0
#: Not before they are so old: somebody who is writing the same chunk meanwhile runs into a receipt of its own.
_FRESH = timedelta(seconds=60)
#: Of another master's clock nothing is known.
_FRESH_OF_OTHERS = timedelta(hours=1)
#: A lane of a life has no more receipts than this; of more, the oldest become one, whatever was dropped between them.
MOST_RUNS = 1000
#: Copies of spools that are older than this are not reckoned with any more; nor those from before there were lives.
_KEPT = timedelta(days=180)
_KEPT_OF_FIRST_VERSION = timedelta(days=30)
_FORGET_SECONDS = 86_400.0
_FORGOTTEN_AT_ONCE = 5000
#: What is noted of refused events of one chunk, in bytes; of more, only which they are.
_MOST_REFUSED_BYTES = 60_000
_REFUSED = "refused when it was tried first"
#: So many rows of a table are named in one statement.
_NAMED_AT_ONCE = 500

_TABLE = schema.receipts


class Run(NamedTuple):
    """
    A receipt: of one chunk, or of all chunks of a lane from one to another.

    :param oldest: when the last of the oldest events of its chunks was read, in microseconds since 1970.
    """

    last: int
    first: int | None
    oldest: int | None
    refused: str | None = None


class Receipts:
    """The receipts of one database."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._given: set[tuple[str, str]] = set()
        self._join_at = 0.0
        self._forget_at = 0.0

    def take(self, connection: Connection, batch: Batch) -> dict[int, list[Refusal]]:
        """
        Insert the receipts of a batch, and return which of its chunks have been written before, each with the positions
        in it of those events that were refused then, and why.

        :param connection: in the transaction that writes the batch.
        :param batch: the batch.
        :raises Reused: there are receipts of others under the names of some chunks.
        :raises Transient: somebody else is writing one of them just now.
        """
        ids = [chunk for chunk, _ in batch.chunks]
        if not ids:
            return {}
        known: dict[int, list[Refusal]] = {}
        reused: set[int] = set()
        for (life, lane), some in _by_lane(batch, ids).items():
            runs = _runs(connection, life, lane, min(some), max(some))
            for id_ in some if runs else ():
                if run := _of(runs, id_):
                    kept = batch.origins.get(id_)
                    if kept is None and not batch.replay:
                        raise Transient("an earlier try at this batch has not ended yet in the database")
                    if kept is None or _is_its(run, kept):
                        known[id_] = _refused(run, id_) if kept else []
                    else:
                        reused.add(id_)
        if reused:
            raise Reused(reused)
        now = datetime.now(timezone.utc)
        new = [_row(batch, id_, now) for id_ in ids if id_ not in known]
        if new:
            try:
                connection.execute(sa.insert(_TABLE), new)
            except IntegrityError:
                raise Transient("an earlier try at this batch has not ended yet in the database") from None
        with self._mutex:
            self._given.update(_key(batch, id_) for id_ in ids if id_ not in known)
        return known

    def note(self, connection: Connection, batch: Batch, refusals: Sequence[Refusal]) -> None:
        """
        Note which events of a batch were refused.

        :param connection: in the transaction that writes the batch.
        :param batch: the batch.
        :param refusals: which, by their positions in the batch.
        """
        by_chunk: dict[int, list[Refusal]] = {}
        ends = list(accumulate(count for _, count in batch.chunks))
        for at, why in refusals:
            number = bisect_right(ends, at)
            chunk, count = batch.chunks[number]
            by_chunk.setdefault(chunk, []).append((at - ends[number] + count, why))
        for chunk, some in by_chunk.items():
            text = json.dumps(some)
            if len(text) > _MOST_REFUSED_BYTES:
                text = json.dumps([(at, _REFUSED) for at, _ in some])
            mine = (_TABLE.c.spool == _key(batch, chunk)[0], _TABLE.c.chunk == chunk)
            connection.execute(sa.update(_TABLE).where(*mine).values(refused=text))

    def tidy(self, engine: Engine) -> None:
        """
        Have neighbours become one, and forget what is of no use any more, where that is due; after a batch is written.

        :param engine: of the database.
        """
        with self._mutex:
            if time.monotonic() < self._join_at:
                return
            first_time, self._join_at = not self._join_at, time.monotonic() + _JOIN_SECONDS
            given, self._given = self._given, set()
        try:
            for life, lane in given:
                join(engine, life, lane, _FRESH)
            if first_time:
                join_others(engine)
            if time.monotonic() >= self._forget_at and forget(engine):
                self._forget_at = time.monotonic() + _FORGET_SECONDS
        except Exception as exc:
            # What is written is written; the next time will do.
            log.debug("eventsd: receipts were not put together: %s", one_line(exc))


def _by_lane(batch: Batch, ids: Sequence[int]) -> dict[tuple[str, str], list[int]]:
    found: dict[tuple[str, str], list[int]] = {}
    for id_ in ids:
        found.setdefault(_key(batch, id_), []).append(id_)
    return found


def _key(batch: Batch, id_: int) -> tuple[str, str]:
    """The life and the lane of a chunk; who makes batches by hand need not say the lane."""
    kept = batch.origins.get(id_)
    return (kept.life, lane_name(kept.lane)) if kept else (batch.spool_id, "")


def _row(batch: Batch, id_: int, now: datetime) -> dict[str, object]:
    life, lane = _key(batch, id_)
    kept = batch.origins.get(id_)
    return {
        "spool": life,
        "chunk": id_,
        "stamp": now,
        "lane": lane,
        "first_chunk": kept.first if kept else id_,
        "oldest": _microseconds(kept) if kept else None,
    }


def lane_name(lane: str) -> str:
    """
    Return a lane's name as it fits the column.

    :param lane: the lane's.
    """
    if len(lane) <= schema.NAME_LENGTH:
        return lane
    return f"{lane[:200]}#{hashlib.sha256(lane.encode()).hexdigest()[:32]}"


def _microseconds(kept: StoredChunk) -> int:
    return round(kept.oldest * 1_000_000)


def _runs(connection: Connection, life: str, lane: str, first: int, last: int) -> list[Run]:
    """Return the receipts that may be of some chunks, in order. Those of the first version name no lane."""
    query = sa.select(_TABLE.c.chunk, _TABLE.c.first_chunk, _TABLE.c.oldest, _TABLE.c.refused).where(
        _TABLE.c.spool == life,
        _TABLE.c.chunk >= first,
        sa.func.coalesce(_TABLE.c.first_chunk, _TABLE.c.chunk) <= last,
        sa.or_(_TABLE.c.lane == lane, _TABLE.c.lane.is_(None)),
    )
    return sorted((Run(*row) for row in connection.execute(query)), key=lambda run: run.last)


def _of(runs: Sequence[Run], id_: int) -> Run | None:
    at = bisect_left(runs, id_, key=lambda run: run.last)
    if at < len(runs) and (runs[at].first or runs[at].last) <= id_ <= runs[at].last:
        return runs[at]
    return None


def _is_its(run: Run, kept: StoredChunk) -> bool:
    """
    Say whether a receipt is this chunk's. A machine that was put back in time gives its numbers again, within one life;
    the events that then get them were read later than those that had them before.
    """
    if run.oldest is None:
        return True
    is_single = (run.last, run.first) == (kept.id, kept.first)
    return _microseconds(kept) == run.oldest if is_single else _microseconds(kept) <= run.oldest


def _refused(run: Run, id_: int) -> list[Refusal]:
    return [(at, why) for at, why in json.loads(run.refused)] if run.refused and run.last == id_ else []


def join(engine: Engine, life: str, lane: str, fresh: timedelta) -> None:
    """
    Make the receipts of a lane's neighbours one.

    :param engine: of the database.
    :param life: the life the chunks are of.
    :param lane: the lane's name, from :func:`lane_name`.
    :param fresh: younger ones are left alone.
    """
    mine = sa.and_(_TABLE.c.spool == life, _TABLE.c.lane == lane)
    before = datetime.now(timezone.utc) - fresh
    with engine.connect() as connection, connection.begin():
        query = sa.select(_TABLE.c.chunk, _TABLE.c.first_chunk, _TABLE.c.oldest, _TABLE.c.refused)
        rows = connection.execute(query.where(mine, _TABLE.c.stamp < before))
        runs = sorted((Run(*row) for row in rows), key=lambda run: run.last)
    for some in _joined(runs):
        with engine.connect() as connection, connection.begin():
            _make_one(connection, mine, some)


def _joined(runs: Sequence[Run]) -> list[list[Run]]:
    """Return which receipts become one."""
    groups: list[list[Run]] = []
    for run in runs:
        is_next = bool(groups) and _first(run) <= groups[-1][-1].last + 1
        # One that has something to say of its own chunk stays as long as there is room.
        if is_next and not run.refused and not groups[-1][-1].refused:
            groups[-1].append(run)
        else:
            groups.append([run])
    if (over := len(groups) - MOST_RUNS) > 0:
        groups[: over + 1] = [[run for group in groups[: over + 1] for run in group]]
    return [group for group in groups if len(group) > 1]


def _first(run: Run) -> int:
    return run.last if run.first is None else run.first


def _make_one(connection: Connection, mine: sa.ColumnElement[bool], runs: Sequence[Run]) -> None:
    """Others may be at the same: one that has grown meanwhile is not deleted, and one that is gone is of no use."""
    first, last = min(_first(run) for run in runs), runs[-1].last
    known = [run.oldest for run in runs if run.oldest is not None]
    grown = connection.execute(
        sa.update(_TABLE)
        .where(mine, _TABLE.c.chunk == last, _TABLE.c.first_chunk >= first)
        .values(first_chunk=first, oldest=max(known) if len(known) == len(runs) else None, refused=None)
    )
    if grown.rowcount != 1:
        return
    for some in grouped([run.last for run in runs[:-1]], lambda _: 1, _NAMED_AT_ONCE):
        connection.execute(sa.delete(_TABLE).where(mine, _TABLE.c.chunk.in_(some), _TABLE.c.first_chunk >= first))


def join_others(engine: Engine) -> None:
    """
    Make those of all lives one that have ended without doing so.

    :param engine: of the database.
    """
    query = (
        sa.select(_TABLE.c.spool, _TABLE.c.lane)
        .where(_TABLE.c.lane.is_not(None))
        .group_by(_TABLE.c.spool, _TABLE.c.lane)
        .having(sa.func.count() > 1)
    )
    with engine.connect() as connection:
        found = connection.execute(query).all()
    for life, lane in found:
        join(engine, life, lane, _FRESH_OF_OTHERS)


def forget(engine: Engine) -> bool:
    """
    Delete some receipts that no copy of a spool will ask for any more, and say whether that was all.

    :param engine: of the database.
    """
    now = datetime.now(timezone.utc)
    is_old = sa.or_(
        _TABLE.c.stamp < now - _KEPT, sa.and_(_TABLE.c.lane.is_(None), _TABLE.c.stamp < now - _KEPT_OF_FIRST_VERSION)
    )
    with engine.connect() as connection, connection.begin():
        found = connection.execute(sa.select(_TABLE.c.spool, _TABLE.c.chunk).where(is_old).limit(_FORGOTTEN_AT_ONCE))
        by_life: dict[str, list[int]] = {}
        count = 0
        for life, chunk in found:
            by_life.setdefault(life, []).append(chunk)
            count += 1
        for life, chunks in by_life.items():
            for some in grouped(chunks, lambda _: 1, _NAMED_AT_ONCE):
                connection.execute(sa.delete(_TABLE).where(_TABLE.c.spool == life, _TABLE.c.chunk.in_(some), is_old))
    return count < _FORGOTTEN_AT_ONCE
