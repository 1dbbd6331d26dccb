"""Count or delete what is too old."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from salt_eventsd.database.dialects.base.partitions import Occupied
from salt_eventsd.database.partitions import make
from salt_eventsd.database.partitions import old as partitions
from salt_eventsd.database.partitions.tries import tries
from salt_eventsd.database.retention import aged_jobs, aged_rows
from salt_eventsd.database.retention.aged_jobs import AgedJob, Counts
from salt_eventsd.database.retention.keep import Keep, Limits, limits
from salt_eventsd.database.retention.lock import Busy
from salt_eventsd.database.retention.pace import Pace
from salt_eventsd.database.retention.steps import Steps, Stopped
from salt_eventsd.database.retention.walk import Walk
from salt_eventsd.exceptions import WorkerError
from salt_eventsd.redact.error_text import one_line

log = logging.getLogger(__name__)

#: So long it is tried to drop a partition of a table that others have, in seconds.
_DROP_SECONDS = 60.0
#: So many steps are made beforehand.
_AHEAD = 3


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
        #: The partitions that were dropped, or would be.
        self.partitions: list[str] = []
        #: Rows that are in no partition of a time, by table.
        self.outside: dict[str, int] = {}

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
        whole = self._steps.ask(partitions.find, self._limits)
        if self._steps.changes:
            self._drop(whole, counts)
        else:
            self.partitions += [name for one in whole for name in one.names]
        self.outside = self._steps.ask(make.outside)
        walk = Walk(self._steps, self._limits, deletes=self._steps.changes)
        for part, some in walk.rows():
            counts.update(self._steps.ask(aged_rows.count, part, some))
            if self._steps.changes:
                self._steps.execute([aged_rows.deletion(part, some)])
        for found in walk.jobs():
            counts.update(self._jobs(found))
        return counts

    def _drop(self, found: Sequence[partitions.Old], counts: Counts) -> None:
        occupied: set[sa.Table] = set()
        for one in found:
            tables = {table for table, _ in one.parts}.union(one.looked_at)
            if tables & occupied:
                continue
            try:
                rows = self._steps.ask(partitions.count, one)
                if self._is_dropped(one):
                    self.partitions += one.names
                    counts.update(rows)
            except (Busy, Stopped):
                raise
            except WorkerError as exc:
                # Somebody reads the table for long, or the user may drop no parts of it: their rows go one by one.
                names = " and ".join(one.names)
                log.warning("eventsd: %s was not dropped, its rows are deleted instead: %s", names, one_line(exc))
                if not isinstance(exc, Occupied):
                    return
                # Who has a table has all its partitions, and each further minute of tries slows down who writes.
                occupied |= tables

    def _is_dropped(self, one: partitions.Old) -> bool:
        for patience in tries(_DROP_SECONDS, self._steps.pace.wait):
            with suppress(Occupied):
                return self._steps.change(_drop, one, self._limits, patience)
        raise Occupied(f"somebody else has its table, and did not leave it within {_DROP_SECONDS:g} s")

    def _jobs(self, found: Sequence[AgedJob]) -> Counts:
        counts = Counts()
        for job in self._delete(found) if self._steps.changes else found:
            counts.update(job.counts)
        if self._limits.strips:
            # They were told already, as they go by themselves.
            counts = Counts({key: rows for key, rows in counts.items() if key[0] != "states"})
        return counts

    def _delete(self, found: Sequence[AgedJob]) -> list[AgedJob]:
        """Delete some jobs, and return those that are gone, without those that were answered meanwhile."""
        stays: dict[str, bool] = {}
        begin = 0
        while begin < len(found):
            # What a step takes tells how large the next ones are, so these are made late.
            some = _first(found[begin:], _AHEAD * self._steps.pace.rows)
            begin += len(some)
            for step in self._steps.ask(_steps, some, self._steps.pace.rows, self._limits):
                stays.update(self._steps.change(aged_jobs.delete, step, stays, self._limits))
        return [job for job in found if not stays.get(job.jid)]


def _drop(connection: Connection, one: partitions.Old, limits_: Limits, patience: float) -> tuple[bool, int]:
    # No row is deleted by itself, so it says nothing of how long that takes.
    return partitions.drop(connection, one, limits_, patience), 0


def _first(jobs: Sequence[AgedJob], rows: int) -> Sequence[AgedJob]:
    """Return the first jobs that have about so many rows."""
    size = 0
    for at, job in enumerate(jobs):
        size += job.rows
        if size >= rows:
            return jobs[: at + 1]
    return jobs


def _steps(connection: Connection, found: Sequence[AgedJob], rows: int, limits_: Limits) -> list[aged_jobs.Step]:
    return list(aged_jobs.steps(connection, found, rows, limits_))
