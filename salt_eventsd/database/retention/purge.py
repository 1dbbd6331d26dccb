"""Go through the tables in the order of time, and count or delete what is too old."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from typing import Concatenate, ParamSpec, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from salt_eventsd.database import migrate
from salt_eventsd.database.dialects import dialect_of
from salt_eventsd.database.retention import aged_jobs, aged_rows
from salt_eventsd.database.retention.aged_jobs import RETURNS, AgedJob, Counts
from salt_eventsd.database.retention.aged_rows import Page, Part
from salt_eventsd.database.retention.keep import Keep, Limits, limits
from salt_eventsd.database.retention.lock import Busy, Lock
from salt_eventsd.database.retention.pace import Pace
from salt_eventsd.exceptions import Held, Transient, WorkerError

Args = ParamSpec("Args")
Answer = TypeVar("Answer")
#: How often a step is tried that met a lock of somebody else's, or a lost connection.
_TRIES = 5


class Stopped(Transient):
    """The purge was stopped before its end; the next one goes on from there."""


class Purge:
    """
    One purge of one database.

    :param engine: of the database; one that only reads is enough to count.
    :param keep: how long rows stay.
    :param pace: how much a step takes, and when to stop.
    """

    def __init__(self, engine: Engine, keep: Keep, pace: Pace | None = None) -> None:
        self._engine = engine
        self._dialect = dialect_of(engine)
        self._limits = limits(keep)
        self._pace = pace or Pace()
        self._deletes = False
        self._lock: Lock | None = None

    @property
    def limits(self) -> Limits:
        """The times before which rows are too old."""
        return self._limits

    def count(self) -> Counts:
        """
        Return how many rows are too old, and change nothing.

        :raises WorkerError: the database is away, or its tables are of another version.
        """
        with self._told():
            self._require_tables()
            return self._all()

    def run(self) -> Counts:
        """
        Delete the rows that are too old, and return how many they were.

        :raises Busy: another purge of this database is running.
        :raises Stopped: it was stopped before its end.
        :raises WorkerError: the database is away, or refuses; what was deleted before stays deleted.
        """
        with self._told():
            self._require_tables()
            self._engine = self._dialect.upkeep.gentle(self._engine)
            self._deletes = True
            lock = Lock(self._engine)
            self._try(lock.take)
            self._lock = lock
            try:
                counts = self._all()
                self._dialect.upkeep.give_back(self._engine, self._go_on)
            except BaseException:
                with suppress(Exception):
                    lock.release(done=False)
                raise
            lock.release(done=True)
            return counts

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except WorkerError:
            raise
        except Exception as exc:
            raise self._dialect.faults.classify(exc) from exc

    def _require_tables(self) -> None:
        found = self._ask(migrate.version)
        if found != migrate.HEAD:
            there = f"of version {found}" if found else "not there"
            raise Held(f"the tables are {there}, expected {migrate.HEAD}: the engine makes and upgrades them")

    def _all(self) -> Counts:
        counts = Counts()
        for some in chain(self._rows(), self._jobs_by_returns(), self._jobs_without_returns()):
            counts.update(some)
        return counts

    def _rows(self) -> Iterator[Counts]:
        for part in self._ask(_parts, self._limits):
            for some in self._pages(part):
                yield self._ask(aged_rows.count, part, some)
                if self._deletes:
                    self._delete([aged_rows.deletion(part, some)])

    def _jobs_by_returns(self) -> Iterator[Counts]:
        if (before := self._limits.any_return) is None or self._limits.jobs is None:
            return
        part = Part("returns", RETURNS, sa.true(), before)
        for some in self._pages(part):
            found = self._ask(aged_jobs.find, self._ask(aged_rows.jids, part, some), self._limits)
            if not self._deletes:
                # A job is counted with its last return, as it is met once more with each that has another time.
                first, last = aged_jobs.in_utc(some.first), aged_jobs.in_utc(some.last)
                found = [job for job in found if job.last and first <= job.last <= last]
            yield self._jobs(found)

    def _jobs_without_returns(self) -> Iterator[Counts]:
        seen: set[str] = set()
        for part in aged_rows.parts_without_returns(self._limits):
            for some in self._pages(part):
                jids = self._ask(aged_rows.jids, part, some, without_returns=True)
                found = self._ask(aged_jobs.find, jids, self._limits)
                if not self._deletes:
                    found = [job for job in found if job.jid not in seen]
                    seen.update(job.jid for job in found)
                yield self._jobs(found)

    def _pages(self, part: Part) -> Iterator[Page]:
        """Yield the rows of a part that are too old, some at a time."""
        after = None
        while some := self._ask(aged_rows.page, part, after, self._pace.rows):
            after = some.last
            yield some

    def _jobs(self, found: Sequence[AgedJob]) -> Counts:
        counts = Counts()
        for job in found:
            counts.update(job.counts)
        if self._limits.strips:
            # They were told already, as they go by themselves.
            counts = Counts({key: rows for key, rows in counts.items() if key[0] != "states"})
        if self._deletes and found:
            for statements in self._ask(_steps, found, self._pace.rows, self._limits):
                self._delete(statements)
        return counts

    def _delete(self, statements: Sequence[sa.Delete]) -> None:
        if self._lock:
            self._try(self._lock.renew)
        self._ask(_execute, statements)

    def _ask(
        self, work: Callable[Concatenate[Connection, Args], Answer], *args: Args.args, **named: Args.kwargs
    ) -> Answer:
        """Do something in a short transaction of its own, and rest."""
        if self._pace.stopped:
            raise Stopped

        def once() -> Answer:
            with self._engine.connect() as connection, connection.begin():
                return work(connection, *args, **named)

        with self._pace.step():
            return self._try(once)

    def _try(self, once: Callable[[], Answer]) -> Answer:
        for attempt in range(1, _TRIES + 1):
            try:
                return once()
            except Busy:
                raise
            except Exception as exc:
                found = exc if isinstance(exc, WorkerError) else self._dialect.faults.classify(exc)
                if not isinstance(found, Transient) or attempt == _TRIES or self._pace.stopped:
                    raise found from exc
                self._pace.wait(attempt)
        raise AssertionError

    def _go_on(self, seconds: float) -> bool:
        self._pace.wait(seconds)
        return not self._pace.stopped


def _parts(connection: Connection, limits_: Limits) -> list[Part]:
    return list(aged_rows.parts(connection, limits_))


def _steps(connection: Connection, found: Sequence[AgedJob], rows: int, limits_: Limits) -> list[list[sa.Delete]]:
    return list(aged_jobs.steps(connection, found, rows, limits_))


def _execute(connection: Connection, statements: Sequence[sa.Delete]) -> None:
    for statement in statements:
        connection.execute(statement)
