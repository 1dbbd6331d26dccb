"""
Changes of the schema in PostgreSQL: they are part of the transaction, and so is the lock.
"""

from __future__ import annotations

from typing import ClassVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.schema import CreateIndex

from salt_eventsd.database.dialects.base.ddl import Ddl

_TYPE = sa.text(
    "SELECT format_type(atttypid, atttypmod) FROM pg_catalog.pg_attribute"
    " WHERE attrelid = to_regclass(:table) AND attname = :column"
)
_PARTS = sa.text(
    "SELECT inhrelid::bigint, inhrelid::regclass::text FROM pg_catalog.pg_inherits"
    " WHERE inhparent = to_regclass(:table) ORDER BY 1"
)
_BROKEN = sa.text(
    "SELECT i.indexrelid::regclass::text, i.indrelid::regclass::text FROM pg_catalog.pg_index i"
    " JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid"
    " WHERE NOT i.indisvalid AND c.relname LIKE 'eventsd!_%' ESCAPE '!' AND pg_catalog.pg_table_is_visible(c.oid)"
)


class PostgreSQLDdl(Ddl):
    """Changes of the schema."""

    builds_beside: ClassVar = True

    def lock(self, connection: Connection) -> None:
        """Let one engine at a time create tables."""
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext('eventsd_schema'))"))

    def hurry(self, connection: Connection) -> None:
        """See :class:`Ddl`."""
        connection.execute(sa.text("SET lock_timeout = 1000"))

    def lock_indexes(self, connection: Connection) -> bool:
        """See :class:`Ddl`. Nobody may wait for it: the server waits for his transaction before it ends an index."""
        return bool(connection.scalar(sa.text("SELECT pg_try_advisory_lock(hashtext('eventsd_indexes'))")))

    def make_index(self, connection: Connection, index: sa.Index, *, beside: bool) -> None:
        """See :class:`Ddl`."""
        made = str(CreateIndex(index).compile(dialect=connection.dialect)).strip()
        if not beside:
            connection.exec_driver_sql(made)
            return
        # It waits for transactions that were there before, which holds up nobody.
        connection.execute(sa.text("SET lock_timeout = 0"))
        name, table = str(index.name), str(index.table.name) if index.table is not None else ""
        parts = connection.execute(_PARTS, {"table": table}).all()
        if not parts:
            connection.exec_driver_sql(made.replace("CREATE INDEX", "CREATE INDEX CONCURRENTLY", 1))
            return
        # A table in parts has none made beside: each part gets its own, and then the table takes them.
        for number, part in parts:
            told = made.replace(
                f"INDEX {name} ON {table} ", f"INDEX CONCURRENTLY IF NOT EXISTS {name}_{number} ON {part} "
            )
            connection.exec_driver_sql(told)
        connection.exec_driver_sql(made.replace(f" ON {table} ", f" ON ONLY {table} ", 1))
        for number, _ in parts:
            connection.exec_driver_sql(f"ALTER INDEX {name} ATTACH PARTITION {name}_{number}")

    def drop_index(self, connection: Connection, name: str, table: str, *, beside: bool) -> None:
        """See :class:`Ddl`."""
        if beside and not connection.execute(_PARTS, {"table": table}).all():
            connection.execute(sa.text("SET lock_timeout = 0"))
            name = f"CONCURRENTLY {name}"
        connection.exec_driver_sql(f"DROP INDEX {name}")

    def mark_others(self, connection: Connection, table: str, name: str, value: str) -> None:
        """See :class:`Ddl`. A default cannot be computed of other columns, and its index asks for any mark."""
        connection.exec_driver_sql(f"ALTER TABLE {table} ALTER COLUMN {name} SET DEFAULT 0")

    def has_index(self, connection: Connection, table: str, name: str) -> bool:
        """See :class:`Ddl`. To read how the whole table is made takes longer."""
        return connection.execute(sa.text("SELECT to_regclass(:name)"), {"name": name}).scalar() is not None

    def broken_indexes(self, connection: Connection) -> list[tuple[str, str]]:
        """See :class:`Ddl`."""
        return [(str(name), str(table)) for name, table in connection.execute(_BROKEN)]

    def bytes_of(self, connection: Connection, table: str) -> int:
        """See :class:`Ddl`."""
        asked = sa.text("SELECT pg_total_relation_size(CAST(:name AS regclass))")
        return int(connection.execute(asked, {"name": table}).scalar() or 0)

    def is_wide(self, connection: Connection, table: str, column: str) -> bool:
        """See :class:`Ddl`."""
        return connection.execute(_TYPE, {"table": table, "column": column}).scalar() not in ("int", "integer")
