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
        self._changed = threading.Condition()
        self._is_taken = False
        self._urgent = 0

    @contextmanager
    def take(self, is_urgent: bool = False) -> Iterator[None]:
        """
        Wait for those before, and keep others waiting in the ``with`` block.

        :param is_urgent: go before all that wait and are not.
        """
        is_mine = self.are_taken and self._wait(is_urgent)
        try:
            yield
        finally:
            if is_mine:
                with self._changed:
                    self._is_taken = False
                    self._changed.notify_all()

    def _wait(self, is_urgent: bool) -> bool:
        """Return whether it is the caller's turn now; if not, it has waited as long as it may."""
        with self._changed:
            self._urgent += is_urgent
            try:
                is_mine = self._changed.wait_for(lambda: self._is_free(is_urgent), _LONGEST_SECONDS)
            finally:
                self._urgent -= is_urgent
            self._is_taken = self._is_taken or is_mine
            return is_mine

    def _is_free(self, is_urgent: bool) -> bool:
        return not self._is_taken and (is_urgent or not self._urgent)
