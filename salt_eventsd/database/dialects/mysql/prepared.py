"""
Large rows by prepared statements, in which each value goes with its length.

Whatever else brings rows to the server, statements and ``LOAD DATA`` alike, is looked through sign by sign for where
its values end; with a large value, that costs more than to keep it. PyMySQL has no prepared statements, so what goes
over the wire for them is made here.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from salt_eventsd.common.grouping import grouped
from salt_eventsd.database.dialects.base.bulk import Row, values_of
from salt_eventsd.database.dialects.base.lines import WRITERS
from salt_eventsd.database.dialects.base.quickly import LARGE_VALUE
from salt_eventsd.database.dialects.base.runs import Values, apart

#: A statement has no more rows. A connection prepares one for each number of rows, and the server keeps it.
MOST_ROWS = 8
#: And no more bytes, if it has several: a longer one takes memory that is new each time.
_USUAL_BYTES = 2**19
#: And never more, whatever a packet has room for.
_MOST_BYTES = 2**20
#: The server has no prepared statements, or no more of them: a command that it does not know, a statement that is gone
#: or cannot be prepared, or has to be again and again, too many of them, a packet that makes no sense to it.
NO_STATEMENTS = frozenset((1047, 1243, 1295, 1461, 1615, 1835))
#: The types of values, which the server makes what the column is: texts, and bytes.
TEXT, BYTES = b"\xfe\x00", b"\xfc\x00"
_NO_CURSOR, _NEW_TYPES, _TIMES = b"\x00", b"\x01", struct.pack("<I", 1)

#: The values of a statement.
Given = Sequence["bytes | None"]


class Prepared:
    """
    Inserts large rows into a table.

    :param table: one of ours.
    :param columns: its columns that are inserted.
    :param packet_bytes: how long the values of a statement may be.
    :param as_bytes: the server takes texts as bytes.
    """

    def __init__(self, table: sa.Table, columns: Sequence[str], packet_bytes: int, as_bytes: bool = False) -> None:
        self._type = BYTES if as_bytes else TEXT
        self._most_bytes = min(_MOST_BYTES, packet_bytes)
        self._values = values_of(columns)
        self._long = values_of(
            [at for at, name in enumerate(columns) if isinstance(table.c[name].type, (sa.JSON, sa.Text))]
        )
        names = ", ".join(f"`{name}`" for name in columns)
        self._head = f"INSERT INTO {table.name} ({names}) VALUES "
        self._places = f"({', '.join('?' * len(columns))})"

    def apart(self, rows: Sequence[Row]) -> tuple[Sequence[Values], Sequence[Row]]:
        """
        Return the values of the rows that are worth a statement and fit into it, and the other rows.

        :param rows: all with the same columns.
        """
        return apart(rows, self._values, self._is_large)

    def insert(self, connection: Connection, rows: Sequence[Values]) -> bool:
        """
        Insert rows, and return whether the server took all of them as they are.

        :param connection: of :class:`~.connection.LoadingConnection`, in a savepoint.
        :param rows: the values of those that are worth it.
        """
        link: Any = connection.connection.dbapi_connection
        for some in grouped(rows, self._size, min(self._most_bytes, _USUAL_BYTES), MOST_ROWS):
            with link.giving([_bytes_of(value) for row in some for value in row], self._type):
                found: Any = connection.exec_driver_sql(self._head + ", ".join([self._places] * len(some)))
            if found.rowcount != len(some) or found.context.cursor.warning_count:
                return False
        return True

    def _is_large(self, row: Values) -> bool:
        longest = max(map(len, filter(None, self._long(row))), default=0)
        return longest > LARGE_VALUE and self._size(row) <= self._most_bytes

    def _size(self, row: Values) -> int:
        return sum([_most_bytes_of(one) for one in self._long(row) if one])


def prepared(answer: bytes) -> tuple[int, int]:
    """
    Return the number of a statement, and how many packets follow that describe it.

    :param answer: the first packet of the server's.
    """
    number, columns, places = struct.unpack_from("<IHH", answer, 1)
    return number, sum(many + 1 for many in (columns, places) if many)


def execution(number: int, given: Given, kind: bytes) -> bytes:
    """
    Return the command that executes a statement.

    :param number: of the statement.
    :param given: its values.
    :param kind: :data:`TEXT` or :data:`BYTES`.
    """
    nulls = sum(1 << at for at, value in enumerate(given) if value is None).to_bytes((len(given) + 7) // 8, "little")
    head = struct.pack("<I", number) + _NO_CURSOR + _TIMES + nulls + _NEW_TYPES + kind * len(given)
    return b"".join((head, *_with_lengths(given)))


def _with_lengths(given: Given) -> Iterator[bytes]:
    for value in given:
        if value is not None:
            yield _length(len(value))
            yield value


def _length(size: int) -> bytes:
    if size < 251:
        return bytes((size,))
    return b"\xfc" + size.to_bytes(2, "little") if size < 2**16 else b"\xfd" + size.to_bytes(3, "little")


def _most_bytes_of(value: Any) -> int:
    # A sign of a text has up to four bytes.
    return len(value) * (1 if isinstance(value, msgspec.Raw) or value.isascii() else 4)


def _bytes_of(value: Any) -> bytes | None:
    if value is None:
        return None
    return bytes(value) if isinstance(value, msgspec.Raw) else WRITERS[type(value)](value).encode()
