"""
Rows as lines of text, as the quickest ways into PostgreSQL and MariaDB take them.

What stands between values and rows, and for NULL, is chosen so that a usual text holds none of it: then many rows are
looked through at once, and none by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, repeat
from typing import Any

import msgspec

from salt_eventsd.common.grouping import grouped
from salt_eventsd.database.dialects.base.bulk import Row
from salt_eventsd.database.dialects.base.runs import Run, Runs, Values

# None of these is in a usual text: JSON escapes them.
MARK, BETWEEN, END = "\x1d", "\x1e", "\x1f"
#: A piece is about so large, in characters. With each one sent, Python's global lock is given away and waited for.
PIECE_BYTES = 2**19
#: The values of so many rows are made text together.
_ROWS_AT_ONCE = 256
_SIGNS = (MARK, BETWEEN, END)
#: To see that a sign is nowhere in a text takes a tenth of the time of counting it. So in rows that are longer than
#: this by and large, in characters, it is looked for in each value.
_LONG = 4096


@dataclass(frozen=True)
class Lines:
    """
    How rows are written.

    :param null: stands for NULL; begins with :data:`MARK`, and has it only there.
    :param usual: makes lines of rows in whose values there is no sign of this module. It takes bytes: to replace a sign
        in these takes a tenth of the time that it takes in a text.
    :param odd: writes a value with any sign in it, so that it may stand in a line.
    :param end: ends a line whose values are written so.
    """

    null: str
    usual: Callable[[bytes], bytes]
    odd: Callable[[str], str]
    end: str

    def of(self, rows: Sequence[Row], values: Callable[[Row], Values]) -> Iterator[bytes]:
        """
        Yield lines, many in a piece.

        :param rows: of the same columns.
        :param values: makes a row the tuple of its values.
        """
        if not isinstance(rows, Runs):
            yield from self.pieces(map(values, rows))
            return
        yield from self.pieces(map(values, rows.others))
        odd: list[Run] = []
        for part in grouped(self._usual_of(rows.runs, odd), len, PIECE_BYTES):
            if odd:
                yield from self.pieces([one for run in odd for one in run.values])
                odd.clear()
            lines = "".join(part).encode()
            yield self.usual(lines if self.null == MARK else lines.replace(MARK.encode(), self.null.encode()))
        yield from self.pieces(one for run in odd for one in run.values)

    def _usual_of(self, runs: Iterable[Run], odd: list[Run]) -> Iterator[str]:
        for run in runs:
            if (text := run.text()) is None:
                odd.append(run)
            else:
                yield text

    def pieces(self, rows: Iterable[Sequence[Any]]) -> Iterator[bytes]:
        """
        Yield lines, many in a piece.

        :param rows: of values, all of the same columns; JSON as text or as ``msgspec.Raw``.
        """
        waiting = iter(rows)
        while some := list(islice(waiting, _ROWS_AT_ONCE)):
            texts = self._texts(some)
            at = 0
            for part in grouped(texts, len, PIECE_BYTES):
                yield self._piece(some[at : at + len(part)], part)
                at += len(part)

    def _texts(self, rows: Sequence[Sequence[Any]]) -> list[str]:
        # The values of a column are mostly of one type, so that no value needs to be asked for its own.
        return list(map(BETWEEN.join, zip(*map(self._column, zip(*rows, strict=True)), strict=True)))

    def _column(self, values: Sequence[Any]) -> Iterable[str]:
        kinds = set(map(type, values))
        if kinds == {str}:
            return values
        if kinds == {type(None)}:
            return repeat(self.null, len(values))
        if len(kinds) == 1:
            return map(WRITERS[kinds.pop()], values)
        return [self._text(value) for value in values]

    def _text(self, value: Any) -> str:
        return self.null if value is None else WRITERS[type(value)](value)

    def _piece(self, rows: Sequence[Sequence[Any]], texts: Sequence[str]) -> bytes:
        text = END.join(texts) + END
        if self._is_usual(rows, text):
            return self.usual(text.encode())
        return "".join(map(self._odd_line, rows)).encode()

    def _is_usual(self, rows: Sequence[Sequence[Any]], text: str) -> bool:
        """Say whether there is no sign in a value of some rows, which are this text."""
        if len(text) > _LONG * len(rows):
            values = [self._text(value) for row in rows for value in row if value is not None]
            return not any(sign in value for value in values for sign in _SIGNS)
        return (
            text.count(END) == len(rows)
            and text.count(BETWEEN) == sum(map(len, rows)) - len(rows)
            and text.count(MARK) == sum([values.count(None) for values in rows])
        )

    def _odd_line(self, values: Sequence[Any]) -> str:
        texts = [self.null if value is None else self.odd(self._text(value)) for value in values]
        return BETWEEN.join(texts) + self.end


def text_of(values: Sequence[Any]) -> str:
    """
    Return values as part of a line in which :data:`MARK` is NULL.

    :param values: none of them with a sign in it.
    """
    return BETWEEN.join([MARK if value is None else WRITERS[type(value)](value) for value in values])


def plain_text_of(values: Sequence[Any]) -> str | None:
    """
    Return the same, or None if a value has a sign in it.

    :param values: any values.
    """
    text = text_of(values)
    signs = (text.count(END), text.count(BETWEEN), text.count(MARK))
    return text if signs == (0, len(values) - 1, sum(value is None for value in values)) else None


#: What writes a value that is not NULL, by its type.
WRITERS: dict[type, Callable[[Any], str]] = {
    str: str,
    msgspec.Raw: lambda value: str(value, "utf-8"),
    bool: {True: "1", False: "0"}.__getitem__,
    int: str,
    float: repr,
}
