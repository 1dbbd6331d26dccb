"""
What a table of the user's own looks like, in those respects that SQLAlchemy's inspector leaves open.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.types import TypeEngine

#: Kind of values -> the types of SQLAlchemy that take them. The first that fits counts.
_KINDS: tuple[tuple[str, tuple[type, ...]], ...] = (
    ("json", (sa.JSON,)),
    ("array", (sa.ARRAY,)),
    ("boolean", (sa.Boolean,)),
    ("integer", (sa.Integer,)),
    ("number", (sa.Numeric, sa.Float)),
    ("time", (sa.DateTime,)),
    ("date", (sa.Date,)),
    ("clock", (sa.Time,)),
    ("bytes", (sa.LargeBinary, sa.BINARY, sa.VARBINARY)),
    ("text", (sa.String,)),
)


class Reflection:
    """
    Reads tables of the user's own.

    :cvar folds: upper and lower case are one in the names of columns.
    :cvar index_options: further arguments of SQLAlchemy's ``get_indexes``.
    """

    folds: ClassVar[bool] = True
    index_options: ClassVar[Mapping[str, Any]] = {}

    def kind(self, type_: Any) -> str:
        """
        Return the kind of values that a column takes: "text", "json", "time" and so on, "other" for any else.

        :param type_: of the column, from SQLAlchemy's inspector.
        """
        return next((kind for kind, types in _KINDS if isinstance(type_, types)), "other")

    def documents(self, connection: Connection, table: str, schema: str | None) -> frozenset[str]:
        """
        Return the columns of JSON whose type does not tell that.

        :param connection: to the database.
        :param table: its name.
        :param schema: of the table, None where it has none.
        """
        return frozenset()

    def sent_as(
        self, connection: Connection, table: str, schema: str | None, kinds: Mapping[str, str]
    ) -> Mapping[str, TypeEngine[Any]]:
        """
        Return the types that values are sent as, by column, where they matter.

        :param connection: to the database.
        :param table: its name.
        :param schema: of the table, None where it has none.
        :param kinds: of values, by column.
        """
        return {}

    def key_of(self, index: Mapping[str, Any]) -> frozenset[str] | None:
        """
        Return the columns that a unique index is a key of, None where it is no key.

        :param index: from SQLAlchemy's inspector.
        """
        options: Mapping[str, Any] = index.get("dialect_options") or {}
        is_partial = any(key.endswith("_where") and value is not None for key, value in options.items())
        columns = index["column_names"]
        # An index over an expression, or over some of the rows, is no key of the table.
        if is_partial or any(column is None for column in columns):
            return None
        return frozenset(columns)

    def numbers_key(self, connection: Connection, error: BaseException) -> bool:
        """
        Return whether the unique key that was violated has a column that the database numbers by a sequence.

        A sequence that was set back gives numbers again, and no event is to blame.

        :param connection: to the database.
        :param error: from SQLAlchemy.
        """
        return False

    def can_undo(self, connection: Connection, table: str, schema: str | None = None) -> bool:
        """
        Return whether changes of a table can be undone.

        :param connection: to the database.
        :param table: its name, "" if that is not certain.
        :param schema: of the table, None where it has none.
        """
        return True
