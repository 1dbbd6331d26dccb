"""
How fast one, two and three writers are, beside a master that writes the same events straight into the same PostgreSQL.

All share this machine: where its processors are busy with one writer and the database, more writers are not faster. So
the CPU time of an event stands beside each rate. The runs take turns, and the middle one of each kind counts.
"""

from __future__ import annotations

import signal
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import NamedTuple

import sqlalchemy as sa
from typing_extensions import Self

from benchmarks.carry import Figures
from benchmarks.fleet.place import Place, keep
from benchmarks.fleet.spent import LONGEST_SECONDS, cpu_seconds, until
from benchmarks.rig import RigError
from salt_eventsd.event.parse import Event

_LOOK_SECONDS = 0.05
#: These go first, so that tables are made and connections are there.
_FIRST = 10


class Rate(NamedTuple):
    """
    One run.

    :param events: a second.
    :param cpu: microseconds of processor that whoever writes has spent on an event.
    :param database: the same of PostgreSQL.
    """

    events: float
    cpu: float
    database: float


def rates(
    there: Place, events: Sequence[Event], say: Callable[[str], None], most: int = 3, rounds: int = 3
) -> list[Figures]:
    """
    Return a row for writing directly, and for each number of writers.

    :param there: the servers.
    :param events: each of them is written in each run.
    :param say: prints what is going on.
    :param most: the highest number of writers.
    :param rounds: how often each is measured.
    """
    found: dict[int, list[Rate]] = {count: [] for count in range(most + 1)}
    for number in range(rounds):
        for count, runs in found.items():
            say(f"round {number + 1} of {rounds}: {f'writers: {count}' if count else 'directly'} ...")
            runs.append(_written(there, events, count) if count else _direct(there, events))
    middle = {count: Rate(*(statistics.median(figures) for figures in zip(*runs))) for count, runs in found.items()}
    return [
        {
            "who writes": f"writers: {count}" if count else "a master, directly",
            "events/s": rate.events,
            "as a ratio": rate.events / middle[0].events,
            "its CPU us an event": rate.cpu,
            "PostgreSQL's": rate.database,
        }
        for count, rate in middle.items()
    ]


def _direct(there: Place, events: Sequence[Event]) -> Rate:
    url = there.database.new_database()
    first, second = there.sender({"url": url}, "sql"), there.sender({"url": url}, "sql")
    with ExitStack() as stack, _Watch(there, url) as watch:
        for sender, some in ((first, events[:_FIRST]), (second, events[_FIRST:])):
            stack.callback(sender.close)
            keep(sender, some)
        first.start()
        watch.until(_FIRST)
        return watch.rate(second.start, len(events), time.process_time)


def _written(there: Place, events: Sequence[Event], count: int) -> Rate:
    url = there.database.new_database()
    with ExitStack() as stack, _Watch(there, url) as watch:
        sender = there.sender()
        stack.callback(sender.close)
        sender.start()
        takers = [there.taker(url) for _ in range(count)]
        for taker in takers:
            stack.callback(taker.close)
            taker.start()
        for event in events[:_FIRST]:
            # One by one, so that each writer has some.
            keep(sender, [event])
        watch.until(_FIRST)
        until(lambda: all(taker.report() for taker in takers), "writers that are at work")
        for taker in takers:
            taker.send(signal.SIGSTOP)
        keep(sender, events[_FIRST:])
        until(lambda: not sender.waiting, "events that are published")

        def go() -> None:
            for taker in takers:
                taker.send(signal.SIGCONT)

        return watch.rate(go, len(events), lambda: sum(cpu_seconds(taker.pid) for taker in takers))


class _Watch:
    """Watches a database from outside."""

    def __init__(self, there: Place, url: str) -> None:
        self._server = there.database.pid
        self._engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")

    def __enter__(self) -> Self:
        self._connection = self._engine.connect()
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()
        self._engine.dispose()

    def until(self, events: int) -> None:
        """Wait until so many events are in it."""
        end = time.monotonic() + LONGEST_SECONDS
        # The highest number is found at once; numbers of transactions that were undone are left out.
        while self._ask("max(id)") < events or self._ask("count(*)") < events:
            if time.monotonic() > end:
                raise RigError(f"{self._ask('count(*)')} of {events} events written")
            time.sleep(_LOOK_SECONDS)

    def rate(self, go: Callable[[], object], events: int, cpu_of_others: Callable[[], float]) -> Rate:
        """Have the rest written."""
        others, database = cpu_of_others(), cpu_seconds(self._server)
        began = time.monotonic()
        go()
        self.until(events)
        passed = time.monotonic() - began
        spent = cpu_of_others() - others, cpu_seconds(self._server) - database
        count = events - _FIRST
        return Rate(count / passed, spent[0] / count * 1e6, spent[1] / count * 1e6)

    def _ask(self, what: str) -> int:
        there = self._connection.exec_driver_sql("SELECT to_regclass('eventsd_returns')").scalar()
        if not there:
            return 0
        return int(self._connection.exec_driver_sql(f"SELECT {what} FROM eventsd_returns").scalar() or 0)
