"""
How rows get into SQLite, which lives in the process: the driver takes them as they are.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from salt_eventsd.database.dialects.base.insert import Inserts


class SQLiteInserts(Inserts):
    """Makes the inserters of SQLite."""

    def insert(self, table: sa.Table) -> Any:
        """See :class:`Inserts`."""
        return sqlite.insert(table)
