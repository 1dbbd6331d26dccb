"""Numbers as rows of the table ``eventsd_stats``."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from salt_eventsd.backends.stats.numbers import numbers
from salt_eventsd.database import migrate, schema
from salt_eventsd.database.dialects import dialect_of
from salt_eventsd.database.keeping import Keeper, keeper
from salt_eventsd.database.probe import try_out
from salt_eventsd.exceptions import Cut, Doubtful, Held, Lost, Refused, WorkerError
from salt_eventsd.redact.error_text import one_line
from salt_eventsd.workers.write import Batch

log = logging.getLogger(__name__)

#: PostgreSQL takes a smaller number for 0, or for an error.
_SMALLEST = 2.3e-308
#: How often the table is looked through for old rows, in seconds, and how many moments one transaction deletes.
_TIDY_SECONDS = 600.0
_MOMENTS_AT_ONCE = 2000


class Table:
    """
    The table ``eventsd_stats`` of a database.

    :param engine: of the database.
    :param node_id: the master's (or minion's) id, kept with each row.
    :param keep: how long a row stays; None is for ever.
    """

    def __init__(self, engine: Engine, node_id: str, keep: timedelta | None = None) -> None:
        self._engine = engine
        self._keep_for = keep
        self._tidy_at = time.monotonic() + _TIDY_SECONDS
        self._dialect = dialect_of(engine)
        self._node_id = node_id
        self._keep: Keeper | None = None
        self._ready = threading.Lock()

    def write(self, batch: Batch) -> None:
        """
        Write a batch in one transaction.

        :param batch: the batch.
        :raises WorkerError: nothing was written, and why.
        """
        rows = list(self._rows(batch))
        try:
            keep = self._prepared()
            with self._engine.connect() as connection, connection.begin():
                if rows:
                    try:
                        keep(connection, rows)
                    except Exception as exc:
                        found = self._dialect.faults.classify(exc)
                        # A number and a name fit our table, so the table itself may be the reason.
                        raise Doubtful(str(found)) if isinstance(found, Refused) else found from exc
        except Exception as exc:
            raise self._of_all(exc) from exc
        self._tidy()

    def check(self) -> str:
        """
        Return a line about the state of the database. What :meth:`write` would do is tried and undone.

        :raises WorkerError: the database cannot be reached, or would refuse everything.
        """
        engine = self._dialect.session.to_look(self._engine)
        try:
            with engine.connect() as connection:
                found = migrate.version(connection)
                connection.rollback()
                lacks = try_out(connection, self._dialect, [schema.stats], keeper, found)
        except Exception as exc:
            raise self._of_all(exc) from exc
        made = f"tables of version {found}" if found else "tables not made yet"
        return ", ".join(part for part in ("reachable", made, lacks) if part)

    def close(self) -> None:
        """Close the connections that are not in use."""
        self._engine.dispose()

    def _prepared(self) -> Keeper:
        with self._ready:
            if self._keep is None:
                migrate.ensure(self._engine, self._dialect)
                with self._engine.connect() as connection:
                    self._keep = keeper(self._dialect, connection, schema.stats)
            return self._keep

    def _tidy(self) -> None:
        """Now and then, delete this master's rows that are too old, a part in each transaction."""
        if self._keep_for is None or time.monotonic() < self._tidy_at:
            return
        self._tidy_at = time.monotonic() + _TIDY_SECONDS
        table = schema.stats
        mine = sa.and_(table.c.master_id == self._node_id, table.c.stamp < datetime.now(timezone.utc) - self._keep_for)
        oldest = sa.select(table.c.stamp).where(mine).distinct().order_by(table.c.stamp).limit(_MOMENTS_AT_ONCE)
        try:
            while True:
                with self._engine.connect() as connection, connection.begin():
                    moments = connection.scalars(oldest).all()
                    if moments:
                        connection.execute(sa.delete(table).where(mine, table.c.stamp <= moments[-1]))
                if len(moments) < _MOMENTS_AT_ONCE:
                    return
        except Exception as exc:
            # The batch is written all the same; old rows can go the next time.
            log.debug("eventsd: old rows of %s were not deleted: %s", table.name, one_line(exc))

    def _rows(self, batch: Batch) -> Iterator[dict[str, Any]]:
        for event in batch.events:
            stamp = self._dialect.time(event.stamp)
            for path, value in numbers(event.data):
                yield {
                    "master_id": self._node_id,
                    "stamp": stamp,
                    "name": self._dialect.text(".".join(path))[: schema.NAME_LENGTH],
                    "value": value if abs(value) >= _SMALLEST else 0.0,
                }

    def _of_all(self, error: Exception) -> WorkerError:
        """Return what a fault means. If it came of anything but inserting rows, no event is to blame."""
        if isinstance(error, WorkerError):
            found = error
        else:
            found = self._dialect.faults.classify(error)
            found = Held(str(found)) if isinstance(found, Refused) else found
        if isinstance(found, Lost):
            found = Cut(str(found))
        # A new connection may have other permissions and limits.
        self._engine.dispose()
        with self._ready:
            self._keep = None
        return found
