"""
How values of events are written for a database: times, JSON, text, numbers.
"""

from __future__ import annotations

from datetime import datetime, timezone
from functools import lru_cache
from typing import Any, ClassVar

from sqlalchemy.engine import Connection

#: To look three digits up takes a third of the time of writing them out.
_DIGITS = tuple(f"{number:03}" for number in range(1000))


class Encoder:
    """
    Writes values as the statements of :class:`~.base.insert.Inserts` and the drivers want them.

    :cvar zone: stands behind each time that goes into a built-in table.
    """

    zone: ClassVar[str] = ""

    def learn(self, connection: Connection) -> None:
        """
        Find out what the server's settings mean for values, before rows are made for it.

        :param connection: to the database.
        """

    def largest_value(self, connection: Connection) -> int | None:
        """
        Return how many bytes a value may have, None if only memory limits it.

        :param connection: to the database.
        """
        return None

    def time(self, seconds: float) -> str:
        """
        Return a time as text, in UTC with microseconds.

        :param seconds: since 1970.
        """
        return self.spelled(seconds)[0]

    def spelled(self, seconds: float) -> tuple[str, bytes]:
        """
        Return a time as :meth:`time` does, and as Salt writes it into a payload, as JSON up to where a zone may be.

        :param seconds: since 1970.
        """
        micros = round(seconds * 1_000_000)
        millis = micros // 1000
        second, written = _second(millis // 1000)
        part = f"{_DIGITS[millis % 1000]}{_DIGITS[micros % 1000]}"
        return f"{second}{part}{self.zone}", b"%b%b" % (written, part.encode())

    def moment(self, when: datetime) -> Any:
        """
        Return a time as a parameter of a statement of the user's own, whose type only the database knows.

        :param when: in UTC.
        """
        return when.isoformat(" ", "microseconds").removesuffix("+00:00")

    def json(self, text: bytes) -> Any:
        """
        Return JSON text as the inserter takes it.

        :param text: the JSON text, in UTF-8.
        """
        return self.left(text)

    def left(self, text: bytes) -> Any:
        """
        Return what :meth:`json` does, without a look through the text.

        :param text: JSON text of which :meth:`leaves` says that all texts in it are kept.
        """
        return text.decode()

    def text(self, value: str) -> str:
        """
        Return text with nothing in it that the database cannot keep.

        :param value: the text.
        """
        return value

    def leaves(self, text: bytes) -> bool:
        """
        Return whether all texts in JSON text are kept as they are.

        :param text: the JSON text.
        """
        return True

    def boolean(self, value: bool) -> Any:
        """
        Return true or false as a column of booleans or numbers takes it.

        :param value: which of the two.
        """
        return int(value)

    def integer(self, value: int) -> Any:
        """
        Return an integer, which may be larger than any column takes.

        :param value: the integer.
        """
        return value

    def binary(self, value: bytes) -> Any:
        """
        Return bytes for a column of bytes.

        :param value: the bytes, which are text in UTF-8.
        """
        return value


@lru_cache(maxsize=64)
def _second(seconds: int) -> tuple[str, bytes]:
    """Events come by the hundred in one second, and writing out a date costs as much as the rest of a row."""
    text = datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M:%S.")
    return text, f'"{text.replace(" ", "T")}'.encode()
