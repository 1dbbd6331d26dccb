"""
Batches take turns where a database has one writer at a time.

By the database's own means, whoever waits looks for its turn now and then; here it has it at once. And as long as one
connection at a time writes, what it has of the file in memory stays right.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

#: How long a batch waits for those before it, in seconds. One that hangs must not keep others from being told why.
_LONGEST_SECONDS = 5.0


class Turns:
    """
    Whose turn it is to write.

    :param are_taken: whether batches wait for each other at all.
    """

    def __init__(self, are_taken: bool) -> None:
        self.are_taken = are_taken
        self._mutex = threading.Lock()

    @contextmanager
    def take(self) -> Iterator[None]:
        """Wait for those before, and keep others waiting in the ``with`` block."""
        is_mine = self.are_taken and self._mutex.acquire(timeout=_LONGEST_SECONDS)
        try:
            yield
        finally:
            if is_mine:
                self._mutex.release()
