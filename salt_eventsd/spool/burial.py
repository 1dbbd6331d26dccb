"""
Bury: events that a backend refused, from the try that notes them to the dead letters that an operator sees.

Dead letters stay within bounds, in number and in bytes: when there are more, the oldest are deleted, and counted.
"""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import NamedTuple

import msgspec

from salt_eventsd.event.chunk import encode_event
from salt_eventsd.event.parse import Event
from salt_eventsd.exceptions import SpoolError
from salt_eventsd.spool.file import SpoolFile
from salt_eventsd.spool.schema import LETTER_BYTES

#: How long a report waits for a disk that stalls: what it says of the rest should not be late for it.
REPORT_PATIENCE_SECONDS = 0.2
#: How many dead letters there may be.
MOST_DEAD_LETTERS = 100_000
#: They take no more than this part of ``spool.max_bytes``; what waits to be written has the rest.
LETTERS_SHARE = 0.25


class Burial(msgspec.Struct, frozen=True):
    """
    An event that a backend refused.

    :param chunk: the id of its chunk.
    :param position: which event of the chunk it is, from 0.
    :param error: why it was refused.
    """

    chunk: int
    position: int
    event: Event
    error: str


class _Noted(NamedTuple):
    """A burial as it is kept."""

    chunk: int
    position: int
    worker: str
    error: str
    buried: float
    tag: str
    event: bytes


class Burials:
    """
    The refused events in a spool's file: those noted by tries that go on, and dead letters.

    :param file: the file.
    """

    def __init__(self, file: SpoolFile) -> None:
        self._file = file
        #: What the dead letters take, in bytes, when :meth:`dead_letters` was last called.
        self.letter_bytes = 0
        #: How many dead letters were deleted for newer ones since the start, by worker.
        self.letters_given_way: Counter[str] = Counter()
        # A file that turns out broken has just been replaced by one without any.
        with suppress(SpoolError):
            self.dead_letters()

    def note(self, worker: str, chunk_ids: Iterable[int], burials: Iterable[Burial]) -> None:
        """
        Note, before the backend commits, which events of these chunks it refused.

        They become dead letters when the chunks are settled. A new try at the same chunks replaces what an earlier one
        noted, so an event is either written or buried, never both.

        :param worker: who could not write them.
        :param chunk_ids: all chunks of the try.
        :param burials: the refused events.
        :raises SpoolError: nothing was noted.
        """
        now = time.time()
        noted = [
            _Noted(one.chunk, one.position, worker, one.error, now, one.event.tag, encode_event(one.event))
            for one in burials
        ]
        with self._file.transaction() as db:
            db.executemany("DELETE FROM dead WHERE chunk = ? AND settled = 0", [(one,) for one in chunk_ids])
            given_way = self._make_room(db, len(noted), sum(len(one.event) + len(one.error.encode()) for one in noted))
            db.executemany(
                "INSERT INTO dead (chunk, position, settled, worker, error, buried, tag, event)"
                " VALUES (?, ?, 0, ?, ?, ?, ?, ?)",
                noted,
            )
        self.letters_given_way.update(given_way)

    @staticmethod
    def settle(db: sqlite3.Connection, chunk_ids: Iterable[int]) -> None:
        """
        Make dead letters of what was noted for chunks.

        :param db: has the file open, in the transaction that forgets the chunks.
        :param chunk_ids: which chunks.
        :raises sqlite3.Error: nothing was changed.
        """
        db.executemany("UPDATE dead SET settled = 1 WHERE chunk = ?", [(one,) for one in chunk_ids])

    def noted(self, chunk_ids: Sequence[int]) -> bool:
        """
        Say whether an earlier try noted burials for any of these chunks.

        :param chunk_ids: ids of chunks that are not settled.
        :raises SpoolError: the file cannot be read.
        """
        marks = ",".join("?" * len(chunk_ids))
        return bool(
            self._file.rows(f"SELECT 1 FROM dead WHERE settled = 0 AND chunk IN ({marks}) LIMIT 1", tuple(chunk_ids))
        )

    def dead_letters(self) -> dict[str, int]:
        """
        Return how many dead letters there are, by worker.

        :raises SpoolError: the file cannot be read at once.
        """
        sql = "SELECT worker, letters, bytes FROM dead_counts WHERE letters > 0"
        rows = self._file.rows(sql, (), REPORT_PATIENCE_SECONDS)
        self.letter_bytes = sum(size for _, _, size in rows)
        return {worker: letters for worker, letters, _ in rows}

    def _make_room(self, db: sqlite3.Connection, letters: int, size: int) -> Counter[str]:
        """Delete the oldest letters until there is room for so many new ones of such a size; return whose they were."""
        count, used = db.execute("SELECT total(letters), total(bytes) FROM dead_counts").fetchone()
        over = count + letters - MOST_DEAD_LETTERS
        over_bytes = used + size - int(self._file.max_bytes * LETTERS_SHARE)
        gone: list[tuple[int]] = []
        whose: Counter[str] = Counter()
        if over > 0 or over_bytes > 0:
            rows = db.execute(f"SELECT id, worker, {LETTER_BYTES} FROM dead WHERE settled = 1 ORDER BY id")
            for id_, worker, one_bytes in rows:
                if over <= 0 and over_bytes <= 0:
                    break
                gone.append((id_,))
                whose[worker] += 1
                over -= 1
                over_bytes -= one_bytes
            db.executemany("DELETE FROM dead WHERE id = ?", gone)
        return whose
