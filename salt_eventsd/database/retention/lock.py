"""
One purge at a time in a database: a row that says whose turn it is, and until when if its holder says nothing more.

The clock is the database's own, so masters need not agree on the time.
"""

from __future__ import annotations

import os
import secrets
import socket
import time

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import IntegrityError

from salt_eventsd.database import schema
from salt_eventsd.database.dialects import dialect_of
from salt_eventsd.exceptions import Transient

#: A purge that has said nothing for so long is dead, in seconds.
LEASE_SECONDS = 180
_RENEW_SECONDS = 20.0
_TABLE = schema.locks


class Busy(Transient):
    """Another purge of this database is running."""


class Lock:
    """
    The lock of a database's purge.

    :param engine: of the database.
    :param name: of the lock.
    """

    def __init__(self, engine: Engine, name: str = "purge") -> None:
        self._engine = engine
        self._mine = _TABLE.c.name == name
        self._name = name
        self._upkeep = dialect_of(engine).upkeep
        self._holder = f"{socket.gethostname()[:100]} process {os.getpid()} {secrets.token_hex(4)}"
        self._renewed = 0.0

    def take(self) -> None:
        """
        Take the lock.

        :raises Busy: somebody else has it.
        """
        with self._engine.connect() as connection, connection.begin():
            now = self._upkeep.seconds(connection)
            until = _TABLE.c.until
            # A time that is too far away was written before the clock was set back.
            is_free = sa.or_(until <= now, until > now + 2 * LEASE_SECONDS)
            row = {"holder": self._holder, "until": now + LEASE_SECONDS}
            if connection.execute(sa.update(_TABLE).where(self._mine, is_free).values(row)).rowcount == 1:
                self._renewed = time.monotonic()
                return
            if holder := connection.scalar(sa.select(_TABLE.c.holder).where(self._mine)):
                raise Busy(f"another purge of this database is running: {holder}")
            try:
                connection.execute(sa.insert(_TABLE).values(name=self._name, **row))
            except IntegrityError:
                raise Busy from None
        self._renewed = time.monotonic()

    def renew(self) -> None:
        """
        Say that the purge goes on; call it before each step.

        :raises Busy: the lock has expired, and somebody else has taken it.
        """
        if time.monotonic() - self._renewed < _RENEW_SECONDS:
            return
        with self._engine.connect() as connection, connection.begin():
            mine = sa.and_(self._mine, _TABLE.c.holder == self._holder)
            until = self._upkeep.seconds(connection) + LEASE_SECONDS
            if connection.execute(sa.update(_TABLE).where(mine).values(until=until)).rowcount != 1:
                raise Busy("this purge was silent for so long that another one has taken its place")
        self._renewed = time.monotonic()

    def release(self, *, done: bool) -> None:
        """
        Give the lock back.

        :param done: whether the purge came to its end.
        """
        with self._engine.connect() as connection, connection.begin():
            values = {"until": 0, **({"done": self._upkeep.seconds(connection)} if done else {})}
            mine = sa.and_(self._mine, _TABLE.c.holder == self._holder)
            connection.execute(sa.update(_TABLE).where(mine).values(values))


def was_interrupted(connection: Connection) -> bool:
    """
    Say whether the last purge of a database was killed.

    :param connection: to the database.
    """
    row = connection.execute(sa.select(_TABLE.c.until).where(_TABLE.c.name == "purge")).first()
    return row is not None and 0 < row.until <= dialect_of(connection).upkeep.seconds(connection)
