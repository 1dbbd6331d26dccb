"""
How rows get into SQLite, which lives in the process: the driver takes their values as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import Connection

from salt_eventsd.database.dialects.base.bulk import Inserter
from salt_eventsd.database.dialects.base.insert import Conflict, Inserts
from salt_eventsd.database.dialects.sqlite.bulk import by_statements, of_keys
from salt_eventsd.workers.write import Behind


class SQLiteInserts(Inserts):
    """Makes the inserters of SQLite."""

    # A batch has returns of most minions, and so writes most pages of the index by minion that are in use.
    behind: ClassVar = Behind(overlap=1, times=4, gathers=2.5, gathers_from=500, gather_seconds=0.5)
    has_one_writer: ClassVar = True

    def insert(self, table: sa.Table) -> Any:
        """See :class:`Inserts`."""
        return sqlite.insert(table)

    def bulk(self, connection: Connection, table: sa.Table, columns: Sequence[str], conflict: Conflict) -> Inserter:
        """See :class:`Inserts`."""
        return by_statements(conflict(self.insert(table)), columns)

    def there(
        self,
        connection: Connection,
        table: sa.Table,
        key: Sequence[str],
        keys: Sequence[Sequence[Any]],
        names: Sequence[str],
    ) -> Iterable[Sequence[Any]]:
        """See :class:`Inserts`. For keys in a list it looks through the whole table."""
        # Each number of keys is another statement, of which few are kept. What is NULL is no row's.
        count = 1 << (len(keys) - 1).bit_length()
        values = (*chain(*keys), *[None] * ((count - len(keys)) * len(key)))
        return connection.exec_driver_sql(of_keys(table.name, tuple(key), count, tuple(names)), values)
