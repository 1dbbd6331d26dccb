"""
How rows get into SQLite, which lives in the process: the driver takes their values as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import Connection

from salt_eventsd.database.dialects.base.bulk import Inserter
from salt_eventsd.database.dialects.base.insert import Conflict, Inserts
from salt_eventsd.database.dialects.sqlite.bulk import by_statements


class SQLiteInserts(Inserts):
    """Makes the inserters of SQLite."""

    has_one_writer: ClassVar = True

    def insert(self, table: sa.Table) -> Any:
        """See :class:`Inserts`."""
        return sqlite.insert(table)

    def bulk(self, connection: Connection, table: sa.Table, columns: Sequence[str], conflict: Conflict) -> Inserter:
        """See :class:`Inserts`."""
        return by_statements(conflict(self.insert(table)), columns)
