"""
How rows get into SQLite, which lives in the process: the driver takes them as they are.
"""

from __future__ import annotations

from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from salt_eventsd.database.dialects.base.insert import Inserts
from salt_eventsd.workers.write import Behind


class SQLiteInserts(Inserts):
    """Makes the inserters of SQLite."""

    # It has one writer at a time, whose cost is largely that of each commit.
    behind: ClassVar = Behind(times=4)

    def insert(self, table: sa.Table) -> Any:
        """See :class:`Inserts`."""
        return sqlite.insert(table)
