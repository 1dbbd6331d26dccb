"""
Who is to blame for a refusal: the event, or a table that would refuse any event.

An event is to blame if its table takes others: others of the batch, a row that is made up and undone, or others that
came later. Without such evidence nothing is set aside: the chunks concerned wait, later chunks are tried, and the
status reports the worker as held.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection
from typing import Any

from salt_eventsd.exceptions import Refused
from salt_eventsd.workers.write import ChunkName

Row = dict[str, Any]
#: At most so many chunks are remembered as doubted; for further ones the oldest are forgotten.
_MOST_DOUBTS = 10_000
#: A larger row is not remembered as a good one, in bytes of its texts.
_LARGEST_GOOD = 4096


class Rejected(Refused):
    """
    A server's answer to rows of one table or statement.

    :param message: what it said.
    :param target: the table or the rule.
    :ivar looks_general: such an answer usually concerns all rows: no such table, no permission.
    :ivar is_a_value: only a value can be to blame.
    :ivar has_no_place: the table has no partition for the row.
    """

    def __init__(
        self,
        message: str,
        target: str,
        looks_general: bool = False,
        is_a_value: bool = False,
        has_no_place: bool = False,
    ) -> None:
        super().__init__(message)
        self.target = target
        self.looks_general = looks_general
        self.is_a_value = is_a_value
        self.has_no_place = has_no_place


class Evidence:
    """What earlier batches of one worker have shown of its tables and rules; each is a *target*, by its name."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        #: When a target first refused all events of a chunk.
        self._since: dict[tuple[str, ChunkName], float] = {}
        #: Targets that have taken nothing since then.
        self._open: set[str] = set()
        self._took: dict[str, float] = {}
        self._good: dict[str, Row] = {}

    def doubt(self, target: str, chunks: Collection[ChunkName]) -> None:
        """Note that a target refuses what these chunks have for it."""
        with self._mutex:
            self._open.add(target)
            for chunk in chunks:
                self._since.setdefault((target, chunk), time.monotonic())
            while len(self._since) > _MOST_DOUBTS:
                del self._since[next(iter(self._since))]

    def is_doubted(self, target: str) -> bool:
        """Return whether a target has refused all that was tried, and has taken nothing since."""
        return target in self._open

    def is_refuted(self, target: str, chunk: ChunkName) -> bool:
        """Return whether a target has taken events of others since it was doubted for this chunk."""
        since = self._since.get((target, chunk))
        return since is not None and self._took.get(target, 0.0) > since

    def took(self, targets: Collection[str], chunks: Collection[ChunkName]) -> None:
        """Note that these targets have taken rows, and that these chunks are written."""
        with self._mutex:
            now = time.monotonic()
            self._took.update(dict.fromkeys(targets, now))
            self._open.difference_update(targets)
            if self._since:
                written = set(chunks)
                self._since = {key: since for key, since in self._since.items() if key[1] not in written}

    def note_good(self, target: str, row: Row) -> None:
        """Remember a row that a rule's table or statement has taken."""
        if sum(len(value) for value in row.values() if isinstance(value, (str, bytes))) <= _LARGEST_GOOD:
            self._good[target] = row

    def good(self, target: str) -> Row | None:
        """Return a row that a rule's table or statement has taken, if one is known."""
        return self._good.get(target)
