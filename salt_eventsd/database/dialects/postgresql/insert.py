"""
How rows get into PostgreSQL: copied where none of them is there already, otherwise as records of a JSON document.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Connection

from salt_eventsd.database.dialects.base.bulk import Inserter
from salt_eventsd.database.dialects.base.insert import Conflict, Inserts
from salt_eventsd.database.dialects.base.quickly import Quickly
from salt_eventsd.database.dialects.postgresql.bulk import by_recordset, of_keys
from salt_eventsd.database.dialects.postgresql.copying import by_copy, can_copy
from salt_eventsd.database.dialects.postgresql.sequences import catch_up, pass_id

_TAKES_SILENTLY = sa.text(
    "SELECT relkind = 'v' OR (relkind = 'r' AND EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE inhparent = oid))"
    " FROM pg_catalog.pg_class WHERE oid = CAST(:table AS regclass)"
)


class PostgreSQLInserts(Inserts):
    """Makes the inserters of PostgreSQL."""

    sorts_upserts: ClassVar = True
    takes_lines: ClassVar = True

    def insert(self, table: sa.Table) -> Any:
        """See :class:`Inserts`."""
        return postgresql.insert(table)

    def bulk(self, connection: Connection, table: sa.Table, columns: Sequence[str], conflict: Conflict) -> Inserter:
        """See :class:`Inserts`."""
        return by_recordset(table, columns, conflict)

    def inserter(self, connection: Connection, table: sa.Table, columns: Sequence[str], key: Sequence[str]) -> Inserter:
        """See :class:`Inserts`."""
        carefully = super().inserter(connection, table, columns, key)
        return Quickly(by_copy(table, columns), carefully) if can_copy(connection, table) else carefully

    def there(
        self,
        connection: Connection,
        table: sa.Table,
        key: Sequence[str],
        keys: Sequence[Sequence[Any]],
        names: Sequence[str],
    ) -> Iterable[Sequence[Any]]:
        """
        See :class:`Inserts`.

        Of keys in a list the server takes out what they have in common. Where it does not know yet how many rows a
        minion has, it would compare each of these with each key.
        """
        return connection.execute(of_keys(table, key, keys, names))

    def takes_silently(self, connection: Connection, table: sa.Table) -> bool:
        """See :class:`Inserts`. Before there were partitions, triggers sent rows to tables that inherit."""
        # What is quoted for a statement has its percent signs doubled.
        name = connection.dialect.identifier_preparer.format_table(table).replace("%%", "%")
        return bool(connection.execute(_TAKES_SILENTLY, {"table": name}).scalar())

    def mend(self, connection: Connection, error: BaseException) -> str:
        """See :class:`Inserts`. A sequence that is behind its table, as after a dump was restored, is set."""
        return catch_up(connection, error)

    def pass_id(self, connection: Connection, table: sa.Table, last: int) -> None:
        """See :class:`Inserts`."""
        pass_id(connection, table.name, last)

    def check_constraints(self, connection: Connection) -> None:
        """See :class:`Inserts`."""
        connection.execute(sa.text("SET CONSTRAINTS ALL IMMEDIATE"))
