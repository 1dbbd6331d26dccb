"""
Statements of the user's own: the database checks one beforehand, and executes it for many events at once.

Values are always bound. Where a statement inserts one row and nothing in it depends on the rows before, the rows of a
batch become one statement, and the driver formats the values of each row. All other statements are executed row by row,
in order: by the driver's own means for many rows, or, where it has none, in blocks if the server has those.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy.engine import Connection

from salt_eventsd.common.grouping import grouped
from salt_eventsd.config.language.parameters import for_driver, parameters, quoted
from salt_eventsd.database.dialects import Dialect, Parts
from salt_eventsd.exceptions import Held, WorkerError

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
#: Where a value goes, as drivers that format values themselves want it.
_PLACE = re.compile(r"%s|%\(\w+\)s")
#: A statement with these may depend on rows that are written already, or write one of them twice.
_DEPENDS = re.compile(r"--|/\*|\bSELECT\b|\bDO\s+UPDATE\b", re.IGNORECASE)
#: No statement for many rows is longer, in characters.
_LONGEST = 2**18


class Traits(NamedTuple):
    """
    What the text of a statement tells.

    :param table: the only table it touches, in lower case; "" if that is not certain.
    :param appends: it adds a row whatever is in the table.
    """

    table: str
    appends: bool


def traits_of(statement: str) -> Traits:
    """
    Return what decides whether the order of a statement and others matters.

    :param statement: SQL with ``:name`` where a value belongs.
    """
    shape = _INSERT.match(statement)
    if shape is None or re.search(r"\bSELECT\b", statement, re.IGNORECASE):
        return Traits("", False)
    table = re.split(r"\.", shape[1])[-1].strip('`"[]').lower()
    appends = re.match(r"\s*INSERT\s+INTO\b", statement, re.IGNORECASE) is not None
    return Traits(table, appends and re.search(r"\bON\b", statement, re.IGNORECASE) is None)


def explain(connection: Connection, dialect: Dialect, statement: str, names: Sequence[str]) -> WorkerError | None:
    """
    Have the database look at a statement without executing it; return what is wrong with it.

    :param connection: to the database. A transaction begins on it if there is none.
    :param dialect: of the database.
    :param statement: SQL with ``:name`` where a value belongs.
    :param names: of its parameters.
    """
    rules = dialect.statements
    if inside := quoted(statement, rules.texts):
        return Held(f":{inside[0]} stands in quotes or a comment; expected it bare, as values are bound")
    if rules.endings.match(statement):
        return Held("it would end the transaction; expected one such as INSERT, UPDATE, DELETE, REPLACE or CALL")
    if wrong := rules.wrong_with(statement):
        return Held(wrong)
    try:
        with connection.begin_nested():
            if rules.can_explain(statement):
                rules.explain(connection, statement, names)
    except Exception as exc:
        error = dialect.faults.classify(exc)
        return error if dialect.faults.passes(exc) else Held(str(error))
    return None


class Executor:
    """
    Executes a statement for the values of many events.

    :param connection: to the database, for what its driver wants.
    :param dialect: of the database.
    :param statement: SQL with ``:name`` where a value belongs.
    """

    def __init__(self, connection: Connection, dialect: Dialect, statement: str) -> None:
        sql, self._places = for_driver(statement, connection.dialect.paramstyle)
        # Drivers put statements one behind the other, and this one may end with a comment.
        self._sql = f"{sql}\n"
        formats = hasattr(connection.connection.cursor(), "mogrify")
        self._parts = _parts(self._sql) or dialect.statements.block(connection, self._sql) if formats else None
        self._one_by_one = not parameters(statement) or dialect.statements.one_by_one

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


def _parts(sql: str) -> Parts | None:
    """Return an insert of one row as one of many, None where rows may not go into one statement."""
    if (shape := _ONE_ROW.match(sql)) is None or _DEPENDS.search(sql):
        return None
    head, group, tail = shape[1], shape[2], shape[3]
    # The driver makes one percent sign of two only where it formats values.
    fits = _PLACE.search(group) and not _PLACE.search(tail)
    return Parts(head.replace("%%", "%"), group, tail.replace("%%", "%")) if fits else None


def _for_all(connection: Connection, parts: Parts, rows: Sequence[Any]) -> Iterator[str]:
    """Yield statements of bearable length for all rows."""
    format_ = connection.connection.cursor().mogrify
    made = (format_(parts.row, row) for row in rows)
    texts = (one.decode() if isinstance(one, bytes) else one for one in made)
    for some in grouped(texts, len, _LONGEST):
        yield parts.head + parts.between.join(some) + parts.tail
