"""
Changes of the schema in MySQL and MariaDB: each ends the transaction.
"""

from __future__ import annotations

from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.schema import CreateIndex

from salt_eventsd.database.dialects.base.ddl import Ddl, definition
from salt_eventsd.database.dialects.base.faults import number_of, original_of
from salt_eventsd.exceptions import Transient

#: A statement makes no sense: the column is there twice, the table is not there, or is there, there is no such column.
_IMPOSSIBLE = frozenset((1060, 1146, 1050, 1072, 1091))
#: A statement on a table or view takes a right that the user lacks.
_FORBIDDEN = frozenset((1142,))
_TYPE = sa.text(
    "SELECT data_type FROM information_schema.columns"
    " WHERE table_schema = DATABASE() AND table_name = :table AND column_name = :column"
)
_SIZE = sa.text(
    "SELECT data_length + index_length FROM information_schema.tables"
    " WHERE table_schema = DATABASE() AND table_name = :name"
)
_ROW_FORMAT = sa.text(
    "SELECT row_format FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = :name"
)
_INDEX = sa.text(
    "SELECT 1 FROM information_schema.statistics"
    " WHERE table_schema = DATABASE() AND table_name = :table AND index_name = :name"
)
#: How an index is made and dropped while others write.
_BESIDE = " ALGORITHM=INPLACE LOCK=NONE"
#: Since these releases, MySQL and MariaDB compute defaults.
_COMPUTES_SINCE = {False: (8, 0, 13), True: (10, 3)}


class MySQLDdl(Ddl):
    """Changes of the schema."""

    commits: ClassVar = True
    builds_beside: ClassVar = True
    partial_indexes: ClassVar = False

    def lock(self, connection: Connection) -> None:
        """See :class:`Ddl`. The lock belongs to the session, as a change ends the transaction."""
        if connection.execute(sa.text("SELECT GET_LOCK('eventsd_schema', 60)")).scalar() != 1:
            raise Transient("another engine has been making the tables for a minute")

    def unlock(self, connection: Connection) -> None:
        """See :class:`Ddl`."""
        connection.execute(sa.text("SELECT RELEASE_LOCK('eventsd_schema')"))

    def hurry(self, connection: Connection) -> None:
        """See :class:`Ddl`."""
        connection.exec_driver_sql("SET SESSION lock_wait_timeout = 1")

    def lock_indexes(self, connection: Connection) -> bool:
        """See :class:`Ddl`."""
        return connection.execute(sa.text("SELECT GET_LOCK('eventsd_indexes', 0)")).scalar() == 1

    def make_index(self, connection: Connection, index: sa.Index, *, beside: bool) -> None:
        """See :class:`Ddl`."""
        if index.table is not None:
            self.finish(connection, index.table.name)
        made = str(CreateIndex(index).compile(dialect=connection.dialect)).strip()
        connection.exec_driver_sql(made + _BESIDE * beside)

    def drop_index(self, connection: Connection, name: str, table: str, *, beside: bool) -> None:
        """See :class:`Ddl`."""
        connection.exec_driver_sql(f"ALTER TABLE {table} DROP INDEX {name}{_BESIDE.replace(' ', ', ') * beside}")

    def has_index(self, connection: Connection, table: str, name: str) -> bool:
        """See :class:`Ddl`. To read how the whole table is made takes longer."""
        return connection.execute(_INDEX, {"table": table, "name": name}).first() is not None

    def mark_others(self, connection: Connection, table: str, name: str, value: str) -> None:
        """See :class:`Ddl`. A column that has its default from the beginning would have the table written anew."""
        is_mariadb = bool(getattr(connection.dialect, "is_mariadb", False))
        if (connection.dialect.server_version_info or ()) >= _COMPUTES_SINCE[is_mariadb]:
            connection.exec_driver_sql(f"ALTER TABLE {table} ALTER COLUMN {name} SET DEFAULT ({value})")

    def bytes_of(self, connection: Connection, table: str) -> int:
        """See :class:`Ddl`."""
        return int(connection.execute(_SIZE, {"name": table}).scalar() or 0)

    def is_wide(self, connection: Connection, table: str, column: str) -> bool:
        """See :class:`Ddl`. SQLAlchemy's way to ask takes a privilege that a user need not have."""
        return connection.execute(_TYPE, {"table": table, "column": column}).scalar() == "bigint"

    def extend_key(self, connection: Connection, table: str, column: sa.Column[Any]) -> None:
        """See :class:`Ddl`. The table is written anew, while others read and write it."""
        self.finish(connection, table)
        key = sa.inspect(connection).get_pk_constraint(table)["constrained_columns"]
        changes = (
            f"ADD COLUMN {definition(connection, column)}",
            f"DROP PRIMARY KEY, ADD PRIMARY KEY ({', '.join((*key, column.name))})",
        )
        connection.exec_driver_sql(f"ALTER TABLE {table} {', '.join(changes)}{_BESIDE.replace(' ', ', ')}")

    def finish(self, connection: Connection, table: str) -> None:
        """See :class:`Ddl`. In older row formats an index over a whole name is too long."""
        if str(connection.execute(_ROW_FORMAT, {"name": table}).scalar()).upper() in ("COMPACT", "REDUNDANT"):
            connection.exec_driver_sql(f"ALTER TABLE {table} ROW_FORMAT=DYNAMIC")

    def is_impossible(self, error: BaseException) -> bool:
        """See :class:`Ddl`. The server looks at permissions first."""
        return number_of(original_of(error)) in _IMPOSSIBLE

    def is_forbidden_view(self, error: BaseException) -> bool:
        """See :class:`Ddl`. Views take ``CREATE VIEW``, and ``DROP`` where there is one already."""
        return number_of(original_of(error)) in _FORBIDDEN
