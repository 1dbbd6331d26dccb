"""
SQLite: a file in place of a server, integers of 64 bits, and no type that a value must have.
"""

from __future__ import annotations

from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from salt_eventsd.config.language.parameters import BRACKETS
from salt_eventsd.database.dialects.base import Dialect
from salt_eventsd.database.dialects.base.column_types import Types
from salt_eventsd.database.dialects.base.reflection import Reflection
from salt_eventsd.database.dialects.base.statements import Statements
from salt_eventsd.database.dialects.sqlite.ddl import SQLiteDdl
from salt_eventsd.database.dialects.sqlite.faults import SQLiteFaults
from salt_eventsd.database.dialects.sqlite.insert import SQLiteInserts
from salt_eventsd.database.dialects.sqlite.questions import SQLiteQuestions
from salt_eventsd.database.dialects.sqlite.session import SQLiteSession
from salt_eventsd.database.dialects.sqlite.upkeep import SQLiteUpkeep
from salt_eventsd.database.dialects.sqlite.views import SQLiteViews


class SQLiteReflection(Reflection):
    """Reads tables of the user's own."""

    # SQLite keeps a unique constraint as an index that it shows only when asked for.
    index_options: ClassVar = {"include_auto_indexes": True}


class SQLiteStatements(Statements):
    """Checks and executes statements of the user's own."""

    texts: ClassVar = BRACKETS


class SQLite(Dialect):
    """All that differs in SQLite."""

    name = "sqlite"
    # A column declared JSON would be one of numbers, and round those of more than 64 bits. SQLite numbers rows by
    # itself only where the key is INTEGER. Its integers have 64 bits in any case.
    types: ClassVar = Types(json=sa.Text(), row_id=sa.Integer(), code=sa.Integer())
    session: ClassVar = SQLiteSession()
    ddl: ClassVar = SQLiteDdl()
    inserts: ClassVar = SQLiteInserts()
    reflection: ClassVar = SQLiteReflection()
    statements: ClassVar = SQLiteStatements()
    faults: ClassVar = SQLiteFaults()
    views: ClassVar = SQLiteViews()
    questions: ClassVar = SQLiteQuestions()
    upkeep: ClassVar = SQLiteUpkeep()

    def largest_value(self, connection: Connection) -> int | None:
        """SQLite's own limit is a billion bytes for a whole row."""
        return 900_000_000

    def integer(self, value: int) -> Any:
        """The driver refuses integers of more than 64 bits."""
        return value if -(2**63) <= value < 2**63 else str(value)
