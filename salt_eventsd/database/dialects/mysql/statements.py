"""
Statements of the user's own in MySQL and MariaDB: prepared instead of explained, and in blocks where MariaDB has them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from salt_eventsd.config.language.parameters import BACKSLASHES, for_driver
from salt_eventsd.database.dialects.base.statements import Parts, Statements, ending

#: What ends the transaction by itself.
_ENDINGS = (
    r"CREATE|ALTER|DROP|TRUNCATE|RENAME|LOCK|UNLOCK|ANALYZE|OPTIMIZE|REPAIR|CHECK|CACHE|LOAD|GRANT|REVOKE|FLUSH|INSTALL"
    r"|UNINSTALL|XA|RESET|STOP|CHANGE|SET"
)
#: What may stand in a block of MariaDB's many times over.
_CHANGES = re.compile(r"\s*(INSERT|REPLACE|UPDATE|DELETE)\b(?!.*\bRETURNING\b)", re.IGNORECASE | re.DOTALL)


class MySQLStatements(Statements):
    """Checks and executes statements of the user's own."""

    texts: ClassVar = BACKSLASHES
    endings: ClassVar = ending(_ENDINGS)
    # PyMySQL's way with many rows takes no parameter behind the values.
    one_by_one: ClassVar = True

    def explain(self, connection: Connection, statement: str, names: Sequence[str]) -> None:
        """See :class:`Statements`."""
        marked, _ = for_driver(statement, "qmark")
        connection.execute(sa.text("PREPARE eventsd_check FROM :sql"), {"sql": marked})
        connection.execute(sa.text("DEALLOCATE PREPARE eventsd_check"))

    def block(self, connection: Connection, sql: str) -> Parts | None:
        """See :class:`Statements`. MySQL has no blocks but in procedures."""
        bare = sql.rstrip("; \r\n\t")
        if not getattr(connection.dialect, "is_mariadb", False) or not _CHANGES.match(bare) or ";" in bare:
            return None
        return Parts("BEGIN NOT ATOMIC\n", bare, "\n;\nEND", "\n;\n")
