"""
Answers that are remembered, bounded in bytes: what they are remembered under is of a minion's choosing.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

Answer = TypeVar("Answer")

#: What an entry takes besides the text in its key, roughly, in bytes.
_ENTRY_BYTES = 400
#: What a character takes at most.
_CHAR_BYTES = 4


class Remembered(Generic[Answer]):
    """
    Answers by key. When there is no more room, all are forgotten: what is asked often is soon known again.

    :param most_bytes: what they may take in memory, about.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._answers: dict[Hashable, Answer] = {}
        #: As a dict's own: asking costs no call more.
        self.get = self._answers.get

    def __len__(self) -> int:
        return len(self._answers)

    def put(self, key: Hashable, answer: Answer, chars: int) -> None:
        """
        Remember an answer.

        :param key: asked for.
        :param answer: to give.
        :param chars: how many characters of text the key has.
        """
        size = _ENTRY_BYTES + _CHAR_BYTES * chars
        if self._bytes + size > self._most_bytes:
            self._answers.clear()
            self._bytes = 0
        self._answers[key] = answer
        self._bytes += size
