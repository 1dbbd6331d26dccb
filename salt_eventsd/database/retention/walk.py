"""Go through the tables in the order of time, and find what is too old."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from salt_eventsd.database.retention import aged_jobs, aged_rows
from salt_eventsd.database.retention.aged_jobs import RETURNS, AgedJob
from salt_eventsd.database.retention.aged_rows import Page, Part
from salt_eventsd.database.retention.keep import Limits
from salt_eventsd.database.retention.steps import Steps


class Walk:
    """
    One way through the tables of a database.

    :param steps: takes the steps.
    :param limits: since when rows are too old.
    :param deletes: whoever walks deletes what is found before going on. Else a job would be met with each time that one
        of its returns has, and is found with the last of them only.
    """

    def __init__(self, steps: Steps, limits: Limits, *, deletes: bool) -> None:
        self._steps = steps
        self._limits = limits
        self._deletes = deletes

    def rows(self) -> Iterator[tuple[Part, Page]]:
        """Yield rows that are too old by themselves, some at a time: as many as are deleted in one step."""
        for part in self._steps.ask(_parts, self._limits):
            for some in self._pages(part, deletes=self._deletes):
                yield part, some

    def jobs(self) -> Iterator[list[AgedJob]]:
        """Yield jobs that are too old as a whole, some at a time."""
        yield from self._jobs_by_returns()
        yield from self._jobs_without_returns()

    def _jobs_by_returns(self) -> Iterator[list[AgedJob]]:
        if (before := self._limits.any_return) is None or self._limits.jobs is None:
            return
        part = Part("returns", RETURNS, sa.true(), before)
        for some in self._pages(part):
            found = self._steps.ask(aged_jobs.find, self._steps.ask(aged_rows.jids, part, some), self._limits)
            if not self._deletes:
                first, last = aged_jobs.in_utc(some.first), aged_jobs.in_utc(some.last)
                found = [job for job in found if job.last and first <= job.last <= last]
            yield found

    def _jobs_without_returns(self) -> Iterator[list[AgedJob]]:
        seen: set[str] = set()
        for part in aged_rows.parts_without_returns(self._limits):
            for some in self._pages(part):
                jids = self._steps.ask(aged_rows.jids, part, some, without_returns=True)
                found = self._steps.ask(aged_jobs.find, jids, self._limits)
                if not self._deletes:
                    found = [job for job in found if job.jid not in seen]
                    seen.update(job.jid for job in found)
                yield found

    def _pages(self, part: Part, *, deletes: bool = False) -> Iterator[Page]:
        """Yield the rows of a part that are too old, some at a time."""
        after, pace = None, self._steps.pace
        while some := self._steps.ask(aged_rows.page, part, after, pace.rows if deletes else pace.looks):
            after = some.last
            yield some


def _parts(connection: Connection, limits: Limits) -> list[Part]:
    return list(aged_rows.parts(connection, limits))
