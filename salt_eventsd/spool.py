"""
Keep: the durable queue between the bus and the workers.

A *chunk* is one worker's events of one group commit, encoded once and never taken apart in here. A chunk stays until it
is settled, so whatever happens to the engine or to a database, what was put is found again. Chunk ids are never used
twice (AUTOINCREMENT), and each spool file has an id of its own: together they are the receipt that makes a replay
harmless.

Every call is thread-safe. All of them do I/O under one lock, which is why the thread that reads the bus makes none.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from salt_eventsd.event import Event, undecodable
from salt_eventsd.spool_file import SpoolFile

#: More pages than this on the free list (64 MiB at 4 KiB) are given back to the disk when the spool is empty.
_FREE_PAGES_KEPT = 16_384
#: How long a report waits for a disk that stalls: what it says of the rest should not be late for it.
_REPORT_PATIENCE_SECONDS = 0.2
#: Of more dead letters than this the oldest go, and are counted.
MOST_DEAD_LETTERS = 100_000


class Chunk(msgspec.Struct, frozen=True):
    """
    One worker's events of one group commit, before the spool has given it an id.

    :param worker: the lane's name, which is the worker's, or that of a rule of the user's own behind it.
    :param payload: from :func:`encode_events`.
    :param oldest: when the oldest of its events was read, in seconds since 1970 UTC.
    """

    worker: str
    prio: bool
    events: int
    oldest: float
    payload: bytes


class Kept(msgspec.Struct, frozen=True):
    """A chunk in the spool; its payload is read when it is written."""

    id: int
    worker: str
    prio: bool
    events: int
    bytes: int
    oldest: float


class Totals(msgspec.Struct, frozen=True):
    """What the spool holds for one worker."""

    events: int = 0
    bytes: int = 0


class Burial(msgspec.Struct, frozen=True):
    """An event a backend refused: which one of which chunk, and why."""

    chunk: int
    position: int
    event: Event
    error: str


#: What decoding raises of bytes that a disk has changed.
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError)
_EVENTS = msgspec.msgpack.Decoder(list[Event])
_ENCODER = msgspec.msgpack.Encoder()


def encode_events(events: Sequence[Event]) -> bytes:
    """Encode events as a chunk's payload: a MessagePack array of arrays."""
    return _ENCODER.encode(events)


def halved(chunk: Chunk) -> list[Chunk]:
    """
    Return a chunk's events as two chunks, for a disk that has no room for it as a whole.

    :param chunk: of two events or more.
    """
    events = _EVENTS.decode(chunk.payload)
    half = len(events) // 2
    return [
        Chunk(chunk.worker, chunk.prio, len(some), some[0].received, encode_events(some))
        for some in (events[:half], events[half:])
    ]


