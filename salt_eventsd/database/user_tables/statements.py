"""
Statements of the user's own: looked at by the database beforehand, and executed for many events at once.

Values are always bound. Where a statement inserts one row and nothing in it depends on the rows before, the rows of a
batch become one statement, each row's values formatted by the driver. All others are executed row by row, in order: by
the driver's own means for many rows, and in MariaDB, where PyMySQL has none, in blocks.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from salt_eventsd.common.grouping import grouped
from salt_eventsd.database.blame.faults import MYSQL_TRANSIENT, meaning
from salt_eventsd.exceptions import Held, Transient, WorkerError
from salt_eventsd.language.parameters import for_driver, has_second, parameters, quoted

_NUMBERS = itertools.count(1)
#: What PostgreSQL does not explain.
_UTILITY = re.compile(
    r"\s*(CALL|DO|NOTIFY|TRUNCATE|REFRESH|LOCK|SET|COPY|CREATE|ALTER|DROP|COMMENT|GRANT|REVOKE)\b", re.IGNORECASE
)
_INSERT = re.compile(r"\s*(?:INSERT(?:\s+(?:OR\s+\w+|IGNORE))?|REPLACE)\s+INTO\s+([^\s(]+)", re.IGNORECASE)
_NAME = r"""(?:\w+|`[^`]+`|"[^"]+")"""
_PLAIN = r"""[^()'"`\\$#;]|'[^'\\]*'"""
_INNER = rf"\((?:{_PLAIN}|\((?:{_PLAIN})*\))*\)"
#: An insert of one row: what comes before its values, the values, and what comes behind.
_ONE_ROW = re.compile(
    rf"\s*((?:INSERT(?:\s+IGNORE)?|REPLACE)\s+INTO\s+{_NAME}(?:\.{_NAME})*\s*(?:\({_NAME}(?:\s*,\s*{_NAME})*\s*\)\s*)?"
    rf"VALUES\s*)(\((?:{_PLAIN}|{_INNER})*\))(\s*|\s+ON\s+(?:DUPLICATE|CONFLICT)\b.*);?\s*\Z",
    re.IGNORECASE | re.DOTALL,
)
#: What may stand in a block of MariaDB's many times over.
_CHANGES = re.compile(r"\s*(INSERT|REPLACE|UPDATE|DELETE)\b(?!.*\bRETURNING\b)", re.IGNORECASE | re.DOTALL)
#: Where a value goes, as drivers that format values themselves want it.
_PLACE = re.compile(r"%s|%\(\w+\)s")
#: What may depend on rows that are written already, or would touch one of them twice.
_DEPENDS = re.compile(r"--|/\*|\bSELECT\b|\bDO\s+UPDATE\b", re.IGNORECASE)
#: No statement for many rows is longer, in characters.
_LONGEST = 2**18


class Traits(NamedTuple):
    """
    What may be told of a statement by looking at it.

    :param table: the only table it touches, in lower case; "" if that is not certain.
    :param appends: it adds a row whatever is in the table.
    """

    table: str
    appends: bool


_LEADING = r"(?:\s|\(|/\*.*?\*/|--[^\n]*\n|\#[^\n]*\n)*"
#: What ends the transaction, and with it what makes each event be written once.
_ENDINGS = r"COMMIT|ROLLBACK|BEGIN|START|END|ABORT|SAVEPOINT|RELEASE"
#: In MySQL these do so by themselves.
_MYSQL_ENDINGS = (
    r"CREATE|ALTER|DROP|TRUNCATE|RENAME|LOCK|UNLOCK|ANALYZE|OPTIMIZE|REPAIR|CHECK|CACHE|LOAD|GRANT|REVOKE|FLUSH|INSTALL"
    r"|UNINSTALL|XA|RESET|STOP|CHANGE|SET"
)
_ENDS = re.compile(rf"{_LEADING}(?:{_ENDINGS})\b", re.IGNORECASE | re.DOTALL)
_ENDS_IN_MYSQL = re.compile(rf"{_LEADING}(?:{_ENDINGS}|{_MYSQL_ENDINGS})\b", re.IGNORECASE | re.DOTALL)


def traits_of(statement: str) -> Traits:
    """
    Return what order means to a statement.

    :param statement: SQL with ``:name`` where a value belongs.
    """
    shape = _INSERT.match(statement)
    if shape is None or re.search(r"\bSELECT\b", statement, re.IGNORECASE):
        return Traits("", False)
    table = re.split(r"\.", shape[1])[-1].strip('`"[]').lower()
    appends = re.match(r"\s*INSERT\s+INTO\b", statement, re.IGNORECASE) is not None
    return Traits(table, appends and re.search(r"\bON\b", statement, re.IGNORECASE) is None)


