"""
MySQL and MariaDB: no insert-or-ignore that would not also swallow bad data, and a limit on packets.
"""

from __future__ import annotations

from typing import Any, ClassVar

from sqlalchemy.dialects import mysql
from sqlalchemy.engine import Connection

from salt_eventsd.database.dialects.base import Dialect
from salt_eventsd.database.dialects.base.column_types import Types
from salt_eventsd.database.dialects.mysql.ddl import MySQLDdl
from salt_eventsd.database.dialects.mysql.faults import MySQLFaults
from salt_eventsd.database.dialects.mysql.insert import MySQLInserts
from salt_eventsd.database.dialects.mysql.partitions import MySQLPartitions
from salt_eventsd.database.dialects.mysql.questions import MySQLQuestions
from salt_eventsd.database.dialects.mysql.reflection import MySQLReflection
from salt_eventsd.database.dialects.mysql.session import MySQLSession, packet_bytes
from salt_eventsd.database.dialects.mysql.statements import MySQLStatements
from salt_eventsd.database.dialects.mysql.upkeep import MySQLUpkeep
from salt_eventsd.database.dialects.mysql.views import MySQLViews


class MySQL(Dialect):
    """All that differs in MySQL and MariaDB."""

    name = "mysql"
    # MySQL's JSON type refuses deep documents, and MariaDB's is text with such a check.
    types: ClassVar = Types(
        json=mysql.LONGTEXT(),
        text=mysql.LONGTEXT(),
        time=mysql.DATETIME(fsp=6),
        table_options={
            "charset": "utf8mb4",
            # Minion ids and jids are told apart by case, as Salt does.
            "collate": "utf8mb4_bin",
            "engine": "InnoDB",
            # In others an index over a whole name is too long.
            "row_format": "DYNAMIC",
        },
    )
    session: ClassVar = MySQLSession()
    inserts: ClassVar = MySQLInserts()
    ddl: ClassVar = MySQLDdl()
    reflection: ClassVar = MySQLReflection()
    statements: ClassVar = MySQLStatements()
    faults: ClassVar = MySQLFaults()
    views: ClassVar = MySQLViews()
    questions: ClassVar = MySQLQuestions()
    upkeep: ClassVar = MySQLUpkeep()
    partitions: ClassVar = MySQLPartitions()

    def largest_value(self, connection: Connection) -> int | None:
        """A statement has to fit a packet, escaped (twice as long at the worst)."""
        return packet_bytes(connection) // 2

    def binary(self, value: bytes) -> Any:
        """See :class:`Dialect`. Rows travel as JSON, which has no bytes."""
        return value.decode()


class MariaDB(MySQL):
    """MariaDB under its own name in a URL."""

    name = "mariadb"
