"""
Statements of the user's own: what in them is quoted, how the database checks one, and how it takes one for many rows.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from sqlalchemy.engine import Connection

from salt_eventsd.config.language.parameters import STANDARD, for_driver

_LEADING = r"(?:\s|\(|/\*.*?\*/|--[^\n]*\n|\#[^\n]*\n)*"
#: What ends the transaction, and with it what makes each event be written once.
_ENDINGS = r"COMMIT|ROLLBACK|BEGIN|START|END|ABORT|SAVEPOINT|RELEASE"
_NUMBERS = itertools.count(1)


class Parts(NamedTuple):
    """A statement for many rows: its head, what is repeated for each row and with what in between, and its tail."""

    head: str
    row: str
    tail: str
    between: str = ","


def ending(*more: str) -> re.Pattern[str]:
    """
    Return an expression for statements that end the transaction.

    :param more: words that such statements begin with, besides those of standard SQL.
    """
    return re.compile(rf"{_LEADING}(?:{'|'.join((_ENDINGS, *more))})\b", re.IGNORECASE | re.DOTALL)


class Statements:
    """
    Checks and executes statements of the user's own.

    :cvar texts: finds what is no SQL of its own: quoted text, quoted names, comments.
    :cvar endings: matches a statement that would end the transaction.
    :cvar one_by_one: the driver has no safe way of its own to execute a statement for many rows.
    """

    texts: ClassVar[re.Pattern[str]] = STANDARD
    endings: ClassVar[re.Pattern[str]] = ending()
    one_by_one: ClassVar[bool] = False

    def wrong_with(self, statement: str) -> str:
        """
        Return what is wrong with a statement though the database would take it, "" for nothing.

        :param statement: SQL with ``:name`` where a value belongs.
        """
        return ""

    def can_explain(self, statement: str) -> bool:
        """
        Return whether the database can tell beforehand what is wrong with a statement.

        :param statement: SQL with ``:name`` where a value belongs.
        """
        return True

    def explain(self, connection: Connection, statement: str, names: Sequence[str]) -> None:
        """
        Have the database look at a statement without executing it.

        :param connection: in a transaction.
        :param statement: SQL with ``:name`` where a value belongs; :meth:`can_explain` is true of it.
        :param names: of its parameters.
        :raises Exception: what the database says against it.
        """
        sql, places = for_driver(statement, connection.dialect.paramstyle)
        values = dict.fromkeys(names) if places is None else (None,) * len(places)
        # SQLite's driver keeps what it has prepared, and what is only explained does not notice a new schema.
        connection.exec_driver_sql(f"EXPLAIN /* {next(_NUMBERS)} */ {sql}", values).close()

    def block(self, connection: Connection, sql: str) -> Parts | None:
        """
        Return a statement as one of many in a block that the server executes as a whole, None where it knows none.

        :param connection: to the database.
        :param sql: the statement as the driver wants it.
        """
        return None
