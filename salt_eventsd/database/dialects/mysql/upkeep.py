"""Upkeep of MySQL and MariaDB."""

from __future__ import annotations

from typing import ClassVar

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from salt_eventsd.database.dialects.base.upkeep import Upkeep

_NEEDS_GAPS = sa.text("SELECT @@GLOBAL.log_bin = 1 AND @@GLOBAL.binlog_format = 'STATEMENT'")


class MySQLUpkeep(Upkeep):
    """What a purge asks of a database."""

    clock: ClassVar = "UNIX_TIMESTAMP()"

    def gentle(self, engine: Engine) -> Engine:
        """See :class:`Upkeep`. By default a server locks the gaps between the rows, too, into which others insert."""
        with engine.connect() as connection:
            if connection.scalar(_NEEDS_GAPS):
                # Statements in the binary log would do something else without these locks, so the server refuses them.
                return engine
        return engine.execution_options(isolation_level="READ COMMITTED")