def explain(connection: Connection, statement: str, names: Sequence[str]) -> WorkerError | None:
    """
    Have the database look at a statement without executing it; return what is wrong with it.

    :param connection: to the database. A transaction begins on it if there is none.
    :param statement: SQL with ``:name`` where a value belongs.
    :param names: of its parameters.
    """
    backend = connection.dialect.name
    if inside := quoted(statement, backend):
        return Held(f":{inside[0]} stands in quotes or a comment; expected it bare, as values are bound")
    if (_ENDS_IN_MYSQL if backend in ("mysql", "mariadb") else _ENDS).match(statement):
        return Held("it would end the transaction; expected one such as INSERT, UPDATE, DELETE, REPLACE or CALL")
    if backend == "postgresql" and has_second(statement, backend):
        return Held("there is a second one behind the semicolon; expected one statement")
    try:
        with connection.begin_nested():
            if backend in ("mysql", "mariadb"):
                marked, _ = for_driver(statement, "qmark")
                connection.execute(sa.text("PREPARE eventsd_check FROM :sql"), {"sql": marked})
                connection.execute(sa.text("DEALLOCATE PREPARE eventsd_check"))
            elif can_explain(backend, statement):
                sql, places = for_driver(statement, connection.dialect.paramstyle)
                values = dict.fromkeys(names) if places is None else (None,) * len(places)
                # SQLite's driver keeps what it has prepared, and what is only explained does not notice a new schema.
                connection.exec_driver_sql(f"EXPLAIN /* {next(_NUMBERS)} */ {sql}", values).close()
    except Exception as exc:
        error = meaning(exc)
        return error if _is_fault(exc, error) else Held(str(error))
    return None


def can_explain(backend: str, statement: str) -> bool:
    """
    Return whether a database can tell beforehand what is wrong with a statement.

    :param backend: SQLAlchemy's name of it.
    :param statement: the statement.
    """
    return backend != "postgresql" or not _UTILITY.match(statement)


def _is_fault(error: Exception, meant: WorkerError) -> bool:
    """Whether it is the database's or the connection's: some of what drivers call operational is the statement's."""
    if not isinstance(meant, Transient):
        return False
    original = getattr(error, "orig", None)
    if getattr(error, "connection_invalidated", False) or original is None:
        return True
    code = original.args[0] if original.args else None
    if isinstance(code, int):
        return code in MYSQL_TRANSIENT or code >= 2000
    return type(original).__module__ != "sqlite3" or "locked" in str(original) or "disk" in str(original)


class Executor:
    """
    Executes a statement for the values of many events.

    :param connection: to the database, for what its driver wants.
    :param statement: SQL with ``:name`` where a value belongs.
    """

    def __init__(self, connection: Connection, statement: str) -> None:
        sql, self._places = for_driver(statement, connection.dialect.paramstyle)
        # Drivers put statements one behind the other, and this one may end with a comment.
        self._sql = f"{sql}\n"
        is_mysql = connection.dialect.name in ("mysql", "mariadb")
        formats = hasattr(connection.connection.cursor(), "mogrify")
        self._parts = _parts(self._sql) if formats else None
        if formats and self._parts is None and getattr(connection.dialect, "is_mariadb", False):
            self._parts = _block(self._sql)
        # PyMySQL's way with many rows takes no parameter behind the values.
        self._one_by_one = not parameters(statement) or is_mysql

    def __call__(self, connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
        """
        Execute the statement.

        :param connection: in a transaction.
        :param rows: the parameters of each execution, in order.
        """
        places = self._places
        values: list[Any] = list(rows) if places is None else [tuple(row[name] for name in places) for row in rows]
        if self._parts is not None and len(values) > 1:
            for sql in _for_all(connection, self._parts, values):
                connection.exec_driver_sql(sql, execution_options={"no_parameters": True})
        elif self._one_by_one:
            for one in values:
                connection.exec_driver_sql(self._sql, one)
        else:
            connection.exec_driver_sql(self._sql, values)


class _Parts(NamedTuple):
    """A statement for many rows: its head, what is repeated for each row and with what in between, and its tail."""

    head: str
    row: str
    tail: str
    between: str = ","


def _parts(sql: str) -> _Parts | None:
    """Return an insert of one row as one of many, None where rows may not go into one statement."""
    if (shape := _ONE_ROW.match(sql)) is None or _DEPENDS.search(sql):
        return None
    head, group, tail = shape[1], shape[2], shape[3]
    # The driver makes one percent sign of two only where it formats values.
    fits = _PLACE.search(group) and not _PLACE.search(tail)
    return _Parts(head.replace("%%", "%"), group, tail.replace("%%", "%")) if fits else None


def _block(sql: str) -> _Parts | None:
    """Return a statement as one of many in a block of MariaDB's, None where that may be something else."""
    bare = sql.rstrip("; \r\n\t")
    return _Parts("BEGIN NOT ATOMIC\n", bare, "\n;\nEND", "\n;\n") if _CHANGES.match(bare) and ";" not in bare else None


def _for_all(connection: Connection, parts: _Parts, rows: Sequence[Any]) -> Iterator[str]:
    """Yield statements of bearable length for all rows."""
    format_ = connection.connection.cursor().mogrify
    made = (format_(parts.row, row) for row in rows)
    texts = (one.decode() if isinstance(one, bytes) else one for one in made)
    for some in grouped(texts, len, _LONGEST):
        yield parts.head + parts.between.join(some) + parts.tail
