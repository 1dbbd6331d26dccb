"""
Keep: the durable queue between the bus and the workers.

A *chunk* is one worker's events of one group commit, encoded once and never taken apart in here. A chunk stays until it
is settled, so whatever happens to the engine or to a database, what was put is found again. Chunk ids are never used
twice in a file (AUTOINCREMENT), and each opening of a file begins a life with an id of its own: the life a chunk was
put in and its number are the receipt that makes a replay harmless, whatever copy of the file it is replayed from.

Every call is thread-safe. All of them do I/O under one lock, which is why the thread that reads the bus makes none.
"""

from __future__ import annotations

import heapq
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from salt_eventsd.event.chunk import EVENTS_DECODER, UNREADABLE, Chunk, StoredChunk, Totals
from salt_eventsd.event.parse import Event, undecodable
from salt_eventsd.spool.burial import REPORT_PATIENCE_SECONDS, Graves
from salt_eventsd.spool.file import SpoolFile

#: More pages than this on the free list (64 MiB at 4 KiB) are given back to the disk; of a small spool less is kept.
_FREE_PAGES_KEPT = 16_384
_FREE_SHARE = 1 / 16
_PAGE_BYTES = 4096
#: So many pages are given back at a time.
_PAGES_AT_ONCE = 1024
#: What a spool may hold unless it is told.
_MAX_BYTES = 2**30


class _PutBack(Exception):
    """The file gives ids that it has given before."""


