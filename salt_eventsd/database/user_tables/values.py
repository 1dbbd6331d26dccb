"""
Values of events as a database's columns and parameters take them. Pure: no database in here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any

import msgspec

from salt_eventsd.config.language.fields import as_text
from salt_eventsd.database.dialects import Dialect
from salt_eventsd.exceptions import Refused

#: How much is kept of a value that is too large for the database, in bytes.
TRUNCATED_HEAD = 65_536
Converter = Callable[[Any], Any]


class Values:
    """
    Makes values fit the columns and parameters of one database.

    :param dialect: of the database.
    :param largest: how many bytes a value may have, None for any.
    :param truncate: keep the beginning of a larger value, rather than refuse its event.
    """

    def __init__(self, dialect: Dialect, largest: int | None = None, truncate: bool = True) -> None:
        self._dialect = dialect
        self._largest = largest
        self._truncate = truncate

    def for_column(self, kind: str, is_json: bool) -> Converter:
        """
        Return what converts values for a column; None stays None.

        :param kind: of the column, as :mod:`salt_eventsd.database.dialects.base.reflection` has it.
        :param is_json: its values are JSON text already.
        """
        if kind == "json":
            return self._document_of_text if is_json else self._document
        by_kind: dict[str, Converter] = {
            "text": self._text,
            "time": self._time,
            "date": self._date,
            "clock": self._clock,
            "integer": self._integer,
            "bits": self._integer,
            "number": self._number,
            "bytes": self._bytes,
            "array": self._array,
        }
        return by_kind.get(kind, self._other)

    def for_parameter(self, is_json: bool) -> Converter:
        """
        Return what converts values for a parameter of a statement, whose type only the database knows.

        :param is_json: its values are JSON text already.
        """
        return self._parameter_of_text if is_json else self._parameter

    def fit_json(self, text: bytes) -> bytes:
        """
        Return JSON text; of what is too large for the database, a document with its size and its beginning.

        :param text: the JSON text.
        :raises Refused: it is too large, and its event is to be refused for that.
        """
        if self._largest is None or len(text) <= self._largest:
            return text
        return msgspec.json.encode(
            {"eventsd_truncated": True, "bytes": len(text), "beginning": self._beginning(text, len(text))}
        )

    def must_fit(self, row: Mapping[str, Any], size: int) -> None:
        """
        Refuse a row that is too large as a whole.

        :param row: of converted values.
        :param size: of its event, in bytes; the row of a small event need not be measured.
        :raises Refused: it is too large.
        """
        if self._largest is None or size * len(row) <= self._largest:
            return
        whole = sum(len(value.encode()) for value in row.values() if isinstance(value, str))
        if whole > self._largest:
            raise Refused(f"a row of {whole} bytes, and the database takes {self._largest}")

    def _beginning(self, text: bytes, size: int) -> str:
        if not self._truncate:
            raise Refused(f"a value of {size} bytes, and the database takes {self._largest}")
        # It will be escaped once more, and shares the row with other values.
        head = TRUNCATED_HEAD if self._largest is None else min(TRUNCATED_HEAD, self._largest // 8)
        return text[:head].decode("utf-8", "ignore")

    def _fit(self, text: str) -> str:
        # A character has four bytes at the most.
        if self._largest is not None and len(text) * 4 > self._largest and len(whole := text.encode()) > self._largest:
            return self._beginning(whole, len(whole))
        return text

    def _text(self, value: Any) -> Any:
        return self._dialect.text(self._fit(as_text(value)))

    def _document(self, value: Any) -> Any:
        plain = as_text(value) if isinstance(value, datetime) else value
        return self._dialect.json(self.fit_json(msgspec.json.encode(plain)))

    def _document_of_text(self, value: str) -> Any:
        return None if value == "null" else self._dialect.json(self.fit_json(value.encode()))

    def _time(self, value: Any) -> Any:
        when = _moment(value)
        return self._other(value) if when is None else self._dialect.time(when.timestamp())

    def _date(self, value: Any) -> Any:
        when = _moment(value)
        return self._other(value) if when is None else when.date().isoformat()

    def _clock(self, value: Any) -> Any:
        return value.strftime("%H:%M:%S.%f") if isinstance(value, datetime) else self._other(value)

    def _integer(self, value: Any) -> Any:
        if isinstance(value, datetime):
            return int(value.timestamp())
        return self._other(round(value) if isinstance(value, (bool, float)) else value)

    def _number(self, value: Any) -> Any:
        if isinstance(value, datetime):
            return value.timestamp()
        return self._other(int(value) if isinstance(value, bool) else value)

    def _bytes(self, value: Any) -> Any:
        return self._dialect.binary(self._fit(as_text(value)).encode())

    def _array(self, value: Any) -> Any:
        return self._dialect.json(msgspec.json.encode(value)) if isinstance(value, list) else self._other(value)

    def _other(self, value: Any) -> Any:
        # Nearly all are texts.
        if type(value) is str:
            return self._dialect.text(self._fit(value))
        if isinstance(value, bool):
            return self._dialect.boolean(value)
        if isinstance(value, int):
            return self._dialect.integer(value)
        return value if isinstance(value, float) else self._text(value)

    def _parameter(self, value: Any) -> Any:
        if type(value) is str:
            return self._dialect.text(self._fit(value))
        if isinstance(value, datetime):
            return self._dialect.moment(value)
        if isinstance(value, (dict, list)):
            return self._parameter_of_text(msgspec.json.encode(value).decode())
        return value if isinstance(value, bool) else self._other(value)

    def _parameter_of_text(self, value: str) -> Any:
        # It may be meant for a column of JSON, so any NUL in it has to be replaced here.
        made = self._dialect.json(self._fit(value).encode())
        return made if isinstance(made, str) else bytes(made).decode()


def _moment(value: Any) -> datetime | None:
    """A time, or text in ISO 8601 such as Salt's own stamps, which are in UTC where they name no zone."""
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str):
        return None
    try:
        when = datetime.fromisoformat(value.removesuffix("Z") + "+00:00" if value.endswith("Z") else value)
        return when.astimezone(timezone.utc) if when.tzinfo else when.replace(tzinfo=timezone.utc)
    except (ValueError, OverflowError):
        return None
