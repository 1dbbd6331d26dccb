"""
PostgreSQL: no NUL, rows as records of a document, and a schema lock that ends with the transaction.
"""

from __future__ import annotations

from typing import ClassVar

from sqlalchemy.dialects import postgresql

from salt_eventsd.database.dialects.base import Dialect
from salt_eventsd.database.dialects.base.column_types import Types
from salt_eventsd.database.dialects.postgresql.ddl import PostgreSQLDdl
from salt_eventsd.database.dialects.postgresql.encode import NUL_SYMBOL, PostgreSQLEncoder
from salt_eventsd.database.dialects.postgresql.faults import PostgreSQLFaults
from salt_eventsd.database.dialects.postgresql.insert import PostgreSQLInserts
from salt_eventsd.database.dialects.postgresql.partitions import PostgreSQLPartitions
from salt_eventsd.database.dialects.postgresql.reflection import PostgreSQLReflection
from salt_eventsd.database.dialects.postgresql.session import PostgreSQLSession
from salt_eventsd.database.dialects.postgresql.statements import PostgreSQLStatements

__all__ = ["NUL_SYMBOL", "PostgreSQL"]


class PostgreSQL(PostgreSQLEncoder, Dialect):
    """All that differs in PostgreSQL."""

    name = "postgresql"
    types: ClassVar = Types(json=postgresql.JSONB(none_as_null=True))
    session: ClassVar = PostgreSQLSession()
    inserts: ClassVar = PostgreSQLInserts()
    ddl: ClassVar = PostgreSQLDdl()
    reflection: ClassVar = PostgreSQLReflection()
    statements: ClassVar = PostgreSQLStatements()
    faults: ClassVar = PostgreSQLFaults()
    partitions: ClassVar = PostgreSQLPartitions()
