"""
What a table of the user's own looks like in PostgreSQL: its types by their names there, domains, sequences of keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Connection
from sqlalchemy.types import TypeEngine, UserDefinedType

from salt_eventsd.database.dialects.base.faults import original_of
from salt_eventsd.database.dialects.base.reflection import Reflection

#: How PostgreSQL itself writes the types of a table's columns.
_TYPES = sa.text(
    "SELECT a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_attribute a"
    " JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.relname = :table AND a.attnum > 0 AND NOT a.attisdropped"
    " AND CASE WHEN CAST(:schema AS text) IS NULL THEN pg_table_is_visible(c.oid) ELSE n.nspname = :schema END"
)
#: Whether a column of a key has a default, or is numbered.
_NUMBERED = sa.text(
    "SELECT bool_or(a.atthasdef OR a.attidentity <> '') FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid"
    " JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace n ON n.oid = t.relnamespace"
    " JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = ANY (i.indkey)"
    " WHERE c.relname = :key AND t.relname = :table AND n.nspname = :schema"
)


class PostgreSQLReflection(Reflection):
    """Reads tables of the user's own."""

    folds: ClassVar = False

    def kind(self, type_: Any) -> str:
        """See :class:`Reflection`. A domain is a type with conditions."""
        return super().kind(type_.data_type if isinstance(type_, postgresql.DOMAIN) else type_)

    def sent_as(
        self, connection: Connection, table: str, schema: str | None, kinds: Mapping[str, str]
    ) -> Mapping[str, TypeEngine[Any]]:
        """See :class:`Reflection`. A document of rows is taken apart by the types of the columns."""
        found = connection.execute(_TYPES, {"table": table, "schema": schema}).all()
        return {column: _AsItIs(sql) for column, sql in found}

    def numbers_key(self, connection: Connection, error: BaseException) -> bool:
        """See :class:`Reflection`. In other databases numbers follow the largest there is."""
        found: Any = getattr(original_of(error), "diag", None)
        if not getattr(found, "constraint_name", None):
            return False
        asked = {"schema": found.schema_name, "table": found.table_name, "key": found.constraint_name}
        return bool(connection.execute(_NUMBERED, asked).scalar())


class _AsItIs(UserDefinedType[Any]):
    """A type by the name the database gave it."""

    cache_ok = True

    def __init__(self, sql: str) -> None:
        self.sql = sql

    def get_col_spec(self, **_: Any) -> str:
        return self.sql
