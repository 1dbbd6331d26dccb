"""
Keep: the durable queue between the bus and the workers.

A *chunk* is some events of one lane and one group commit, encoded once and never taken apart in here. A chunk stays
until it is settled, so whatever happens to the engine or to a database, what was put is found again. Chunk ids are
never used twice in a file (AUTOINCREMENT), and each opening of a file begins a life with an id of its own. The life a
chunk was put in and its number are the receipt that makes a replay harmless, whatever copy of the file it is replayed
from.

Every call is thread-safe. All of them do I/O under one lock, so the process that reads the bus makes none.
"""

from __future__ import annotations

import heapq
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from salt_eventsd.event.chunk import Chunk, Contents, StoredChunk, Totals
from salt_eventsd.spool.burial import REPORT_PATIENCE_SECONDS, Burials
from salt_eventsd.spool.contents import read
from salt_eventsd.spool.disk import Disk
from salt_eventsd.spool.file import SpoolFile
from salt_eventsd.spool.shares import Keeping, saved_bytes

#: What a spool may hold unless it is told.
_MAX_BYTES = 2**30

_PUT = (
    "INSERT INTO chunks (worker, prio, events, bytes, oldest, life, first, ordering, payload)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_TOTALS = "SELECT worker, SUM(events), SUM(bytes) FROM chunks GROUP BY worker"


class _PutBack(Exception):
    """The file gives ids that it has given before."""


class Spool:
    """
    The spool in a folder, locked until :meth:`close`.

    What reads or writes the file raises :class:`~salt_eventsd.exceptions.SpoolError` if that fails; then nothing has
    changed.

    :param folder: where; on a disk of the master's own, not a network's.
    :param max_bytes: what it may hold; :attr:`file` has it, and may be told another.
    :raises SpoolBusy: another engine has it open.
    :raises SpoolError: it cannot be opened.
    """

    def __init__(self, folder: Path, max_bytes: int = _MAX_BYTES) -> None:
        self.folder = folder
        self.file = SpoolFile(folder, max_bytes)
        try:
            #: The refused events.
            self.burials = Burials(self.file)
        except BaseException:
            self.file.close()
            raise
        self.disk = Disk(self.file)
        #: How often the file was found put back in time under this engine.
        self.times_back = 0
        #: How many bytes less are kept than all chunks have together: what several lanes get is kept once.
        self.saved_bytes = 0
        self._transaction = self.file.transaction
        self._rows = self.file.rows
        # Of what was put in this life, the last chunk of each lane.
        self._last: dict[str, int] = {}
        self._life = self.file.lives.current

    @property
    def id(self) -> str:
        """The id of the spool's file."""
        return self.file.ids.file

    @property
    def first_id(self) -> int:
        """The lowest chunk id the file may hold; it rises when a broken file was replaced."""
        return self.file.ids.lowest

    def put(self, chunks: Iterable[Chunk]) -> list[StoredChunk]:
        """
        Keep chunks, all of them in one transaction.

        :param chunks: what to keep.
        :returns: the same chunks with their ids.
        """
        some = list(chunks)
        self.file.lives.look_at_clock()
        try:
            return self._put(some)
        except _PutBack:
            self.file.put_back()
            self.times_back += 1
            return self._put(some)

    def _put(self, chunks: Sequence[Chunk]) -> list[StoredChunk]:
        kept = []
        with self._transaction() as db:
            keeping = Keeping(db)
            # Not before: a file that had to be opened again has another life by now.
            life = self.file.lives.current
            last = self._last if self._life == life else {}
            new: dict[str, int] = {}
            for one in chunks:
                size = one.bytes
                first = new.get(one.lane, last.get(one.lane, -1)) + 1
                values = (one.lane, one.prio, one.events, size, one.oldest, life.number, first)
                new[one.lane] = id_ = db.execute(_PUT, (*values, one.ordering, one.payload)).lastrowid or 0
                if one.shares:
                    keeping.put(id_, one.shares)
                kept.append(StoredChunk(id_, one.lane, one.prio, one.events, size, one.oldest, life.id, first or id_))
            if kept and kept[0].id <= self.file.ids.highest:
                raise _PutBack
            saved = keeping.end()
        if kept:
            self.file.ids.highest = kept[-1].id
        self._life, self._last, self.saved_bytes = life, {**last, **new}, saved
        return kept

    def renew(self, chunk_ids: Iterable[int]) -> None:
        """
        Begin another life, and have these chunks be of it: others have had their ids in the one they are of.

        :param chunk_ids: ids from :meth:`put` or :meth:`waiting`.
        """
        self.file.lives.renew()
        number = self.file.lives.current.number
        with self._transaction() as db:
            db.executemany("UPDATE chunks SET life = ?, first = 0 WHERE id = ?", [(number, one) for one in chunk_ids])

    def waiting(self, lane: str, *, prio: bool, after: int = 0, most: int = 1000) -> list[StoredChunk]:
        """
        Return a lane's chunks, oldest first, without their payloads.

        :param lane: its name.
        :param prio: the prio chunks, or the others.
        :param after: only chunks with a higher id.
        :param most: no more than so many.
        """
        rows = self._rows(
            "SELECT id, events, bytes, oldest, life, first FROM chunks"
            " WHERE worker = ? AND prio = ? AND id > ? ORDER BY id LIMIT ?",
            (lane, prio, after, most),
        )
        lives = self.file.lives
        return [
            StoredChunk(id_, lane, prio, events, size, oldest, lives.id_of(life) or self.id, first or id_)
            for id_, events, size, oldest, life, first in rows
        ]

    def read(self, chunk_id: int) -> Contents:
        """
        Return what is in a chunk; nothing if it is not there any more.

        :param chunk_id: from :meth:`put` or :meth:`waiting`.
        """
        return self.read_all([chunk_id])[0]

    def read_all(self, chunk_ids: Sequence[int]) -> list[Contents]:
        """
        Return what is in some chunks, in their order, with one look into the file: many chunks have one event each.

        :param chunk_ids: from :meth:`put` or :meth:`waiting`; all of them are in memory at once.
        """
        return read(self._rows, chunk_ids)

    def settle(self, chunk_ids: Sequence[int]) -> None:
        """
        Forget chunks that have been written; the events of them that were buried stay, as dead letters.

        :param chunk_ids: ids from :meth:`put` or :meth:`waiting`.
        """
        with self._transaction() as db:
            self.burials.settle(db, chunk_ids)
            db.executemany("DELETE FROM chunks WHERE id = ?", [(one,) for one in chunk_ids])
            saved = saved_bytes(db)
        self.saved_bytes = saved

    def totals(self) -> dict[str, Totals]:
        """Return what is kept, by lane."""
        return _by_lane(self._rows(_TOTALS))

    def begin(self) -> dict[str, Totals]:
        """Return what is kept, by lane, what was put back until now included: :meth:`requeued` does not return that."""
        with self._transaction() as db:
            db.execute("DELETE FROM requeued")
            self.saved_bytes = saved_bytes(db)
            return _by_lane(db.execute(_TOTALS).fetchall())

    def requeued(self) -> dict[str, Totals]:
        """Return, once, what an operator has put back with :mod:`salt_eventsd.spool.dead_letters`, by lane."""
        if not self._rows("SELECT 1 FROM requeued LIMIT 1"):
            return {}
        with self._transaction() as db:
            rows = db.execute("SELECT worker, SUM(events), SUM(bytes) FROM requeued GROUP BY worker").fetchall()
            db.execute("DELETE FROM requeued")
        return _by_lane(rows)

    def oldest(self, lane: str) -> float:
        """
        Return when the oldest event of a lane was read, in seconds since 1970 UTC; 0 if none is kept.

        :param lane: its name.
        :raises SpoolError: the file cannot be read at once.
        """
        sql = "SELECT MIN(oldest) FROM (SELECT oldest FROM chunks WHERE worker = ? AND prio = ? ORDER BY id LIMIT 1)"
        found = [self._rows(sql, (lane, prio), REPORT_PATIENCE_SECONDS)[0][0] for prio in (0, 1)]
        return min((one for one in found if one is not None), default=0.0)

    def drop_oldest(self, lane: str, at_least_bytes: int, spared: set[int]) -> list[StoredChunk]:
        """
        Drop the oldest chunks of a lane until so many bytes are free.

        :param lane: its name.
        :param at_least_bytes: how many bytes must go.
        :param spared: ids of chunks that are being written just now.
        :returns: what was dropped.
        """
        dropped: list[StoredChunk] = []
        with self._transaction() as db:
            freed = 0
            for id_, prio, events, size, oldest in _oldest_first(db, lane):
                if freed >= at_least_bytes:
                    break
                if id_ not in spared:
                    dropped.append(StoredChunk(id_, lane, bool(prio), events, size, oldest))
                    freed += size
            db.executemany("DELETE FROM chunks WHERE id = ?", [(one.id,) for one in dropped])
            saved = saved_bytes(db)
        self.saved_bytes = saved
        return dropped

    def oldest_id(self, lane: str | None = None) -> int:
        """
        Return the lowest id still kept, or one above the highest ever given.

        :param lane: of this lane's chunks; None for all.
        """
        if lane is None:
            ids = [self._rows("SELECT MIN(id) FROM chunks")[0][0]]
        else:
            sql = "SELECT MIN(id) FROM chunks WHERE worker = ? AND prio = ?"
            ids = [self._rows(sql, (lane, prio))[0][0] for prio in (0, 1)]
        return min((one for one in ids if one is not None), default=self.newest_id() + 1)

    def newest_id(self) -> int:
        """Return the highest id ever given, 0 if none was."""
        rows = self._rows("SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'chunks'), 0)")
        return int(rows[0][0])

    def close(self, patience_seconds: float = -1) -> bool:
        """
        Close the file and let go of the lock; return whether that was done.

        :param patience_seconds: how long to wait for other threads, -1 for as long as it takes.
        """
        return self.file.close(patience_seconds)


def _oldest_first(db: sqlite3.Connection, lane: str) -> Iterator[tuple[Any, ...]]:
    """Yield what is known of a lane's chunks by their ids, prio or not, without a look at the other lanes' chunks."""
    sql = "SELECT id, prio, events, bytes, oldest FROM chunks WHERE worker = ? AND prio = ? ORDER BY id"
    return heapq.merge(*[db.execute(sql, (lane, prio)) for prio in (0, 1)])


def _by_lane(rows: Iterable[tuple[str, int, int]]) -> dict[str, Totals]:
    return {lane: Totals(events, size) for lane, events, size in rows}
