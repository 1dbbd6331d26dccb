"""
A cache of answers, bounded in bytes, because a minion chooses the keys.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

Answer = TypeVar("Answer")

#: Memory of an entry besides the text in its key, roughly, in bytes.
_ENTRY_BYTES = 400
#: The most memory that a character takes.
_CHAR_BYTES = 4


class Remembered(Generic[Answer]):
    """
    Remembers answers by key. When there is no room left, it forgets all of them: frequent ones are soon back.

    :param most_bytes: how much memory the answers may take, about.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._answers: dict[Hashable, Answer] = {}
        #: The dict's own method: this saves a call.
        self.get = self._answers.get

    def __len__(self) -> int:
        return len(self._answers)

    def put(self, key: Hashable, answer: Answer, chars: int) -> None:
        """
        Remember an answer.

        :param key: the key.
        :param answer: the answer.
        :param chars: how many characters of text the key has.
        """
        size = _ENTRY_BYTES + _CHAR_BYTES * chars
        if self._bytes + size > self._most_bytes:
            self._answers.clear()
            self._bytes = 0
        self._answers[key] = answer
        self._bytes += size
