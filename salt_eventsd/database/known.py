"""
What is found out of a database over a connection: how its tables take rows, and how large values may be. Each
connection finds it out anew, with tens of statements, and may do so before a batch needs it.
"""

from __future__ import annotations

import logging
import math
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import Pool, QueuePool

from salt_eventsd.database import schema
from salt_eventsd.database.attempt import Tables
from salt_eventsd.database.dialects import Dialect
from salt_eventsd.database.keeping import keeper
from salt_eventsd.database.rows import RowBuilder
from salt_eventsd.database.user_tables.values import Values
from salt_eventsd.redact.error_text import one_line

log = logging.getLogger(__name__)

#: Where a server has refused a connection, it is not asked for more than are needed before so many seconds have passed.
_REFUSED_SECONDS = 600.0

#: The built-in tables that have rows of events, by their names in the config, in the order in which they are written.
TABLES = {
    "jobs": schema.jobs,
    "returns": schema.returns,
    "states": schema.states,
    "events": schema.events,
    "minions": schema.minions,
}


class Known(NamedTuple):
    """What is known of the built-in tables, and of values."""

    tables: Tables
    values: Values


def learn(connection: Connection, dialect: Dialect, make_builder: Callable[..., RowBuilder], truncate: bool) -> Known:
    """
    Find it out, with our tables there.

    :param connection: with no transaction begun.
    :param dialect: of the database; it learns, too.
    :param make_builder: makes a builder of rows, given how large values may be and whether return codes have 64 bits.
    :param truncate: keep the beginning of a value that is too large, rather than refuse its event.
    """
    # SQLAlchemy asks for the version only once, but the address may lead to another server, or an upgraded one.
    connection.dialect.initialize(connection)
    dialect.learn(connection)
    largest = dialect.largest_value(connection)
    wide_codes = dialect.ddl.is_wide(connection, schema.returns.name, "retcode")
    keepers = {name: keeper(dialect, connection, table) for name, table in TABLES.items()}
    connection.rollback()
    builder = make_builder(largest=largest, wide_codes=wide_codes)
    return Known(Tables(dialect, builder, keepers), Values(dialect, largest, truncate))


class Ready:
    """
    Opens those connections of a pool that nobody has needed yet, in a thread of its own: the first batch to need one
    would wait ten times as long for it as for being written.

    :param engine: of the database.
    :param learn: finds out over a connection what is not known yet.
    """

    def __init__(self, engine: Engine, learn: Callable[[Connection], object]) -> None:
        self._engine = engine
        self._learn = learn
        self._mutex = threading.Lock()
        # What is in a pool that nobody uses any more is to be closed: so this does not keep it.
        self._tried: Callable[[], Pool | None] = lambda: None
        self._not_before = 0.0

    def open(self) -> None:
        """Begin to open what is missing; called whenever the database has just taken something."""
        pool = self._engine.pool
        with self._mutex:
            if pool is self._tried() or time.monotonic() < self._not_before:
                return
            self._tried = weakref.ref(pool)
        # What was written is written, even if the system has no thread to give.
        with suppress(RuntimeError):
            threading.Thread(target=self._open, args=(pool,), name="eventsd-connections", daemon=True).start()

    def close(self) -> None:
        """Open no more: the last batch may end after the worker's connections were closed."""
        self._not_before = math.inf

    def _open(self, pool: Pool) -> None:
        taken: list[Connection] = []
        try:
            # The pool gives a new one only while none is free.
            while self._engine.pool is pool and _is_short(pool):
                taken.append(self._engine.connect())
            # Those that were free come first, and others have them again at once.
            for connection in taken:
                self._learn(connection)
                self._give(connection, pool)
        except Exception as exc:
            # The next batch that needs one finds out for itself. A batch that has found none free while they were held
            # here fails, and its next try has another pool: a server that gives no more is not asked with each of them.
            self._not_before = max(self._not_before, time.monotonic() + _REFUSED_SECONDS)
            log.debug("eventsd: connections cannot be opened ahead: %s", one_line(exc))
        finally:
            for connection in taken:
                self._give(connection, pool)

    def _give(self, connection: Connection, pool: Pool) -> None:
        """Let others have a connection, or close it if nobody will use its pool any more."""
        if not connection.closed:
            if self._engine.pool is not pool:
                connection.invalidate()
            connection.close()


def _is_short(pool: Pool) -> bool:
    """Say whether a pool has fewer connections than it may have."""
    return isinstance(pool, QueuePool) and pool.overflow() < 0
