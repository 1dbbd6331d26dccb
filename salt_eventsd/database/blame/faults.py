"""
Tell a fault from a refusal: what an exception of SQLAlchemy or a driver means for the batch.

Sources: PostgreSQL's appendix A (SQLSTATE classes), MariaDB's and MySQL's error numbers, SQLite's result codes. What a
server answers and is not listed is a refusal: whether it is the event's doing or the table's shows when each event has
been tried alone. What comes without an answer of a server is judged by the DB-API class the driver raises.
"""

from __future__ import annotations

import re
import sqlite3
from typing import Any

from sqlalchemy import exc as sqlalchemy_exc

from salt_eventsd.exceptions import Held, Lost, Refused, Transient, WorkerError

#: SQLSTATE class or code -> meaning; the longer match wins.
_POSTGRESQL: dict[str, type[WorkerError]] = {
    "08": Transient,  # connection
    "53": Transient,  # resources: disk full, too many connections
    "53200": Lost,  # out of memory, perhaps for this one
    "55": Transient,  # lock not available
    "55000": Refused,  # an object is not in the state it must be in; a trigger's, too
    "57": Transient,  # shutdown, cancelled
    "57014": Lost,  # it took too long
    "58": Transient,  # the system below
    "40": Transient,  # deadlock, serialization
    "25": Transient,  # read-only: a standby, until it is promoted
    "28": Held,
    "3D": Held,
    "3F": Held,
    "42804": Refused,  # a value of the wrong type
    "42": Held,  # no such table or column, no permission
}
#: No such function or operator, several such, no cast, no type to be told: as a statement is wrong, or a value.
_POSTGRESQL_TYPES = frozenset(("42883", "42725", "42846", "42P18"))
_MYSQL_HELD = frozenset((1044, 1045, 1049, 1054, 1064, 1103, 1142, 1143, 1146, 1227, 1305, 1364, 1698))
#: Locks, limits of time and connections, shutdown, disks, replication and clusters: no event's doing, and they pass.
MYSQL_TRANSIENT = frozenset(
    (
        *(1015, 1020, 1021, 1026, 1036, 1040, 1042, 1043, 1047, 1053, 1077, 1079, 1114, 1129, 1135, 1152, 1158, 1159),
        *(1160, 1161, 1180, 1203, 1205, 1206, 1213, 1223, 1226, 1290, 1317, 1412, 1613, 1614, 1615, 1637, 1792, 1836),
        *(1878, 1927, 1969, 3024, 3100, 3101, 3168, 3572, 3675, 4031),
    )
)
#: Out of memory, perhaps for this one; it took too long.
_MYSQL_LOST = frozenset((1037, 1038, 1041, 1969, 3024))
_MYSQL_UNIQUE = frozenset((1022, 1062, 1169, 1586, 1859))
#: Only a value can be to blame for these: too long, out of range, of the wrong kind, no regular expression.
_MYSQL_VALUES = frozenset(
    (1139, 1153, 1242, 1264, 1265, 1292, 1366, 1406, 1411, 1690, 1748, 3140, 3141, 3692, 4078, *range(3685, 3700))
)
#: What drivers say of a value they cannot send.
_UNSENDABLE = ("is not supported", "can not be used with", "can't adapt", "Error binding parameter")
_SQLITE_VALUES = ("malformed JSON", "integer overflow", "datatype mismatch", "string or blob too big", *_UNSENDABLE)
_SQLITE_HELD = (
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
_SQLITE_TRANSIENT = re.compile(
    r"locked|busy|disk|unable to open|readonly|read-only|interrupt|out of memory|protocol|schema has changed"
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
        kind = Lost if error.connection_invalidated else _by_code(original) or _by_class(error)
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
    return _state(getattr(error, "orig", None) or error) in _POSTGRESQL_TYPES


def can_only_be_a_value(error: BaseException) -> bool:
    """
    Return whether a refusal is of a kind that only values can cause.

    :param error: from SQLAlchemy, a driver or the making of a statement.
    """
    if not isinstance(error, sqlalchemy_exc.DBAPIError):
        return isinstance(error, (Refused, sqlalchemy_exc.StatementError, ValueError, TypeError, OverflowError))
    original = error.orig
    if isinstance(number := _number(original), int):
        return number in _MYSQL_VALUES
    if state := _state(original):
        # A sequence at its end is counted among the data, and is not.
        return state in ("21000", "42804", "54000") or (state[:2] == "22" and state != "2200H")
    return any(text in str(original) for text in _SQLITE_VALUES)


def is_double(error: BaseException) -> bool:
    """
    Return whether a unique key is the reason: a row of that key is there already.

    :param error: from SQLAlchemy.
    """
    original = getattr(error, "orig", None) or error
    if isinstance(number := _number(original), int):
        return number in _MYSQL_UNIQUE
    return _state(original) == "23505" or "UNIQUE constraint failed" in str(original)


def is_without_place(error: BaseException) -> bool:
    """
    Return whether a table of several partitions has none for a row.

    :param error: from SQLAlchemy.
    """
    original = getattr(error, "orig", None) or error
    if isinstance(number := _number(original), int):
        return number in (1526, 1591)
    # A check of the user's own has a name.
    return _state(original) == "23514" and not getattr(getattr(original, "diag", None), "constraint_name", None)


def _number(original: Any) -> Any:
    """MySQL's and MariaDB's number of an error."""
    return original.args[0] if original is not None and original.args else None


def _state(original: Any) -> str:
    """PostgreSQL's five letters for an error, "" where there are none."""
    state = getattr(original, "pgcode", None) or getattr(original, "sqlstate", None)
    return state if isinstance(state, str) else ""


def _by_code(original: BaseException) -> type[WorkerError] | None:
    code = _number(original)
    if isinstance(code, int):
        # Before the SQLSTATE, which some versions of the driver have too, and which tells less here.
        return _by_number(code)
    if state := _state(original):
        return _POSTGRESQL.get(state) or _POSTGRESQL.get(state[:2], Refused)
    said = str(original)
    if any(text in said for text in _SQLITE_VALUES):
        return Refused
    return _of_sqlite(original, said) if type(original).__module__ == "sqlite3" else None


def _by_number(code: int) -> type[WorkerError] | None:
    if code in _MYSQL_LOST:
        return Lost
    if code in MYSQL_TRANSIENT:
        return Transient
    if code in _MYSQL_HELD:
        return Held
    # Those of drivers begin at 2000; most are about connections.
    return None if 2000 <= code < 3000 or code < 1000 else Refused


def _of_sqlite(original: BaseException, said: str) -> type[WorkerError]:
    if isinstance(original, sqlite3.IntegrityError):
        # A trigger says what it likes.
        return Refused
    if any(text in said for text in _SQLITE_HELD):
        return Held
    return Transient if _SQLITE_TRANSIENT.search(said) else Refused


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
