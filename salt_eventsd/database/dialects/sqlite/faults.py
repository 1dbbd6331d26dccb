"""
What SQLite's errors mean. They have no codes in all versions of Python; they are told by their texts.
"""

from __future__ import annotations

import re
import sqlite3

from salt_eventsd.database.dialects.base.faults import Faults, is_unsendable, original_of
from salt_eventsd.exceptions import Held, Refused, Transient, WorkerError

#: Only a value can be to blame for these.
_VALUES = ("malformed JSON", "integer overflow", "datatype mismatch", "string or blob too big")
_HELD = (
    "no such table",
    "no such column",
    "no such function",
    "no such collation",
    "has no column",
    "malformed",
    "not a database",
    "syntax error",
)
#: Somebody else is at it, or the disk below; both pass.
_TRANSIENT = re.compile(
    r"locked|busy|disk|unable to open|readonly|read-only|interrupt|out of memory|protocol|schema has changed"
)


class SQLiteFaults(Faults):
    """Classifies the errors of SQLite."""

    def of_answer(self, original: BaseException) -> type[WorkerError] | None:
        """See :class:`Faults`."""
        if self.is_of_a_value(original):
            return Refused
        if not _is_sqlites(original):
            return None
        if isinstance(original, sqlite3.IntegrityError):
            # A trigger says what it likes.
            return Refused
        said = str(original)
        if any(text in said for text in _HELD):
            return Held
        return Transient if _TRANSIENT.search(said) else Refused

    def is_of_a_value(self, original: BaseException) -> bool:
        """See :class:`Faults`."""
        return is_unsendable(original, _VALUES)

    def is_passing(self, original: BaseException) -> bool:
        """See :class:`Faults`."""
        return not _is_sqlites(original) or "locked" in str(original) or "disk" in str(original)

    def is_double(self, error: BaseException) -> bool:
        """See :class:`Faults`."""
        return "UNIQUE constraint failed" in str(original_of(error))


def _is_sqlites(original: BaseException) -> bool:
    return type(original).__module__ == "sqlite3"
