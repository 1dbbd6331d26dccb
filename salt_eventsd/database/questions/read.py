"""
Connect to a history to read it, and make plain values of what it returns.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from salt_eventsd.config.structs import Config
from salt_eventsd.database import migrate, schema
from salt_eventsd.database.dialects import Dialect, dialect_of
from salt_eventsd.database.engines import ANSWER_SECONDS, OPTION_NAMES, OptionError, make_reader, read_options
from salt_eventsd.exceptions import ConfigError, EventsdError, WorkerError
from salt_eventsd.workers.write import Context

Row = dict[str, Any]
#: What is asked, for rooms that know nothing of SQLAlchemy.
History = Engine
#: The key of a connection's ``info`` that says that its tables were found to be of use.
_USABLE = "eventsd_usable"
#: Columns of JSON, which not every database decodes.
_JSON = frozenset(
    column.name for table in schema.metadata.tables.values() for column in table.c if isinstance(column.type, sa.JSON)
)


class Unanswered(EventsdError):
    """The history cannot be asked."""


class Unmade(Unanswered):
    """Nobody has made the history yet: the engine does when it writes for the first time."""


class Reader:
    """
    A connection to the history, for one question.

    :param connection: to the database.
    :ivar dialect: what differs in it.
    :ivar begin: if only so many of the newest rows were looked through, down to which time.
    :ivar notes: what else an answer does not tell.
    """

    def __init__(self, connection: Connection) -> None:
        self.dialect: Dialect = dialect_of(connection)
        self.begin: datetime | None = None
        self.notes: list[str] = []
        self._connection = connection
        own = schema.jobs.c.minions.type.dialect_impl(connection.dialect)
        self._decodes = isinstance(own, sa.JSON)

    def rows(self, statement: sa.Executable, parameters: Mapping[str, Any] | None = None) -> list[Row]:
        """
        Return what a question finds.

        :param statement: the question.
        :param parameters: its values, for a question that is text.
        """
        found = self._connection.execute(statement, dict(parameters or {}))
        keys = list(map(str, found.keys()))
        documents = () if self._decodes else _JSON.intersection(keys)
        rows = []
        for row in found.all():
            told = {key: plain_time(value) if isinstance(value, datetime) else value for key, value in zip(keys, row)}
            for key in documents:
                told[key] = _document(told[key])
            rows.append(told)
        return rows

    def tuples(self, statement: sa.Executable) -> list[tuple[Any, ...]]:
        """
        Return what a question finds as the database returns it, which costs much less where there are many rows.

        :param statement: the question.
        """
        # One by one they cost several times as much.
        return list(map(tuple, self._connection.execute(statement).all()))

    def each(self, statement: sa.Executable) -> Iterator[tuple[Any, ...]]:
        """
        Ask a question, and yield what :meth:`tuples` returns.

        :param statement: the question.
        """
        return map(tuple, self._connection.execute(statement))

    def values(self, statement: sa.Executable) -> list[Any]:
        """
        Return the first column of what a question finds.

        :param statement: the question.
        """
        return list(self._connection.execute(statement).scalars().all())

    def has_marks(self) -> bool:
        """Return whether states that took long are marked, all of them: the index over the marks is made last."""
        return self.has_index(schema.states, schema.MARK_INDEXES[self.dialect.ddl.partial_indexes])

    def has_index(self, table: sa.Table, name: str) -> bool:
        """
        Return whether a table has an index: one that is new is made beside what is written.

        :param table: one of ours.
        :param name: the index's.
        """
        return self.dialect.ddl.has_index(self._connection, table.name, name)

    def partitions_of(self, table: sa.Table) -> int:
        """
        Return how many partitions a table has; 0 if it has none.

        :param table: one of ours.
        """
        partitions = self.dialect.partitions
        return len(partitions.ranges(self._connection, table) or ()) if partitions.known else 0


def _document(text: Any) -> Any:
    """Return a value of a column of JSON that is text; what is no JSON stays as it is."""
    try:
        return json.loads(text) if isinstance(text, str) else text
    except ValueError:
        return text


def plain_time(when: datetime) -> str:
    """
    Return a time of the database's as text, in UTC with microseconds.

    :param when: SQLite's and MariaDB's have no zone.
    """
    return aware(when).isoformat("T", "microseconds")


def aware(when: datetime) -> datetime:
    """
    Return a time of the database's in UTC.

    :param when: as in :func:`plain_time`.
    """
    return when.replace(tzinfo=timezone.utc) if when.tzinfo is None else when.astimezone(timezone.utc)


@contextmanager
def reading(engine: Engine) -> Iterator[Reader]:
    """
    Connect to a history, all of whose answers are of one moment.

    :param engine: from :func:`salt_eventsd.database.engines.make_reader`.
    :raises Unanswered: it is away, or is none, or what went wrong with the question.
    """
    dialect = dialect_of(engine)
    try:
        with engine.connect() as connection, connection.begin():
            if not connection.info.get(_USABLE):
                _look_at_version(connection)
                # Tables are never made older.
                connection.info[_USABLE] = True
            yield Reader(connection)
    except FileNotFoundError as exc:
        raise Unmade(f"there is no file {exc.filename} yet; the engine makes it when it first writes") from exc
    except Exception as exc:
        if isinstance(exc, EventsdError) and not isinstance(exc, WorkerError):
            raise
        raise Unanswered(str(dialect.faults.classify(exc))) from exc


def _look_at_version(connection: Connection) -> None:
    found = migrate.version(connection)
    if found is None:
        raise Unmade("it has no tables of ours yet; the engine makes them when it first writes")
    if found < migrate.HEAD:
        raise Unanswered(
            f"its tables are of version {found}, and this salt-eventsd asks those of {migrate.HEAD}; a running"
            " engine of this release upgrades them"
        )


def asked_worker(config: Config) -> str:
    """
    Return the name of the worker whose database is asked: that of ``job_cache``, or else the first sql worker.

    :param config: a right one.
    :raises ConfigError: there is no sql worker.
    """
    if config.asked is None:
        raise ConfigError(["eventsd: workers: there is no sql worker, and only a SQL database can be asked"])
    return config.asked


def reader_of(config: Config, name: str, seconds: float = ANSWER_SECONDS) -> History:
    """
    Return an engine that only reads what a worker has written.

    :param config: a right one.
    :param name: of a sql worker.
    :param seconds: how long an answer may take.
    :raises ConfigError: an option is wrong, or a driver is missing.
    """
    worker = config.workers[name]
    context = Context(name, worker.options, "", defaults=worker.defaults)
    try:
        return make_reader(read_options(context.known(*OPTION_NAMES)), seconds)
    except OptionError as exc:
        raise context.problem(exc.key, str(exc)) from None