class Spool:
    """
    The spool in a folder, locked until :meth:`close`.

    :param folder: where; on a disk of the master's own, not a network's.
    :raises SpoolBusy: another engine has it open.
    :raises SpoolError: it cannot be opened.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = SpoolFile(folder)
        self.letters_dropped = 0
        self._transaction = self.file.transaction
        self._rows = self.file.rows

    @property
    def id(self) -> str:
        """The id of the spool's file, the first half of a receipt."""
        return self.file.id

    def put(self, chunks: Iterable[Chunk]) -> list[Kept]:
        """
        Keep chunks, all of them in one transaction.

        :param chunks: what to keep.
        :returns: the same chunks with their ids.
        :raises SpoolError: nothing was kept.
        """
        kept = []
        with self._transaction() as db:
            for chunk in chunks:
                size = len(chunk.payload)
                cursor = db.execute(
                    "INSERT INTO chunks (worker, prio, events, bytes, oldest, payload) VALUES (?, ?, ?, ?, ?, ?)",
                    (chunk.worker, chunk.prio, chunk.events, size, chunk.oldest, chunk.payload),
                )
                self.file.given(cursor.lastrowid or 0)
                kept.append(Kept(cursor.lastrowid or 0, chunk.worker, chunk.prio, chunk.events, size, chunk.oldest))
        return kept

    def waiting(self, worker: str, *, prio: bool, after: int = 0, most: int = 1000) -> list[Kept]:
        """
        Return a worker's chunks, oldest first, without their payloads.

        :param worker: its name.
        :param prio: the prio chunks, or the others.
        :param after: only chunks with a higher id.
        :param most: no more than so many.
        """
        rows = self._rows(
            "SELECT id, events, bytes, oldest FROM chunks WHERE worker = ? AND prio = ? AND id > ? ORDER BY id LIMIT ?",
            (worker, prio, after, most),
        )
        return [Kept(id_, worker, prio, events, size, oldest) for id_, events, size, oldest in rows]

    def read(self, chunk_id: int) -> list[Event]:
        """
        Return a chunk's events; none if it is not there any more.

        A chunk that cannot be decoded, for a disk has changed it, comes as one event that holds it as text.

        :param chunk_id: from :meth:`put` or :meth:`waiting`.
        """
        rows = self._rows("SELECT payload FROM chunks WHERE id = ?", (chunk_id,))
        if not rows:
            return []
        try:
            return _EVENTS.decode(rows[0][0])
        except UNREADABLE:
            return [undecodable(rows[0][0], time.time())]

    def settle(self, chunk_ids: Iterable[int]) -> None:
        """
        Forget chunks that have been written; the events of them that were buried stay, as dead letters.

        :param chunk_ids: ids from :meth:`put` or :meth:`waiting`.
        """
        ids = [(one,) for one in chunk_ids]
        with self._transaction() as db:
            db.executemany("UPDATE dead SET settled = 1 WHERE chunk = ?", ids)
            db.executemany("DELETE FROM chunks WHERE id = ?", ids)

    def bury(self, worker: str, chunk_ids: Iterable[int], burials: Iterable[Burial]) -> None:
        """
        Note, before the backend commits, which events of these chunks it refused.

        They become dead letters when the chunks are settled. A new try at the same chunks replaces what an earlier one
        noted, so an event is either written or buried, never both.

        :param worker: who could not write them.
        :param chunk_ids: all chunks of the try.
        :param burials: the refused events.
        """
        now = time.time()
        with self._transaction() as db:
            self.letters_dropped += db.execute(
                "DELETE FROM dead WHERE settled = 1 AND id <= (SELECT MAX(id) FROM dead) - ?", (MOST_DEAD_LETTERS,)
            ).rowcount
            db.executemany("DELETE FROM dead WHERE chunk = ? AND settled = 0", [(one,) for one in chunk_ids])
            db.executemany(
                "INSERT INTO dead (chunk, position, settled, worker, error, buried, event)"
                " VALUES (?, ?, 0, ?, ?, ?, ?)",
                [(one.chunk, one.position, worker, one.error, now, _ENCODER.encode(one.event)) for one in burials],
            )

    def noted(self, chunk_ids: Sequence[int]) -> bool:
        """Say whether an earlier try noted burials for any of these chunks."""
        marks = ",".join("?" * len(chunk_ids))
        return bool(
            self._rows(f"SELECT 1 FROM dead WHERE settled = 0 AND chunk IN ({marks}) LIMIT 1", tuple(chunk_ids))
        )

    def totals(self) -> dict[str, Totals]:
        """Return what is kept, by worker."""
        rows = self._rows("SELECT worker, SUM(events), SUM(bytes) FROM chunks GROUP BY worker", ())
        return {worker: Totals(events, size) for worker, events, size in rows}

    def dead_letters(self) -> dict[str, int]:
        """
        Return how many events have been buried, by worker.

        :raises SpoolError: the file cannot be read at once.
        """
        sql = "SELECT worker, COUNT(*) FROM dead WHERE settled = 1 GROUP BY worker"
        return dict(self._rows(sql, (), _REPORT_PATIENCE_SECONDS))

    def oldest(self, worker: str) -> float:
        """
        Return when the oldest event of a worker was read, in seconds since 1970 UTC; 0 if none is kept.

        :raises SpoolError: the file cannot be read at once.
        """
        sql = "SELECT MIN(oldest) FROM (SELECT oldest FROM chunks WHERE worker = ? AND prio = ? ORDER BY id LIMIT 1)"
        found = [self._rows(sql, (worker, prio), _REPORT_PATIENCE_SECONDS)[0][0] for prio in (0, 1)]
        return min((one for one in found if one is not None), default=0.0)

    def drop_oldest(self, worker: str | None, at_least_bytes: int, spared: set[int]) -> list[Kept]:
        """
        Drop the oldest chunks until so many bytes are free.

        :param worker: whose, or None for anybody's.
        :param at_least_bytes: how many bytes must go.
        :param spared: ids of chunks that are being written just now.
        :returns: what was dropped.
        """
        dropped: list[Kept] = []
        with self._transaction() as db:
            freed = 0
            rows = db.execute(
                "SELECT id, worker, prio, events, bytes, oldest FROM chunks WHERE worker = coalesce(?, worker)"
                " ORDER BY id",
                (worker,),
            )
            for row in rows:
                if freed >= at_least_bytes:
                    break
                if row[0] not in spared:
                    dropped.append(Kept(row[0], row[1], bool(row[2]), *row[3:]))
                    freed += row[4]
            db.executemany("DELETE FROM chunks WHERE id = ?", [(one.id,) for one in dropped])
        return dropped

    def oldest_id(self) -> int:
        """Return the lowest id still kept, or one above the highest ever given: receipts below it are of no use."""
        lowest = self._rows("SELECT MIN(id) FROM chunks", ())[0][0]
        return self.newest_id() + 1 if lowest is None else int(lowest)

    def requeued(self) -> dict[str, Totals]:
        """Return, once, what an operator has put back with :mod:`salt_eventsd.letters`, by worker."""
        if not self._rows("SELECT 1 FROM requeued LIMIT 1", ()):
            return {}
        with self._transaction() as db:
            rows = db.execute("SELECT worker, SUM(events), SUM(bytes) FROM requeued GROUP BY worker").fetchall()
            db.execute("DELETE FROM requeued")
        return {worker: Totals(events, size) for worker, events, size in rows}

    def newest_id(self) -> int:
        """Return the highest id ever given, 0 if none was."""
        rows = self._rows("SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'chunks'), 0)", ())
        return int(rows[0][0])

    def shrink(self) -> None:
        """Give disk space back that an outage's backlog has left free; does nothing while little is free."""
        if self._rows("PRAGMA freelist_count", ())[0][0] > _FREE_PAGES_KEPT:
            self._rows(f"PRAGMA incremental_vacuum({_FREE_PAGES_KEPT // 16})", ())

    def close(self) -> None:
        """Close the file and let go of the lock."""
        self.file.close()
