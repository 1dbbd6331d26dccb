"""
Rows as lines of text, as the quickest ways into PostgreSQL and MariaDB take them.

What stands between values and rows, and for NULL, is chosen so that a usual text holds none of it: then many rows are
looked through at once, and none by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from salt_eventsd.database.dialects.base.bulk import USUAL_DOCUMENT_BYTES

# None of these is in a usual text: JSON escapes them.
MARK, BETWEEN, END = "\x1d", "\x1e", "\x1f"


@dataclass(frozen=True)
class Lines:
    """
    How rows are written.

    :param null: stands for NULL; begins with :data:`MARK`, and has it only there.
    :param usual: makes lines of rows in whose values there is no sign of this module.
    :param odd: writes a value with any sign in it, so that it may stand in a line.
    :param end: ends a line whose values are written so.
    """

    null: str
    usual: Callable[[str], str]
    odd: Callable[[str], str]
    end: str

    def pieces(self, rows: Iterable[Sequence[Any]]) -> Iterator[bytes]:
        """
        Yield lines, many in a piece.

        :param rows: of values; JSON as text or as ``msgspec.Raw``.
        """
        some: list[Sequence[Any]] = []
        texts: list[str] = []
        size = 0
        for values in rows:
            text = BETWEEN.join(self._texts(values))
            if texts and size + len(text) > USUAL_DOCUMENT_BYTES:
                yield self._piece(some, texts)
                some, texts, size = [], [], 0
            some.append(values)
            texts.append(text)
            size += len(text)
        if texts:
            yield self._piece(some, texts)

    def _texts(self, values: Sequence[Any]) -> list[str]:
        null = self.null
        return [
            null
            if value is None
            else value
            if (kind := type(value)) is str
            else str(value, "utf-8")
            if kind is msgspec.Raw
            else _WRITERS[kind](value)
            for value in values
        ]

    def _piece(self, rows: Sequence[Sequence[Any]], texts: Sequence[str]) -> bytes:
        text = END.join(texts) + END
        is_usual = (
            text.count(END) == len(rows)
            and text.count(BETWEEN) == sum(map(len, rows)) - len(rows)
            and text.count(MARK) == sum(values.count(None) for values in rows)
        )
        return (self.usual(text) if is_usual else "".join(map(self._odd_line, rows))).encode()

    def _odd_line(self, values: Sequence[Any]) -> str:
        written = zip(values, self._texts(values), strict=True)
        return BETWEEN.join([text if value is None else self.odd(text) for value, text in written]) + self.end


_WRITERS: dict[type, Callable[[Any], str]] = {
    bool: lambda value: "1" if value else "0",
    int: str,
    float: repr,
}
