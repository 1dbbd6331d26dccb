"""
One run: fire, wait until all events are stored or no more come, count the rows, and measure the cost.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from benchmarks.fire import Fired, number_of
from benchmarks.rig import Process, RigError
from benchmarks.table import percentile
from benchmarks.watch import Watch

_LOOK_SECONDS = 0.25
#: If no row has come for so long, missing events are lost. The time is the same for all subjects: with a shorter one,
#: late events of a subject would look lost.
_QUIET_SECONDS = 12.0
#: The longest wait. Events that still come after it are neither stored nor lost, and the figures say so.
_LONGEST_SECONDS = 150.0

#: How a run may end.
ALL_STORED, QUIET, STILL_COMING = "all stored", "quiet", "still coming"

#: Figures by the name of their column.
Figures = dict[str, Any]


@dataclass(frozen=True)
class Subject:
    """
    A program under test, and where its rows are.

    :param process: the process that it runs in.
    :param database: the database with its rows.
    :param table: the table that its rows go to.
    :param columns: the columns from which an event's number can be made.
    :param number: makes the number from these columns.
    :param where: a condition for the rows of the benchmark's events.
    :param server: the first process of the database's server; None if it has none.
    """

    process: Process
    database: sa.Engine
    table: str
    columns: tuple[str, ...]
    number: Callable[..., int]
    where: str = "1 = 1"
    server: Process | None = None

    def newest(self) -> int:
        """Return the highest id there is."""
        return int(self._rows(f"SELECT coalesce(max(id), 0) FROM {self.table}")[0][0])

    def count(self, after: int) -> int:
        """Return how many rows came after an id."""
        return int(self._rows(f"SELECT count(*) FROM {self.table} WHERE id > {after} AND {self.where}")[0][0])

    def numbers(self, after: int) -> list[tuple[int, int]]:
        """Return the id of each row after an id, and its event's number."""
        columns = ", ".join(self.columns)
        sql = f"SELECT id, {columns} FROM {self.table} WHERE id > {after} AND {self.where} ORDER BY id"
        return [(row[0], self.number(*row[1:])) for row in self._rows(sql)]

    def _rows(self, sql: str) -> Sequence[Any]:
        with self.database.connect() as connection:
            return connection.exec_driver_sql(sql).fetchall()


def returns_of(process: Process, database: sa.Engine, server: Process | None = None) -> Subject:
    """Return the engine as a subject, by the returns it stores."""
    return Subject(process, database, "eventsd_returns", ("jid", "minion_id"), number_of, server=server)


def carry(
    subject: Subject,
    fire: Callable[[], Fired],
    events: int,
    *,
    poll_seconds: float = 0.004,
) -> Figures:
    """
    Make one run and return its figures. CPU time is divided by the number of stored events; that of a server includes
    the looks for new rows.

    :param subject: the program under test, which stores events already.
    :param fire: fires the events, which are numbered from 0.
    :param events: how many events.
    :param poll_seconds: how often to look for commits.
    """
    after = subject.newest()
    watch = Watch(subject.database, subject.table, poll_seconds)
    watch.start()
    cpu = subject.process.cpu_seconds()
    of_server = subject.server.cpu_seconds() if subject.server else 0.0
    try:
        fired = fire()
        ended = time.monotonic()
        outcome = ""
        while not outcome:
            outcome = _outcome(subject.count(after) >= events, ended, watch.sightings.latest)
            time.sleep(_LOOK_SECONDS)
    finally:
        watch.stop()
    cpu = subject.process.cpu_seconds() - cpu
    of_server = subject.server.cpu_seconds() - of_server if subject.server else math.nan
    rows = subject.numbers(after)
    seen = watch.sightings.of([id_ for id_, _ in rows])
    delays = [(at - fired.at[number]) * 1000 for at, (_, number) in zip(seen, rows)]
    stored = len({number for _, number in rows})
    if stored > events:
        raise RigError(f"{stored} of {events} events stored: the bench cannot tell its events from others")
    return {
        "fired": events,
        "stored": stored,
        "lost": math.nan if outcome == STILL_COMING else events - stored,
        "ended": outcome,
        "doubled": len(rows) - stored,
        "fired/s": events / fired.seconds,
        "stored after s": max(seen) - fired.at[0] if seen else math.nan,
        "CPU us/event": cpu / stored * 1e6 if stored else math.nan,
        "server's CPU us/event": of_server / stored * 1e6 if stored else math.nan,
        "peak RSS MB": subject.process.peak_mb(),
        "beside it MB": _beside(subject.process),
        "p50 ms": percentile(delays, 50),
        "p99 ms": percentile(delays, 99),
        "poll p99 ms": percentile(watch.between, 99) * 1000,
    }


def _beside(process: Process) -> float:
    """Return the private memory of a process's children: the engine's reader and nursery."""
    beside = 0.0
    for child in process.children():
        beside += child.private_mb() + _beside(child)
    return beside


def _outcome(complete: bool, fired_at: float, row_at: float) -> str:
    """Return how a run has ended; "" if it has not."""
    now = time.monotonic()
    if complete:
        return ALL_STORED
    if now - max(fired_at, row_at) > _QUIET_SECONDS:
        return QUIET
    return STILL_COMING if now - fired_at > _LONGEST_SECONDS else ""
