"""Changes of the schema in SQLite, which cannot change a key: the table is written anew."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from salt_eventsd.database.dialects.base.ddl import Ddl, definition

_MADE = sa.text(
    "SELECT type, sql FROM sqlite_master WHERE tbl_name = :table AND sql IS NOT NULL ORDER BY type = 'table' DESC"
)

_INDEX = sa.text("SELECT 1 FROM sqlite_master WHERE type = 'index' AND tbl_name = :table AND name = :name")


class SQLiteDdl(Ddl):
    """Changes of the schema."""

    def has_index(self, connection: Connection, table: str, name: str) -> bool:
        """See :class:`Ddl`. To read how the whole table is made takes longer."""
        return connection.execute(_INDEX, {"table": table, "name": name}).first() is not None

    def extend_key(self, connection: Connection, table: str, column: sa.Column[Any]) -> None:
        """See :class:`Ddl`. Indexes and triggers are made again as they were."""
        (_, whole), *others = connection.execute(_MADE, {"table": table}).all()
        inspector = sa.inspect(connection)
        names = ", ".join(f'"{one["name"]}"' for one in inspector.get_columns(table))
        key = inspector.get_pk_constraint(table)["constrained_columns"]
        told = f"PRIMARY KEY ({', '.join(key)})"
        head, tail = whole.rsplit(told, 1)
        extended = f"{definition(connection, column)}, PRIMARY KEY ({', '.join((*key, column.name))})"
        body = head.partition("(")[2]
        steps = [
            # Views that name the table would stand in the way of its new name.
            "PRAGMA legacy_alter_table = ON",
            f"CREATE TABLE {table}_new ({body}{extended}{tail}",
            f"INSERT INTO {table}_new ({names}) SELECT {names} FROM {table}",
            f"DROP TABLE {table}",
            f"ALTER TABLE {table}_new RENAME TO {table}",
            "PRAGMA legacy_alter_table = OFF",
            *(sql for _, sql in others),
        ]
        for step in steps:
            connection.exec_driver_sql(step)
