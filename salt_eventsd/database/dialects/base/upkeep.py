"""
Upkeep: what a database needs where much is deleted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine


class Upkeep:
    """
    What a purge asks of a database; this is how PostgreSQL has it.

    :cvar clock: an expression of the seconds since 1970 by the database's clock.
    """

    clock: ClassVar[str] = "CAST(floor(extract(epoch FROM clock_timestamp())) AS bigint)"

    def seconds(self, connection: Connection) -> int:
        """
        Return the seconds since 1970 by the database's clock.

        :param connection: to the database.
        """
        return int(connection.scalar(sa.text(f"SELECT {self.clock}")) or 0)

    def gentle(self, engine: Engine) -> Engine:
        """
        Return an engine whose transactions lock no more than the rows they delete.

        :param engine: of the database.
        """
        return engine

    def give_back(self, engine: Engine, wait: Callable[[float], bool]) -> None:
        """
        Give room that deleted rows have left back to the disk, in small steps.

        A server does so by itself, or keeps it for new rows.

        :param engine: of the database.
        :param wait: waits so many seconds between two steps, and says whether to go on.
        """
