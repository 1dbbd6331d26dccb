"""
Numbers of events, by their dotted names: the engine's own counters into a table or into Graphite.

A row of the table is one number of one moment. The same number of the same moment is not written twice, so a batch that
comes again changes nothing, nor does it in Graphite.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from salt_eventsd.backends.graphite.carbon import Carbon, Point, clean
from salt_eventsd.backends.graphite.worker import CarbonOptions, number_of, path_of, read_path
from salt_eventsd.backends.options import OLD_TIMEOUT, option_names, read_options
from salt_eventsd.config.durations import duration_of
from salt_eventsd.database import engines, migrate, schema
from salt_eventsd.database.blame.faults import meaning
from salt_eventsd.database.dialects import dialect_for
from salt_eventsd.database.keeping import Keeper, keeper
from salt_eventsd.database.probe import engine_to_look, try_out
from salt_eventsd.exceptions import Cut, Doubtful, Held, Lost, Refused, WorkerError
from salt_eventsd.language.fields import Facts
from salt_eventsd.language.template import Template
from salt_eventsd.redact.error_text import one_line
from salt_eventsd.workers.write import Batch, Context

log = logging.getLogger(__name__)

#: So many keys may lead to a number.
_DEEPEST = 20
#: Smaller numbers are 0 to PostgreSQL, or an error.
_SMALLEST = 2.3e-308


class StatsOptions(CarbonOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    The options of a stats worker that writes to Graphite.

    :param prefix: stands before each name, with a dot between them; a template.
    """

    prefix: str = "eventsd.{master_id}"


_SQL_NAMES = tuple(name for name in engines.OPTION_NAMES if name != "too_large")
#: How long a table's rows stay, if the config does not say.
_KEEP = "30d"
#: How often older ones are looked for, in seconds, and how many moments are deleted in one transaction.
_TIDY_SECONDS = 600.0
_MOMENTS_AT_ONCE = 2000
_CARBON_NAMES = (*option_names(StatsOptions), OLD_TIMEOUT)


def read(context: Context) -> Table | Graphs:
    """
    Return the worker; it opens nothing yet.

    :param context: what it is made from.
    :raises ConfigError: an option is wrong.
    """
    own = context.options
    given = context.known(*dict.fromkeys(("url", "keep", *_CARBON_NAMES, *_SQL_NAMES)))
    if any(key in (own if "host" in own else given) for key in ("url", "driver")):
        return _table(context, given)
    if "host" in own:
        return _graphs(context)
    raise context.problem("url", "missing; expected a SQLAlchemy URL, or host for Graphite")


def _table(context: Context, given: Mapping[str, Any]) -> Table:
    for key in context.options:
        if key not in (*_SQL_NAMES, "keep"):
            raise context.problem(key, "is for Graphite; beside a database it means nothing")
    try:
        options = engines.read_options({key: value for key, value in given.items() if key in _SQL_NAMES})
        engine = engines.make_engine(options, context.concurrency)
    except engines.OptionError as exc:
        raise context.problem(exc.key, str(exc)) from None
    try:
        return Table(engine, context.node_id, duration_of(given.get("keep", _KEEP)))
    except ValueError as exc:
        raise context.problem("keep", str(exc)) from None


def _graphs(context: Context) -> Graphs:
    for key in context.options:
        if key not in _CARBON_NAMES:
            raise context.problem(key, "is for a database; beside Graphite it means nothing")
    # Where all workers go is where the databases are.
    shared = {key: value for key, value in context.defaults.items() if key not in ("host", "port")}
    options = read_options(replace(context, defaults=shared), StatsOptions)
    prefix = read_path(context, "prefix", options.prefix, "") if options.prefix else None
    return Graphs(options.carbon, prefix, context.node_id)


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
        self._dialect = dialect_for(engine.dialect.name)
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
                        found = meaning(exc)
                        # A number and a name fit any table of ours: what refuses them may as well be the table.
                        raise Doubtful(str(found)) if isinstance(found, Refused) else found from exc
        except Exception as exc:
            raise self._of_all(exc) from exc
        self._tidy()

    def check(self) -> str:
        """
        Return a line about the database as it is now, having tried and undone what :meth:`write` does with it.

        :raises WorkerError: it cannot be reached, or would refuse everything.
        """
        engine = engine_to_look(self._engine)
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
        """Delete this master's rows that are older than is wanted, now and then and a part at a time."""
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
            # What is written is written; the next time will do.
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
        """Return what a fault means; what did not come of inserting rows is no event's doing."""
        if isinstance(error, WorkerError):
            found = error
        else:
            found = meaning(error)
            found = Held(str(found)) if isinstance(found, Refused) else found
        if isinstance(found, Lost):
            found = Cut(str(found))
        # What a connection may do, and how much it takes, is settled when it is made.
        self._engine.dispose()
        with self._ready:
            self._keep = None
        return found


class Graphs:
    """
    Numbers as they come, in Graphite.

    :param carbon: where to.
    :param prefix: stands before each name, or None.
    :param node_id: the master's (or minion's) id.
    """

    def __init__(self, carbon: Carbon, prefix: Template | None, node_id: str) -> None:
        self._carbon = carbon
        self._prefix = prefix
        self._node_id = node_id

    def write(self, batch: Batch) -> None:
        """
        Send a batch.

        :param batch: the batch.
        :raises Transient: carbon cannot be reached, or has not read all of it.
        """
        if points := list(self._points(batch)):
            self._carbon.send(points)

    def check(self) -> str:
        """Return a line that says carbon can be reached, or raise like :meth:`write`."""
        return self._carbon.check()

    def _points(self, batch: Batch) -> Iterator[Point]:
        for event in batch.events:
            prefix = path_of(self._prefix, Facts(event, self._node_id)) if self._prefix else ""
            if self._prefix and not prefix:
                continue
            for path, value in numbers(event.data):
                parts = [clean(part) or "_" for part in path]
                yield Point(".".join([prefix, *parts] if prefix else parts), value, int(event.stamp))


def numbers(data: Any) -> Iterator[tuple[tuple[str, ...], float]]:
    """
    Yield all numbers in a payload, each with the keys that lead to it; true is 1 and false 0, lists are left out.

    :param data: the payload.
    """
    # Not by calling itself: the payload may be as deep as whoever sent it likes. What is deeper has no name.
    todo: list[tuple[tuple[str, ...], Any]] = [((), data)]
    while todo:
        path, value = todo.pop()
        if isinstance(value, Mapping):
            if len(path) < _DEEPEST:
                todo += [((*path, str(key)), one) for key, one in reversed(list(value.items()))]
        elif path and (number := number_of(value)) is not None:
            yield path, number
