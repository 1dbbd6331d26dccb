"""Short transactions that are tried again, for who works on a database for long while others do, too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy.engine import Connection, Engine

from salt_eventsd.database import migrate
from salt_eventsd.database.dialects import Dialect, dialect_of
from salt_eventsd.database.retention.pace import Pace
from salt_eventsd.exceptions import Held, Transient

Args = ParamSpec("Args")
Answer = TypeVar("Answer")
#: How often something is tried that met a lock of somebody else's, or a lost connection.
_TRIES = 5


class Tries:
    """
    A database, asked in short transactions.

    :param engine: of the database.
    :param pace: waits between two tries.
    :ivar dialect: what differs in it.
    """

    def __init__(self, engine: Engine, pace: Pace) -> None:
        self.engine = engine
        self.dialect: Dialect = dialect_of(engine)
        self._pace = pace

    def ask(
        self, work: Callable[Concatenate[Connection, Args], Answer], *args: Args.args, **named: Args.kwargs
    ) -> Answer:
        """
        Do something in a transaction of its own.

        :param work: called with a connection and what else is given.
        :raises WorkerError: what the database said in the end.
        """

        def once() -> Answer:
            with self.engine.connect() as connection, connection.begin():
                return work(connection, *args, **named)

        return self.take(once)

    def require_tables(self, what: str) -> None:
        """
        Look whether the tables are of this release's version.

        :param what: they are there for.
        :raises Held: they are not.
        :raises WorkerError: the database is away.
        """
        found = self.ask(migrate.version)
        if found != migrate.HEAD:
            there = f"of version {found}" if found else "not there"
            raise Held(f"the tables {what} are {there}, expected {migrate.HEAD}: eventsd.schema upgrade")

    def take(self, work: Callable[[], Answer]) -> Answer:
        """
        Do something, again where that may help.

        :param work: does it in a transaction of its own, or leaves nothing undone by half.
        :raises WorkerError: what the database said in the end.
        """
        for left in reversed(range(_TRIES)):
            try:
                return work()
            except FileNotFoundError as exc:
                raise Held(f"there is no file {exc.filename}") from exc
            except Exception as exc:
                error = self.dialect.faults.classify(exc)
                if not left or not isinstance(error, Transient):
                    raise error from exc
                # Perhaps another server answers by now, with nothing of the old connections.
                self.engine.dispose()
                self._pace.wait(2.0 ** (_TRIES - left - 1))
        raise AssertionError
