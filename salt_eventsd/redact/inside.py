"""
The texts in a payload, and which of its mappings hold which of them.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Any


class Inside:
    """
    All texts and keys of a value.

    :param value: a decoded payload, or a part of one. It must live as long as what :meth:`without` returns.
    :ivar texts: in the order in which they stand there.
    """

    def __init__(self, value: Any) -> None:
        self.texts: list[str] = []
        #: Of each mapping that is the value of another: which it is, where its texts begin and where they end.
        self._mappings: list[tuple[int, int, int]] = []
        self._has_bytes = False
        self._collect(value)

    def without(self, odd: set[str]) -> frozenset[int]:
        """
        Return the mappings in which none of some texts is, as :func:`id` tells them.

        :param odd: the texts.
        """
        if self._has_bytes:
            return frozenset()
        places = [place for place, text in enumerate(self.texts) if text in odd]
        return frozenset(
            which
            for which, start, end in self._mappings
            if (number := bisect_left(places, start)) == len(places) or places[number] >= end
        )

    def _collect(self, value: Any) -> None:
        texts = self.texts
        if isinstance(value, str):
            texts.append(value)
        elif isinstance(value, dict):
            for key, one in value.items():
                if isinstance(key, (str, bytes)):
                    texts.append(key if isinstance(key, str) else self._text_of(key))
                if isinstance(one, str):
                    texts.append(one)
                elif isinstance(one, dict):
                    start = len(texts)
                    self._collect(one)
                    self._mappings.append((id(one), start, len(texts)))
                elif isinstance(one, (list, tuple, bytes, bytearray)):
                    self._collect(one)
        elif isinstance(value, (list, tuple)):
            for one in value:
                if isinstance(one, str):
                    texts.append(one)
                elif isinstance(one, (dict, list, tuple, bytes, bytearray)):
                    self._collect(one)
        elif isinstance(value, (bytes, bytearray)):
            texts.append(self._text_of(value))

    def _text_of(self, value: bytes | bytearray) -> str:
        self._has_bytes = True
        return as_text(value)


def as_text(value: bytes | bytearray) -> str:
    """
    Return bytes as text; what is not UTF-8 is escaped.

    :param value: from a decoded payload.
    """
    return bytes(value).decode("utf-8", "backslashreplace")