class Spool(Graves):
    """
    The spool in a folder, locked until :meth:`close`.

    :param folder: where; on a disk of the master's own, not a network's.
    :param max_bytes: what it may hold; :attr:`file` has it, and may be told another.
    :raises SpoolBusy: another engine has it open.
    :raises SpoolError: it cannot be opened.
    """

    def __init__(self, folder: Path, max_bytes: int = _MAX_BYTES) -> None:
        self.folder = folder
        file = SpoolFile(folder, max_bytes)
        try:
            super().__init__(file)
        except BaseException:
            file.close()
            raise
        #: How often the file was found put back in time under this engine.
        self.times_back = 0
        self._transaction = file.transaction
        self._rows = file.rows
        # Of what was put in this life, the last chunk of each worker.
        self._last: dict[str, int] = {}
        self._life = file.life

    @property
    def id(self) -> str:
        """The id of the spool's file."""
        return self.file.id

    def put(self, chunks: Iterable[Chunk]) -> list[StoredChunk]:
        """
        Keep chunks, all of them in one transaction.

        :param chunks: what to keep.
        :returns: the same chunks with their ids.
        :raises SpoolError: nothing was kept.
        """
        some = list(chunks)
        self.file.look_at_clock()
        try:
            return self._put(some)
        except _PutBack:
            self.file.put_back()
            self.times_back += 1
            return self._put(some)

    def _put(self, chunks: Sequence[Chunk]) -> list[StoredChunk]:
        kept = []
        with self._transaction() as db:
            # Not before: a file that had to be opened again has another life by now.
            number, life = self.file.life
            last = self._last if self._life == self.file.life else {}
            new: dict[str, int] = {}
            for one in chunks:
                size = len(one.payload)
                first = new.get(one.lane, last.get(one.lane, -1)) + 1
                cursor = db.execute(
                    _PUT, (one.lane, one.prio, one.events, size, one.oldest, number, first, one.payload)
                )
                new[one.lane] = row_id = cursor.lastrowid or 0
                kept.append(
                    StoredChunk(row_id, one.lane, one.prio, one.events, size, one.oldest, life, first or row_id)
                )
            if kept and kept[0].id <= self.file.highest_id:
                raise _PutBack
        if kept:
            self.file.highest_id = kept[-1].id
        self._life, self._last = (number, life), {**last, **new}
        return kept

    def renew(self, chunk_ids: Iterable[int]) -> None:
        """
        Begin another life, and have these chunks be of it: others have had their ids in the one they are of.

        :param chunk_ids: ids from :meth:`put` or :meth:`waiting`.
        """
        self.file.renew_life()
        number = self.file.life[0]
        with self._transaction() as db:
            db.executemany("UPDATE chunks SET life = ?, first = 0 WHERE id = ?", [(number, one) for one in chunk_ids])

    def waiting(self, worker: str, *, prio: bool, after: int = 0, most: int = 1000) -> list[StoredChunk]:
        """
        Return a worker's chunks, oldest first, without their payloads.

        :param worker: its name.
        :param prio: the prio chunks, or the others.
        :param after: only chunks with a higher id.
        :param most: no more than so many.
        """
        rows = self._rows(
            "SELECT id, events, bytes, oldest, life, first FROM chunks"
            " WHERE worker = ? AND prio = ? AND id > ? ORDER BY id LIMIT ?",
            (worker, prio, after, most),
        )
        lives = self.file.lives
        return [
            StoredChunk(
                id_, worker, prio, events, size, oldest, lives.get(life) or self.file.life_id(life), first or id_
            )
            for id_, events, size, oldest, life, first in rows
        ]

    def read(self, chunk_id: int) -> list[Event]:
        """
        Return a chunk's events; none if it is not there any more.

        A chunk that cannot be decoded, for a disk has changed it, comes as one event that holds it as text.

        :param chunk_id: from :meth:`put` or :meth:`waiting`.
        """
        return self.read_whole(chunk_id)[0]

    def read_whole(self, chunk_id: int) -> tuple[list[Event], bool]:
        """
        Return what :meth:`read` does, and whether it could be decoded.

        :param chunk_id: from :meth:`put` or :meth:`waiting`.
        """
        rows = self._rows("SELECT payload FROM chunks WHERE id = ?", (chunk_id,))
        if not rows:
            return [], True
        try:
            return EVENTS_DECODER.decode(rows[0][0]), True
        except UNREADABLE:
            return [undecodable(rows[0][0], time.time())], False

    def settle(self, chunk_ids: Iterable[int]) -> None:
        """
        Forget chunks that have been written; the events of them that were buried stay, as dead letters.

        :param chunk_ids: ids from :meth:`put` or :meth:`waiting`.
        """
        ids = [(one,) for one in chunk_ids]
        with self._transaction() as db:
            db.executemany("UPDATE dead SET settled = 1 WHERE chunk = ?", ids)
            db.executemany("DELETE FROM chunks WHERE id = ?", ids)

    def totals(self) -> dict[str, Totals]:
        """Return what is kept, by worker."""
        return _by_worker(self._rows(_TOTALS, ()))

    def begin(self) -> dict[str, Totals]:
        """Return what is kept, by worker, what was put back until now among it: :meth:`requeued` does not tell it."""
        with self._transaction() as db:
            db.execute("DELETE FROM requeued")
            return _by_worker(db.execute(_TOTALS).fetchall())

    def oldest(self, worker: str) -> float:
        """
        Return when the oldest event of a worker was read, in seconds since 1970 UTC; 0 if none is kept.

        :raises SpoolError: the file cannot be read at once.
        """
        sql = "SELECT MIN(oldest) FROM (SELECT oldest FROM chunks WHERE worker = ? AND prio = ? ORDER BY id LIMIT 1)"
        found = [self._rows(sql, (worker, prio), REPORT_PATIENCE_SECONDS)[0][0] for prio in (0, 1)]
        return min((one for one in found if one is not None), default=0.0)

    def drop_oldest(self, worker: str | None, at_least_bytes: int, spared: set[int]) -> list[StoredChunk]:
        """
        Drop the oldest chunks until so many bytes are free.

        :param worker: whose, or None for anybody's.
        :param at_least_bytes: how many bytes must go.
        :param spared: ids of chunks that are being written just now.
        :returns: what was dropped.
        """
        dropped: list[StoredChunk] = []
        with self._transaction() as db:
            freed = 0
            for row in _oldest_first(db, worker):
                if freed >= at_least_bytes:
                    break
                if row[0] not in spared:
                    dropped.append(StoredChunk(row[0], row[1], bool(row[2]), *row[3:]))
                    freed += row[4]
            db.executemany("DELETE FROM chunks WHERE id = ?", [(one.id,) for one in dropped])
        return dropped

    def oldest_id(self) -> int:
        """Return the lowest id still kept, or one above the highest ever given."""
        lowest = self._rows("SELECT MIN(id) FROM chunks", ())[0][0]
        return self.newest_id() + 1 if lowest is None else int(lowest)

    def requeued(self) -> dict[str, Totals]:
        """Return, once, what an operator has put back with :mod:`salt_eventsd.spool.dead_letters`, by worker."""
        if not self._rows("SELECT 1 FROM requeued LIMIT 1", ()):
            return {}
        with self._transaction() as db:
            rows = db.execute("SELECT worker, SUM(events), SUM(bytes) FROM requeued GROUP BY worker").fetchall()
            db.execute("DELETE FROM requeued")
        return _by_worker(rows)

    def newest_id(self) -> int:
        """Return the highest id ever given, 0 if none was."""
        rows = self._rows("SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'chunks'), 0)", ())
        return int(rows[0][0])

    def shrink(self) -> None:
        """Give disk space back that an outage's backlog has left free; does nothing while little is free."""
        kept = min(_FREE_PAGES_KEPT, int(self.file.max_bytes * _FREE_SHARE) // _PAGE_BYTES)
        if self._rows("PRAGMA freelist_count", ())[0][0] > kept:
            self._rows(f"PRAGMA incremental_vacuum({_PAGES_AT_ONCE})", ())

    def close(self, patience_seconds: float = -1) -> bool:
        """
        Close the file and let go of the lock; say whether that was done.

        :param patience_seconds: how long to wait for other threads, -1 for as long as it takes.
        """
        return self.file.close(patience_seconds)


def _oldest_first(db: sqlite3.Connection, worker: str | None) -> Iterator[tuple[Any, ...]]:
    """Yield what is known of chunks by their ids. A worker's are found without a look at all the others'."""
    sql = "SELECT id, worker, prio, events, bytes, oldest FROM chunks"
    if worker is None:
        return iter(db.execute(f"{sql} ORDER BY id"))
    some = [db.execute(f"{sql} WHERE worker = ? AND prio = ? ORDER BY id", (worker, prio)) for prio in (0, 1)]
    return heapq.merge(*some)


_PUT = "INSERT INTO chunks (worker, prio, events, bytes, oldest, life, first, payload) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_TOTALS = "SELECT worker, SUM(events), SUM(bytes) FROM chunks GROUP BY worker"


def _by_worker(rows: Iterable[tuple[str, int, int]]) -> dict[str, Totals]:
    return {worker: Totals(events, size) for worker, events, size in rows}
