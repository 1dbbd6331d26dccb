"""
Measures when a row was committed: a reader outside the engine asks the database repeatedly for the highest visible id.

A row is visible from its commit on, and ids follow the order of commits, because only one transaction at a time
writes a table. So a row was committed between the last look that did not see its id and the first that did. The later
of the two counts: a figure is never too small, and too large by at most the time between two looks, which is measured
as well (``poll``). The method adds nothing to the database under test, and is the same for all databases.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections.abc import Sequence

import sqlalchemy as sa


class Watch(threading.Thread):
    """
    Looks until :meth:`stop`.

    :param database: the database.
    :param table: the table.
    :param every_seconds: the time between two looks.
    """

    def __init__(self, database: sa.Engine, table: str, every_seconds: float) -> None:
        super().__init__(name="bench-watch", daemon=True)
        self.sightings = Sightings()
        self.between: list[float] = []
        self._database = database
        self._sql = f"SELECT max(id) FROM {table}"
        self._every_seconds = every_seconds
        self._stopping = threading.Event()

    def run(self) -> None:
        """Look until stopped, and then once more."""
        before = time.monotonic()
        last = False
        with self._database.connect() as connection:
            while not last:
                last = self._stopping.wait(self._every_seconds)
                newest = connection.exec_driver_sql(self._sql).scalar() or 0
                now = time.monotonic()
                self.sightings.add(now, newest)
                self.between.append(now - before)
                before = now

    def stop(self) -> None:
        """End the thread."""
        self._stopping.set()
        self.join()


class Sightings:
    """Records when each id was first seen. Pure."""

    def __init__(self) -> None:
        self._ids: list[int] = []
        self._times: list[float] = []

    def add(self, when: float, newest: int) -> None:
        """
        Note a look.

        :param when: the time of the look.
        :param newest: the highest id that it saw.
        """
        if not self._ids or newest > self._ids[-1]:
            self._ids.append(newest)
            self._times.append(when)

    @property
    def latest(self) -> float:
        """When a new row was last seen."""
        return self._times[-1] if self._times else 0.0

    def of(self, ids: Sequence[int]) -> list[float]:
        """
        Return when each row was first seen.

        :param ids: the ids of rows that have been seen.
        """
        return [self._times[bisect_left(self._ids, one)] for one in ids]
