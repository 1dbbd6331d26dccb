"""
Values as PostgreSQL takes them: no NUL in text or JSON, and only characters that the database's encoding has.
"""

from __future__ import annotations

import codecs
import re
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from salt_eventsd.database.dialects.base.encode import Encoder

#: Shown in place of a NUL, which the database has no way to keep.
NUL_SYMBOL = "\N{SYMBOL FOR NULL}"
_NUL_IN_JSON = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")
#: Python's name of the error handler that writes characters that an encoding lacks as JSON does.
_ESCAPED_IN_JSON = "eventsd_escaped_in_json"


def _escape_in_json(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    return "".join("\\" + one.encode("ascii", "backslashreplace").decode() for one in missing), error.end


codecs.register_error(_ESCAPED_IN_JSON, _escape_in_json)


class PostgreSQLEncoder(Encoder):
    """Writes values for PostgreSQL."""

    #: The session's time zone does not matter to a time that names its own.
    zone = "+00"

    def __init__(self) -> None:
        #: What Python calls the database's encoding, "" where that is UTF-8.
        self._codec = ""

    def learn(self, connection: Connection) -> None:
        """See :class:`Encoder`. A database that is not in UTF-8 has no room for most characters."""
        self._codec = _codec_of(str(connection.execute(sa.text("SHOW server_encoding")).scalar()))

    def largest_value(self, connection: Connection) -> int | None:
        """A JSONB string may have 256 MiB less one, and a whole value not much more."""
        return 2**28 - 2**20

    def moment(self, when: datetime) -> Any:
        """See :class:`Encoder`; the driver's own type tells the server that it is a time."""
        return when

    def json(self, text: bytes) -> Any:
        r"""``\u0000`` becomes a visible symbol; an escaped backslash before a plain ``u0000`` is left alone."""
        if b"\\u0000" in text:
            symbol = NUL_SYMBOL.encode()
            # Where no backslash is escaped, every such is a NUL, and replacing them takes no memory for each.
            simple = b"\\\\" not in text
            text = text.replace(b"\\u0000", symbol) if simple else _NUL_IN_JSON.sub(rb"\1" + symbol, text)
        if self._codec and not text.isascii():
            text = text.decode().encode(self._codec, _ESCAPED_IN_JSON).decode(self._codec).encode()
        return self.left(text)

    def left(self, text: bytes) -> Any:
        """See :class:`Encoder`."""
        return msgspec.Raw(text)

    def text(self, value: str) -> str:
        """See :meth:`json`."""
        value = value.replace("\0", NUL_SYMBOL) if "\0" in value else value
        if self._codec and not value.isascii():
            return value.encode(self._codec, "backslashreplace").decode(self._codec)
        return value

    def leaves(self, text: bytes) -> bool:
        """See :meth:`json`."""
        return not self._codec and b"\\u0000" not in text

    def boolean(self, value: bool) -> Any:
        """See :class:`Encoder`. No column of booleans takes a number."""
        return value

    def binary(self, value: bytes) -> Any:
        """See :class:`Encoder`. Rows travel as JSON, which has no bytes."""
        return f"\\x{value.hex()}"


def _codec_of(encoding: str) -> str:
    if encoding in ("UTF8", "SQL_ASCII"):
        return ""
    try:
        from psycopg2.extensions import encodings
    except ImportError:
        encodings = {}
    try:
        return codecs.lookup(encodings.get(encoding, encoding)).name
    except LookupError:
        return ""
