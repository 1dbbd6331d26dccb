"""
Keep the receipts few: those of neighbours become one, and those that no copy of a spool will ask for are deleted.

A receipt is never simply deleted once its chunk is written, for an older copy of the spool may still hold the chunk.
But each receipt says which chunk of its lane came before its own. So two receipts that follow each other can be told
from two with a dropped chunk between them, and become one receipt for both.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from salt_eventsd.common.grouping import grouped
from salt_eventsd.database import schema
from salt_eventsd.database.dialects import dialect_of
from salt_eventsd.redact.error_text import one_line

log = logging.getLogger(__name__)

#: How often receipts of neighbours are made one, in seconds.
_JOIN_SECONDS = 60.0
#: Younger receipts are left alone: whoever is writing the same chunk at this moment has to find a receipt of its own.
_FRESH = timedelta(seconds=60)
#: The same for receipts of another master, whose clock may be wrong.
_FRESH_OF_OTHERS = timedelta(hours=1)
#: A lane of a life has at most so many receipts; beyond that, the oldest become one, whatever was dropped between them,
#: but for those behind a chunk that still waits: prio chunks are written before others that are as old.
MOST_RUNS = 1000
#: Nobody puts back copies of spools that are older than this; the second is for those from before there were lives.
_KEPT = timedelta(days=180)
_KEPT_OF_FIRST_VERSION = timedelta(days=30)
_FORGET_SECONDS = 86_400.0
_FORGOTTEN_AT_ONCE = 5000
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


class Tidying:
    """Tidies the receipts of one database, now and then."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        # Of each life and lane with new receipts, the lowest chunk that the spool still holds.
        self._given: dict[tuple[str, str], int] = {}
        self._join_at = 0.0
        self._forget_at = 0.0

    def note(self, given: Iterable[tuple[str, str]], oldest: int) -> None:
        """
        Note that there are new receipts.

        :param given: the life and the lane of each.
        :param oldest: their spool holds no chunk of the lane with a lower id; 0 if that is not known.
        """
        with self._mutex:
            self._given.update(dict.fromkeys(given, oldest))

    def run(self, engine: Engine, is_prio: bool = False) -> None:
        """
        Join and delete receipts where that is due; call it after a batch is written.

        :param engine: of the database.
        :param is_prio: the next of these batches waits meanwhile, so it is left to others as long as they come.
        """
        with self._mutex:
            if time.monotonic() < self._join_at + is_prio * _JOIN_SECONDS:
                return
            first_time, self._join_at = not self._join_at, time.monotonic() + _JOIN_SECONDS
            given, self._given = self._given, {}
        try:
            # Batches insert receipts meanwhile.
            engine = dialect_of(engine).upkeep.gentle(engine)
            for (life, lane), oldest in given.items():
                join(engine, life, lane, _FRESH, oldest)
            if first_time:
                join_others(engine)
            if time.monotonic() >= self._forget_at and forget(engine):
                self._forget_at = time.monotonic() + _FORGET_SECONDS
        except Exception as exc:
            # What is written is written; the next time will do.
            log.debug("eventsd: receipts of neighbouring chunks were not merged: %s", one_line(exc))


def join(engine: Engine, life: str, lane: str, fresh: timedelta, oldest: int = 0) -> None:
    """
    Make receipts of a lane that follow each other one.

    :param engine: of the database.
    :param life: the life the chunks are of.
    :param lane: the lane's name, from :func:`lane_name`.
    :param fresh: younger ones are left alone.
    :param oldest: the lowest chunk that still waits; 0 if that is not known, as of another master's spool.
    """
    mine = sa.and_(_TABLE.c.spool == life, _TABLE.c.lane == lane)
    before = datetime.now(timezone.utc) - fresh
    with engine.connect() as connection, connection.begin():
        query = sa.select(_TABLE.c.chunk, _TABLE.c.first_chunk, _TABLE.c.oldest, _TABLE.c.refused)
        rows = connection.execute(query.where(mine, _TABLE.c.stamp < before))
        runs = sorted((Run(*row) for row in rows), key=lambda run: run.last)
    for some in _joined(runs, oldest):
        with engine.connect() as connection, connection.begin():
            _make_one(connection, mine, some)


def _joined(runs: Sequence[Run], oldest: int) -> list[list[Run]]:
    """Return which receipts become one. What waits between two must not be taken for written."""
    groups: list[list[Run]] = []
    for run in runs:
        is_next = bool(groups) and _first(run) <= groups[-1][-1].last + 1
        # A receipt that names refused events of its chunk stays as long as there is room.
        if is_next and not run.refused and not groups[-1][-1].refused:
            groups[-1].append(run)
        else:
            groups.append([run])
    done = sum(group[-1].last < oldest for group in groups)
    if (over := min(len(groups) - MOST_RUNS, done - 1)) > 0:
        groups[: over + 1] = [[run for group in groups[: over + 1] for run in group]]
    return [group for group in groups if len(group) > 1]


def _first(run: Run) -> int:
    return run.last if run.first is None else run.first


def _make_one(connection: Connection, mine: sa.ColumnElement[bool], runs: Sequence[Run]) -> None:
    """Replace receipts by one. Others may do the same: one that has grown in between stays, and one may be gone."""
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
    Join the receipts of lives that have ended without doing so.

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
