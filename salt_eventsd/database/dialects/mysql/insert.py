"""
How rows get into MySQL and MariaDB: there is no insert-or-ignore that would not also swallow bad data, and an upsert
looks at every unique key.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.engine import Connection

from salt_eventsd.database.dialects.base.bulk import Inserter, by_driver
from salt_eventsd.database.dialects.base.insert import Conflict, Inserts, Upsert
from salt_eventsd.database.dialects.base.quickly import Quickly
from salt_eventsd.database.dialects.mysql.bulk import by_json_table
from salt_eventsd.database.dialects.mysql.loading import by_load, can_load, takes_bytes
from salt_eventsd.database.dialects.mysql.session import packet_bytes

#: A document of rows is no longer than this, in bytes.
_LONGEST_DOCUMENT = 2**20
#: A flag of connections.
_FOUND_ROWS = 2


class MySQLInserts(Inserts):
    """Makes the inserters of MySQL and MariaDB."""

    counts_upserts: ClassVar = False
    reads_old_rows: ClassVar = True
    takes_lines: ClassVar = True
    undoes_all: ClassVar = False

    def insert(self, table: sa.Table) -> Any:
        """See :class:`Inserts`."""
        return mysql.insert(table)

    def bulk(self, connection: Connection, table: sa.Table, columns: Sequence[str], conflict: Conflict) -> Inserter:
        """See :class:`Inserts`; not every server has ``JSON_TABLE``."""
        plain = by_driver(conflict(self.insert(table)), columns)
        if not _has_json_table(connection):
            return plain
        return by_json_table(table, columns, conflict, min(_LONGEST_DOCUMENT, packet_bytes(connection) // 2), plain)

    def inserter(self, connection: Connection, table: sa.Table, columns: Sequence[str], key: Sequence[str]) -> Inserter:
        """See :class:`Inserts`. INSERT IGNORE would hide errors in the data; a no-op update ignores only the double."""
        first = next(iter(table.primary_key.columns))
        carefully = self.bulk(
            connection, table, columns, lambda insert: insert.on_duplicate_key_update({first.name: first})
        )
        if not can_load(connection, table):
            return carefully
        load = by_load(table, columns, packet_bytes(connection) // 2, takes_bytes(connection, table))
        return Quickly(load, carefully)

    def counts(self, connection: Connection) -> bool:
        """See :class:`Inserts`; not over a connection that counts what was found rather than what was changed."""
        flags = getattr(connection.connection.dbapi_connection, "client_flag", None)
        return isinstance(flags, int) and not flags & _FOUND_ROWS

    def upserter(self, connection: Connection, table: sa.Table, columns: Sequence[str], latest: Upsert) -> Inserter:
        """See :class:`Inserts`. Assignments happen in order, so the column that decides comes last."""

        def conflict(insert: mysql.Insert) -> mysql.Insert:
            # A row that another unique key stands for is somebody else's.
            is_ours = [table.c[name] == insert.inserted[name] for name in latest.key]
            is_newer = sa.and_(*is_ours, insert.inserted[latest.decides] >= table.c[latest.decides])
            return insert.on_duplicate_key_update(
                [
                    (name, sa.func.if_(is_newer, insert.inserted[name], table.c[name]))
                    for name in (*latest.replaces, latest.decides)
                ]
            )

        return self.bulk(connection, table, columns, conflict)

    def adder(
        self, connection: Connection, table: sa.Table, columns: Sequence[str], key: Sequence[str], alone: bool = True
    ) -> Inserter:
        """See :class:`Inserts`. What replaces by one key would do so by any other; then each row goes by itself."""
        if key and not alone:
            return _one_by_one(connection, table, columns, key)
        return super().adder(connection, table, columns, key)

    def replacing(self, insert: Any, key: Sequence[str], columns: Sequence[str]) -> Any:
        """See :class:`Inserts`."""
        replaced = [name for name in columns if name not in key] or list(key)
        return insert.on_duplicate_key_update({name: insert.inserted[name] for name in replaced})

    def takes_silently(self, connection: Connection, table: sa.Table) -> bool:
        """See :class:`Inserts`. What is replaced is counted as often as the server likes; nothing is kept out."""
        return True


def _has_json_table(connection: Connection) -> bool:
    try:
        with connection.begin_nested():
            connection.execute(sa.text("SELECT a FROM JSON_TABLE('[1]', '$[*]' COLUMNS (a INT PATH '$')) AS r"))
    except sa.exc.DBAPIError as exc:
        if exc.connection_invalidated:
            # It has said nothing about what it can do.
            raise
        return False
    return True


def _one_by_one(connection: Connection, table: sa.Table, columns: Sequence[str], key: Sequence[str]) -> Inserter:
    """Return an inserter that replaces rows by one key, and by no other there may be."""
    quote = connection.dialect.identifier_preparer.quote
    name = connection.dialect.identifier_preparer.format_table(table)
    replaced = [column for column in columns if column not in key] or list(key)
    sets = ", ".join(f"{quote(column)} = %s" for column in replaced)
    is_it = " AND ".join(f"{quote(column)} = %s" for column in key)
    insert_one = by_driver(mysql.insert(table), columns)

    def insert(connection: Connection, rows: Sequence[Any]) -> int:
        for row in rows:
            wanted = tuple(row[column] for column in key)
            values = (*(row[column] for column in replaced), *wanted)
            if connection.exec_driver_sql(f"UPDATE {name} SET {sets} WHERE {is_it}", values).rowcount:
                continue
            try:
                insert_one(connection, [row])
            except sa.exc.IntegrityError:
                # It may be there just as it is to be, and so not have changed.
                if not connection.exec_driver_sql(f"SELECT 1 FROM {name} WHERE {is_it} FOR UPDATE", wanted).first():
                    raise
        return len(rows)

    return insert
