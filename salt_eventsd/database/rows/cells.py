"""
The cells of a row: what an event holds as a column of a built-in table takes it. Pure: no database in here.
"""

from __future__ import annotations

from typing import Any

import msgspec

from salt_eventsd.database.dialects import Dialect
from salt_eventsd.database.rows.digest import of_name
from salt_eventsd.database.user_tables.values import Values

Row = dict[str, Any]
SMALLEST, LARGEST = -(2**31), 2**31 - 1


class Cells:
    """
    Makes cells for one database.

    :param dialect: how this database wants text and JSON.
    :param largest: how many bytes a value may have, None for any.
    :param truncate: keep the beginning of a larger value, rather than refuse its event.
    :ivar text: makes text for a text column.
    :ivar time: makes a time, of seconds since 1970.
    :ivar spelled: makes the same, and with it the time as Salt writes it.
    :ivar leaves: whether all texts in JSON text are kept as they are.
    """

    def __init__(self, dialect: Dialect, largest: int | None, truncate: bool) -> None:
        self.text = dialect.text
        self.time = dialect.time
        self.spelled = dialect.spelled
        self.leaves = dialect.leaves
        self._json = dialect.json
        self._left = dialect.left
        self._largest = largest
        self._fit = Values(dialect, largest, truncate).fit_json

    def value(self, text: bytes, is_left: bool = False) -> Any:
        """
        Return JSON text for a JSON column; what is too large for the database says so and keeps its beginning.

        :param text: the JSON text; nothing and ``null`` become NULL.
        :param is_left: all texts in it are known to be kept as they are.
        """
        if not text or text == b"null":
            return None
        if self._largest is not None and len(text) > self._largest:
            return self._json(self._fit(text))
        return self._left(text) if is_left else self._json(text)

    def string(self, value: Any) -> str | None:
        """
        Return text for a text column.

        :param value: what is no text is written as JSON.
        """
        if value is None:
            return None
        return self.text(value if isinstance(value, str) else msgspec.json.encode(value).decode())

    def short(self, value: Any, length: int) -> str | None:
        """
        Return text for a column of limited length.

        :param value: what is no text is written as JSON.
        :param length: of the column, in characters.
        """
        text = self.string(value)
        return None if text is None else text[:length]

    def key(self, text: str, length: int) -> str:
        """
        Return text for a column of a key: two texts that are too long do not become one.

        :param text: the text.
        :param length: of the column, in characters.
        """
        if len(text) > length:
            text = f"{text[: length - 17]}~{of_name(text)}"
        return self.text(text)

    def clip(self, text: str, length: int) -> str:
        """
        Return as much of a text as fits its column; the column ``load`` has the whole of it.

        :param text: the text.
        :param length: of the column, in characters.
        """
        return self.text(text[:length])


def length_of(text: bytes) -> int | None:
    """
    Return how many elements a JSON list has, None for what is no list.

    :param text: the JSON text.
    """
    value = msgspec.json.decode(text) if text else None
    return len(value) if isinstance(value, list) else None


def milliseconds(value: Any) -> float | None:
    """
    Return a duration in milliseconds, None for what is none.

    :param value: a number, or text such as ``12.3 ms``, which older releases of Salt write.
    """
    if value is None:
        return None
    if isinstance(value, str):
        value = value.removesuffix("ms").strip()
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if number - number == 0 else None


def narrow(code: int) -> int:
    """
    Return a return code as 32 bits with a sign, as Windows itself shows its codes; a larger one is the largest.

    :param code: the code.
    """
    if LARGEST < code < 2**32:
        return code - 2**32
    return max(SMALLEST, min(code, LARGEST))
