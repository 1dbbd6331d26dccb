"""
Changes of the schema in PostgreSQL: they are part of the transaction, and so is the lock.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from salt_eventsd.database.dialects.base.ddl import Ddl

_TYPE = sa.text(
    "SELECT format_type(atttypid, atttypmod) FROM pg_catalog.pg_attribute"
    " WHERE attrelid = to_regclass(:table) AND attname = :column"
)


class PostgreSQLDdl(Ddl):
    """Changes of the schema."""

    def lock(self, connection: Connection) -> None:
        """Let one engine at a time create tables."""
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext('eventsd_schema'))"))

    def bytes_of(self, connection: Connection, table: str) -> int:
        """See :class:`Ddl`."""
        asked = sa.text("SELECT pg_total_relation_size(CAST(:name AS regclass))")
        return int(connection.execute(asked, {"name": table}).scalar() or 0)

    def is_wide(self, connection: Connection, table: str, column: str) -> bool:
        """See :class:`Ddl`."""
        return connection.execute(_TYPE, {"table": table, "column": column}).scalar() not in ("int", "integer")
