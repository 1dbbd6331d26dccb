"""
What a table of the user's own looks like in MySQL and MariaDB: JSON that is text, bits, keys over expressions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.engine import Connection
from sqlalchemy.types import TypeEngine

from salt_eventsd.database.dialects.base.reflection import Reflection

#: MariaDB has no type for JSON, but a check that it puts on columns declared so.
_JSON_CHECK = re.compile(r"json_valid\(`((?:[^`]|``)+)`\)", re.IGNORECASE)
_ENGINE = sa.text(
    "SELECT engine FROM information_schema.tables"
    " WHERE table_schema = COALESCE(:schema, DATABASE()) AND table_name = :table"
)


class MySQLReflection(Reflection):
    """Reads tables of the user's own."""

    def kind(self, type_: Any) -> str:
        """See :class:`Reflection`."""
        if isinstance(type_, mysql.BIT):
            return "bits"
        return "integer" if isinstance(type_, mysql.YEAR) else super().kind(type_)

    def documents(self, connection: Connection, table: str, schema: str | None) -> frozenset[str]:
        """See :class:`Reflection`."""
        quoted = connection.dialect.identifier_preparer.format_table(sa.Table(table, sa.MetaData(), schema=schema))
        made = connection.exec_driver_sql(f"SHOW CREATE TABLE {quoted}").one()[1]
        return frozenset(column.replace("``", "`") for column in _JSON_CHECK.findall(made))

    def sent_as(
        self, connection: Connection, table: str, schema: str | None, kinds: Mapping[str, str]
    ) -> Mapping[str, TypeEngine[Any]]:
        """See :class:`Reflection`."""
        # Sent as text, a value is judged by the column alone, as strictly as in any other insert. Bits have no text.
        return {
            column: mysql.BIGINT(unsigned=True) if kind == "bits" else mysql.LONGTEXT()
            for column, kind in kinds.items()
        }

    def key_of(self, index: Mapping[str, Any]) -> frozenset[str] | None:
        """See :class:`Reflection`. An upsert looks at indexes over expressions, too."""
        return frozenset(column or "(expression)" for column in index["column_names"])

    def can_undo(self, connection: Connection, table: str, schema: str | None = None) -> bool:
        """See :class:`Reflection`. Not all storage engines have transactions."""
        found = connection.execute(_ENGINE, {"schema": schema, "table": table}).scalar() if table else None
        return str(found).lower() == "innodb"
