"""Steps in a database: each a short transaction of its own, with a rest after it, and nobody else at it meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Concatenate, ParamSpec, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from salt_eventsd.database import migrate
from salt_eventsd.database.dialects import dialect_of
from salt_eventsd.database.dialects.base.partitions import Occupied
from salt_eventsd.database.dialects.base.session import LOOKS
from salt_eventsd.database.retention.lock import Busy, Lock
from salt_eventsd.database.retention.pace import Pace
from salt_eventsd.exceptions import EventsdError, Held, Transient, WorkerError

Args = ParamSpec("Args")
Answer = TypeVar("Answer")
#: How often a step is tried that met a lock of somebody else's, or a lost connection.
_TRIES = 5


class Stopped(Transient):
    """The purge was stopped before its end; the next one goes on from there."""


class Steps:
    """
    Takes steps in a database.

    :param engine: of the database; one that only reads is enough to look.
    :param pace: how much a step takes, and when to stop.
    """

    def __init__(self, engine: Engine, pace: Pace | None = None) -> None:
        self._engine = engine
        self._dialect = dialect_of(engine)
        self._lock: Lock | None = None
        self.pace = pace or Pace()

    @property
    def changes(self) -> bool:
        """Whether the steps may change something, which takes the lock."""
        return self._lock is not None

    @contextmanager
    def looking(self) -> Iterator[None]:
        """
        Look at the tables, and change nothing.

        :raises WorkerError: the database is away, or its tables are of another version.
        """
        with self._told():
            self._require_tables()
            yield

    @contextmanager
    def changing(self) -> Iterator[None]:
        """
        Change something; nobody else does so meanwhile.

        :raises Busy: somebody else does.
        :raises WorkerError: the database is away, or refuses; what was done before stays done.
        """
        with self._told():
            self._require_tables()
            self._engine = self._dialect.upkeep.gentle(self._engine)
            lock = Lock(self._engine)
            self._try(lock.take)
            self._lock = lock
            try:
                yield
                self._dialect.upkeep.give_back(self._engine, self._go_on)
            except BaseException:
                with suppress(Exception):
                    lock.release(done=False)
                raise
            lock.release(done=True)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except EventsdError:
            raise
        except Exception as exc:
            raise self._dialect.faults.classify(exc) from exc

    def _require_tables(self) -> None:
        found = self.ask(migrate.version)
        if found != migrate.HEAD:
            there = f"of version {found}" if found else "not there"
            raise Held(f"the tables are {there}, expected {migrate.HEAD}: the engine makes and upgrades them")

    def execute(self, statements: Sequence[sa.Delete | sa.Update]) -> None:
        """
        Execute some statements in one transaction.

        :param statements: which.
        """
        self.change(_execute, statements)

    def ask(
        self, work: Callable[Concatenate[Connection, Args], Answer], *args: Args.args, **named: Args.kwargs
    ) -> Answer:
        """
        Look at something in a short transaction of its own, and rest.

        :param work: called with a connection and what else is given; changes no rows.
        :raises Stopped: it is time to stop.
        """
        self._begin()
        with self.pace.step():
            return self._try(partial(self._once, True, work, *args, **named))

    def change(
        self, work: Callable[Concatenate[Connection, Args], tuple[Answer, int]], *args: Args.args, **named: Args.kwargs
    ) -> Answer:
        """
        Change rows in a short transaction of its own, and rest.

        :param work: called with a connection and what else is given; says how many rows it changed, too.
        :raises Stopped: it is time to stop.
        """
        self._begin()
        with self.pace.step() as changed:
            answer, rows = self._try(partial(self._once, False, work, *args, **named))
            changed.append(rows)
            return answer

    def _begin(self) -> None:
        if self.pace.stopped:
            raise Stopped
        if self._lock:
            self._try(self._lock.renew)

    def _once(
        self, looks: bool, work: Callable[Concatenate[Connection, Args], Answer], *args: Args.args, **named: Args.kwargs
    ) -> Answer:
        with self._engine.connect() as connection:
            connection.execution_options(**{LOOKS: looks})
            with connection.begin():
                return work(connection, *args, **named)

    def _try(self, once: Callable[[], Answer]) -> Answer:
        for attempt in range(1, _TRIES + 1):
            try:
                return once()
            except (Busy, Occupied):
                raise
            except Exception as exc:
                found = exc if isinstance(exc, WorkerError) else self._dialect.faults.classify(exc)
                if not isinstance(found, Transient) or attempt == _TRIES or self.pace.stopped:
                    raise found from exc
                self.pace.wait(attempt)
        raise AssertionError

    def _go_on(self, seconds: float) -> bool:
        self.pace.wait(seconds)
        if self._lock:
            self._try(self._lock.renew)
        return not self.pace.stopped


def _execute(connection: Connection, statements: Sequence[sa.Delete | sa.Update]) -> tuple[None, int]:
    return None, sum(connection.execute(statement).rowcount for statement in statements)
