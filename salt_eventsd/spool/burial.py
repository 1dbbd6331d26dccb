"""
Bury: events that a backend refused, from the try that notes them to the dead letters that an operator sees.

They stay within bounds, in number and in bytes: of more than that the oldest give way, and are counted.
"""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import NamedTuple

import msgspec

from salt_eventsd.event.parse import Event
from salt_eventsd.exceptions import SpoolError
from salt_eventsd.spool.file import SpoolFile
from salt_eventsd.spool.schema import LETTER_BYTES

#: How long a report waits for a disk that stalls: what it says of the rest should not be late for it.
REPORT_PATIENCE_SECONDS = 0.2
#: Of more dead letters than this the oldest go, and are counted.
MOST_DEAD_LETTERS = 100_000
#: They take no more than this part of ``spool.max_bytes``; what waits to be written has the rest.
LETTERS_SHARE = 0.25

_ENCODER = msgspec.msgpack.Encoder()


class Burial(msgspec.Struct, frozen=True):
    """An event a backend refused: which one of which chunk, and why."""

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


class Graves:
    """
    The dead letters in a spool's file.

    :param file: the file.
    """

    def __init__(self, file: SpoolFile) -> None:
        self.file = file
        #: What the dead letters take, in bytes, as of the last look.
        self.letter_bytes = 0
        #: How many have given way to newer ones since the start, by worker.
        self.letters_given_way: Counter[str] = Counter()
        # A file that turns out broken has just been replaced by one without any.
        with suppress(SpoolError):
            self.dead_letters()

    @property
    def letters_dropped(self) -> int:
        """How many have given way to newer ones since the start."""
        return self.letters_given_way.total()

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
        noted = [
            _Noted(one.chunk, one.position, worker, one.error, now, one.event.tag, _ENCODER.encode(one.event))
            for one in burials
        ]
        with self.file.transaction() as db:
            db.executemany("DELETE FROM dead WHERE chunk = ? AND settled = 0", [(one,) for one in chunk_ids])
            given_way = self._make_room(db, len(noted), sum(len(one.event) + len(one.error.encode()) for one in noted))
            db.executemany(
                "INSERT INTO dead (chunk, position, settled, worker, error, buried, tag, event)"
                " VALUES (?, ?, 0, ?, ?, ?, ?, ?)",
                noted,
            )
        self.letters_given_way.update(given_way)

    def _make_room(self, db: sqlite3.Connection, letters: int, size: int) -> Counter[str]:
        """Have the oldest letters give way to so many new ones of such a size, and say whose they were."""
        count, used = db.execute("SELECT total(letters), total(bytes) FROM dead_counts").fetchone()
        over = count + letters - MOST_DEAD_LETTERS
        over_bytes = used + size - int(self.file.max_bytes * LETTERS_SHARE)
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

    def noted(self, chunk_ids: Sequence[int]) -> bool:
        """Say whether an earlier try noted burials for any of these chunks."""
        marks = ",".join("?" * len(chunk_ids))
        return bool(
            self.file.rows(f"SELECT 1 FROM dead WHERE settled = 0 AND chunk IN ({marks}) LIMIT 1", tuple(chunk_ids))
        )

    def dead_letters(self) -> dict[str, int]:
        """
        Return how many events have been buried, by worker.

        :raises SpoolError: the file cannot be read at once.
        """
        sql = "SELECT worker, letters, bytes FROM dead_counts WHERE letters > 0"
        rows = self.file.rows(sql, (), REPORT_PATIENCE_SECONDS)
        self.letter_bytes = sum(size for _, _, size in rows)
        return {worker: letters for worker, letters, _ in rows}
