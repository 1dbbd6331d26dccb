"""
Rows as lines of text, as the quickest ways into PostgreSQL and MariaDB take them.

What stands between values, and for NULL, is chosen so that a usual text holds none of it and is sent as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from salt_eventsd.common.grouping import grouped
from salt_eventsd.database.dialects.base.bulk import USUAL_DOCUMENT_BYTES

# None of these is in a usual text: JSON escapes them.
BETWEEN, MARK = "\x1e", "\x1d"


@dataclass(frozen=True)
class Lines:
    """
    How rows are written.

    :param null: stands for NULL; begins with :data:`MARK`, and has it only there.
    :param end: ends a line.
    :param usual: writes a text that has neither :data:`BETWEEN` nor :data:`MARK` in it.
    :param odd: writes any text.
    """

    null: str
    end: str
    usual: Callable[[str], str]
    odd: Callable[[str], str]

    def line(self, values: Sequence[Any]) -> str:
        """
        Return a row as a line.

        :param values: of the row; JSON as text or as ``msgspec.Raw``.
        """
        null = self.null
        texts = [
            null
            if value is None
            else value
            if (kind := type(value)) is str
            else str(value, "utf-8")
            if kind is msgspec.Raw
            else _WRITERS[kind](value)
            for value in values
        ]
        text = BETWEEN.join(texts)
        if text.count(BETWEEN) == len(texts) - 1 and text.count(MARK) == values.count(None):
            return self.usual(text) + self.end
        odd = [one if value is None else self.odd(one) for one, value in zip(texts, values, strict=True)]
        return BETWEEN.join(odd) + self.end

    def pieces(self, rows: Iterable[Sequence[Any]]) -> Iterator[bytes]:
        """
        Yield lines, many in a piece.

        :param rows: of values.
        """
        for some in grouped(map(self.line, rows), len, USUAL_DOCUMENT_BYTES):
            yield "".join(some).encode()


_WRITERS: dict[type, Callable[[Any], str]] = {
    bool: lambda value: "1" if value else "0",
    int: str,
    float: repr,
}
