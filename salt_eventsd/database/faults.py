"""
Tell a fault from a refusal: what an exception of SQLAlchemy or a driver means for the batch.

Sources: PostgreSQL's appendix A (SQLSTATE classes), MariaDB's and MySQL's error numbers, SQLite's result codes. What is
not listed is judged by the DB-API class the driver raises.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import exc as sqlalchemy_exc

from salt_eventsd.exceptions import Held, Refused, Transient, WorkerError

#: SQLSTATE class or code -> meaning; the longer match wins.
_POSTGRESQL: dict[str, type[WorkerError]] = {
    "08": Transient,  # connection
    "53": Transient,  # resources: disk full, too many connections, out of memory
    "55": Transient,  # lock not available
    "57": Transient,  # shutdown, cancelled
    "58": Transient,  # the system below
    "40": Transient,  # deadlock, serialization
    "25": Transient,  # read-only: a standby, until it is promoted
    "21": Refused,  # rows of one statement that are in each other's way
    "22": Refused,  # data
    "23": Refused,  # constraints
    "44": Refused,  # the check of a view
    "20": Refused,  # CASE without a match, in a procedure
    "54": Refused,  # a limit of the program: a row too large
    "0A": Refused,  # not supported: \u0000 in a document, for one
    "P0": Refused,  # raised by a trigger of the user's
    "28": Held,
    "3D": Held,
    "3F": Held,
    "42804": Refused,  # a value of the wrong type
    "42": Held,  # no such table or column, no permission
}
#: No such function or operator, several such, no cast, no type to be told: as a statement is wrong, or a value.
_POSTGRESQL_TYPES = frozenset(("42883", "42725", "42846", "42P18"))
_MYSQL_REFUSED = frozenset(
    (
        *(1048, 1062, 1153, 1242, 1264, 1265, 1292, 1366, 1369, 1406, 1411, 1452, 1526, 1644, 1690, 1748),
        *(3140, 3141, 3819, 4025, 4078),
    )
)
_MYSQL_HELD = frozenset((1044, 1045, 1049, 1054, 1064, 1103, 1142, 1143, 1146, 1227, 1305, 1364, 1698))
#: What drivers say of a value they cannot send.
_UNSENDABLE = ("is not supported", "can not be used with", "can't adapt", "Error binding parameter")
_SQLITE_HELD = (
    "no such table",
    "no such column",
    "has no column",
    "malformed",
    "not a database",
    "syntax error",
)


def meaning(error: BaseException) -> WorkerError:
    """
    Return what an error means for the batch, as the exception to raise.

    :param error: from SQLAlchemy, a driver or the making of a statement.
    """
    if isinstance(error, WorkerError):
        return error
    original = getattr(error, "orig", None) or error
    if isinstance(error, sqlalchemy_exc.DBAPIError):
        kind = Transient if error.connection_invalidated else _by_code(original) or _by_class(error)
    elif isinstance(error, (sqlalchemy_exc.TimeoutError, OSError)):
        kind = Transient
    elif isinstance(error, (sqlalchemy_exc.StatementError, ValueError, TypeError, OverflowError)):
        # A value the driver could not even send.
        kind = Refused
    else:
        kind = Held
    return kind(_said(original))


def may_be_a_value(error: BaseException) -> bool:
    """
    Return whether what looks like a fault of a statement may come from a value: an operator for text and a number.

    :param error: from SQLAlchemy.
    """
    original = getattr(error, "orig", None) or error
    return getattr(original, "pgcode", None) in _POSTGRESQL_TYPES


def _by_code(original: BaseException) -> type[WorkerError] | None:
    code = original.args[0] if original.args else None
    if isinstance(code, int):
        # Before the SQLSTATE, which some versions of the driver have too, and which tells less here.
        if code in _MYSQL_REFUSED:
            return Refused
        return Held if code in _MYSQL_HELD else None
    state: Any = getattr(original, "pgcode", None) or getattr(original, "sqlstate", None)
    if isinstance(state, str):
        return _POSTGRESQL.get(state) or _POSTGRESQL.get(state[:2])
    if any(text in str(original) for text in _UNSENDABLE):
        return Refused
    if "malformed JSON" in str(original):
        # Of SQLite's functions for it, where "malformed" alone is the file.
        return Refused
    if "integer overflow" in str(original):
        # Of SQLite's functions.
        return Refused
    if type(original).__module__ == "sqlite3" and any(text in str(original) for text in _SQLITE_HELD):
        return Held
    return None


def _by_class(error: sqlalchemy_exc.DBAPIError) -> type[WorkerError]:
    if isinstance(error, (sqlalchemy_exc.DataError, sqlalchemy_exc.IntegrityError)):
        return Refused
    if isinstance(error, (sqlalchemy_exc.ProgrammingError, sqlalchemy_exc.NotSupportedError)):
        return Held
    return Transient


def _said(original: BaseException) -> str:
    """The driver's own words, without the statement SQLAlchemy would add, or the row that PostgreSQL does."""
    if primary := getattr(getattr(original, "diag", None), "message_primary", None):
        return f"{type(original).__name__}: {primary}"
    if len(original.args) == 2 and isinstance(original.args[0], int):
        return f"{type(original).__name__} {original.args[0]}: {original.args[1]}"
    return f"{type(original).__name__}: {original}"
