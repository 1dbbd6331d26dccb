"""Go through the tables in the order of time, and count or delete what is too old."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from salt_eventsd.database.retention import aged_jobs, aged_rows
from salt_eventsd.database.retention.aged_jobs import RETURNS, AgedJob, Counts
from salt_eventsd.database.retention.aged_rows import Page, Part
from salt_eventsd.database.retention.keep import Keep, Limits, limits
from salt_eventsd.database.retention.pace import Pace
from salt_eventsd.database.retention.steps import Steps


class Purge:
    """
    One purge of one database.

    :param engine: of the database; one that only reads is enough to count.
    :param keep: how long rows stay.
    :param pace: how much a step takes, and when to stop.
    """

    def __init__(self, engine: Engine, keep: Keep, pace: Pace | None = None) -> None:
        self._steps = Steps(engine, pace)
        self._limits = limits(keep)

    def count(self) -> Counts:
        """
        Return how many rows are too old, and change nothing.

        :raises WorkerError: the database is away, or its tables are of another version.
        """
        with self._steps.looking():
            return self._all()

    def run(self) -> Counts:
        """
        Delete the rows that are too old, and return how many they were.

        :raises Busy: another purge of this database is running.
        :raises Stopped: it was stopped before its end.
        :raises WorkerError: the database is away, or refuses; what was deleted before stays deleted.
        """
        with self._steps.changing():
            return self._all()

    def _all(self) -> Counts:
        counts = Counts()
        for some in chain(self._rows(), self._jobs_by_returns(), self._jobs_without_returns()):
            counts.update(some)
        return counts

    def _rows(self) -> Iterator[Counts]:
        for part in self._steps.ask(_parts, self._limits):
            for some in self._pages(part):
                yield self._steps.ask(aged_rows.count, part, some)
                if self._steps.changes:
                    self._steps.execute([aged_rows.deletion(part, some)])

    def _jobs_by_returns(self) -> Iterator[Counts]:
        if (before := self._limits.any_return) is None or self._limits.jobs is None:
            return
        part = Part("returns", RETURNS, sa.true(), before)
        for some in self._pages(part):
            found = self._steps.ask(aged_jobs.find, self._steps.ask(aged_rows.jids, part, some), self._limits)
            if not self._steps.changes:
                # A job is counted with its last return, as it is met once more with each that has another time.
                first, last = aged_jobs.in_utc(some.first), aged_jobs.in_utc(some.last)
                found = [job for job in found if job.last and first <= job.last <= last]
            yield self._jobs(found)

    def _jobs_without_returns(self) -> Iterator[Counts]:
        seen: set[str] = set()
        for part in aged_rows.parts_without_returns(self._limits):
            for some in self._pages(part):
                jids = self._steps.ask(aged_rows.jids, part, some, without_returns=True)
                found = self._steps.ask(aged_jobs.find, jids, self._limits)
                if not self._steps.changes:
                    found = [job for job in found if job.jid not in seen]
                    seen.update(job.jid for job in found)
                yield self._jobs(found)

    def _pages(self, part: Part) -> Iterator[Page]:
        """Yield the rows of a part that are too old, some at a time."""
        after = None
        while some := self._steps.ask(aged_rows.page, part, after, self._steps.pace.rows):
            after = some.last
            yield some

    def _jobs(self, found: Sequence[AgedJob]) -> Counts:
        counts = Counts()
        for job in found:
            counts.update(job.counts)
        if self._limits.strips:
            # They were told already, as they go by themselves.
            counts = Counts({key: rows for key, rows in counts.items() if key[0] != "states"})
        if self._steps.changes and found:
            for statements in self._steps.ask(_steps, found, self._steps.pace.rows, self._limits):
                self._steps.execute(statements)
        return counts


def _parts(connection: Connection, limits_: Limits) -> list[Part]:
    return list(aged_rows.parts(connection, limits_))


def _steps(connection: Connection, found: Sequence[AgedJob], rows: int, limits_: Limits) -> list[list[sa.Delete]]:
    return list(aged_jobs.steps(connection, found, rows, limits_))
