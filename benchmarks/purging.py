"""
A purge of a large history while an engine writes into it: how long the writer's batches take with and without it, in
turns.

.. code-block:: console

    python -m benchmarks.purging postgresql                      # row by row, on a server of its own
    python -m benchmarks.purging mariadb --parts 9               # each purge drops a partition of nine days
    python -m benchmarks.purging mariadb --parts 9 --reader 20   # while somebody reads the tables for 20 s

The history is that of :mod:`benchmarks.history`, of the last 90 days (``BENCH_ROWS`` returns). The purge has a process
of its own, as if another master had it, and the pace of every night. The writer sends ``--rate`` returns a second. A
batch is due at a time of its own, whether the one before is done or not, and what is measured is how long after that it
was committed: the event that was fired last waits so long, the first one ``--every`` seconds longer.

Other work on the machine counts, so a round is an interval without a purge and one with it, and what matters is one
beside the other, in the middle of all rounds. ``BENCH_URL`` names a database, of which what is purged is gone.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from benchmarks.history import DAYS, PER_JOB, fill
from benchmarks.table import percentile, render
from salt_eventsd.database import migrate
from salt_eventsd.database.dialects import dialect_of
from salt_eventsd.database.dialects.base.partitions import Range
from salt_eventsd.database.engines import SqlOptions, make_engine
from salt_eventsd.database.partitions import make
from salt_eventsd.database.retention.keep import Keep
from salt_eventsd.database.retention.pace import Pace
from salt_eventsd.database.retention.purge import Purge
from salt_eventsd.database.retention.steps import Stopped
from salt_eventsd.event.parse import Event
from tests.support.events import returned
from tests.support.servers import MariaDB, PostgreSQL
from tests.support.stores import Database, batch_of

_SERVERS = {"postgresql": PostgreSQL, "mariadb": MariaDB}


class Writer:
    """
    An engine's worker that writes at a steady rate, whatever a batch takes.

    :param url: of the database.
    :param rate: events a second.
    :param every: seconds from batch to batch.
    :ivar took: how long after it was due each batch was committed since the interval began, in milliseconds.
    """

    def __init__(self, url: str, rate: int, every: float) -> None:
        self.took: list[float] = []
        self._worker = Database(url).worker()
        self._size, self._every = int(rate * every), every
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._over.set()
        self._thread.join(60)

    def _run(self) -> None:
        due = time.monotonic()
        number = 0
        while not self._over.is_set():
            number += 1
            batch = batch_of(_events(self._size), spool=f"bench-{os.getpid()}", first=number, oldest=number)
            self._over.wait(max(0.0, due - time.monotonic()))
            self._worker.write(batch)
            self.took.append((time.monotonic() - due) * 1000)
            due += self._every


class Purger:
    """
    The process that purges, which is there before it is needed.

    :param url: of the database.
    """

    def __init__(self, url: str) -> None:
        command = [sys.executable, "-m", "benchmarks.purging", "--child"]
        self._process = subprocess.Popen(
            command, env={**os.environ, "BENCH_URL": url}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def begin(self, keep: str) -> None:
        """Begin to purge."""
        self._say(keep)

    def end(self) -> tuple[int, int, float]:
        """End a purge; return how many rows are gone, how many partitions, and how long it was at it."""
        self._say("")
        assert self._process.stdout
        rows, partitions, seconds = self._process.stdout.readline().split()
        return int(rows), int(partitions), float(seconds)

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()

    def _say(self, line: str) -> None:
        assert self._process.stdin
        print(line, file=self._process.stdin, flush=True)


def _purge_as_told(url: str) -> None:
    engine = make_engine(SqlOptions(url=url))
    while every := sys.stdin.readline().strip():
        stop = threading.Event()
        one = Purge(engine, Keep(returns=every), Pace(stop=stop))
        told: list[float] = []
        thread = threading.Thread(target=_purge, args=(one, told))
        before = _rows(engine)
        thread.start()
        sys.stdin.readline()
        stop.set()
        thread.join()
        print(before - _rows(engine), len(one.partitions), *told, flush=True)


def _purge(one: Purge, told: list[float]) -> None:
    began = time.monotonic()
    try:
        one.run()
    except Stopped:
        pass
    finally:
        told.append(time.monotonic() - began)


def _rows(engine: Engine) -> int:
    """Return how many rows of the history there are, without those that are being written."""
    with engine.connect() as connection:
        return sum(
            connection.scalar(sa.text(f"SELECT count(*) FROM eventsd_{name} WHERE master_id = 'bench'")) or 0
            for name in ("returns", "jobs")
        )


def main() -> int:
    """Fill, write, purge now and then, and print how long batches took with and without a purge."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.purging", description="Purge while others write.")
    parser.add_argument("on", nargs="?", choices=("sqlite", *_SERVERS), default="sqlite")
    parser.add_argument("--parts", type=int, default=0, metavar="DAYS", help="have partitions of so many days")
    parser.add_argument("--rate", type=int, default=2000, help="events a second")
    parser.add_argument("--every", type=float, default=0.25, help="seconds from batch to batch")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each interval")
    parser.add_argument("--reader", type=float, default=0.0, help="somebody reads for so long while a purge begins")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        _purge_as_told(os.environ["BENCH_URL"])
        return 0
    with _place(chosen.on) as url:
        engine = make_engine(SqlOptions(url=url, timeout=600.0))
        migrate.ensure(engine, dialect_of(engine))
        if chosen.parts:
            _partition(engine, chosen.parts)
        rows = int(os.environ.get("BENCH_ROWS", "1000000").replace("_", ""))
        fill(engine, rows // PER_JOB)
        writer, purger = Writer(url, chosen.rate, chosen.every), Purger(url)
        try:
            writer.start()
            time.sleep(chosen.seconds)
            rounds = [_round(number, chosen, writer, purger, engine) for number in range(chosen.rounds)]
        finally:
            writer.stop()
            purger.close()
            engine.dispose()
    title = f"{chosen.on}, {rows:,} returns, parts of {chosen.parts} days, {chosen.rate:,}/s; ms from due to committed"
    print(render(title, [shown for shown, _, _ in rounds]))
    print(render("all rounds", [_of_all("quiet", [one for _, one, _ in rounds]),
                                _of_all("purge", [one for _, _, one in rounds])]))  # fmt: skip
    ratios = [percentile(purge, 95) / percentile(quiet, 95) for _, quiet, purge in rounds]
    print(f"p95 with a purge by p95 without: {statistics.median(ratios):.2f} in the middle of the rounds")
    return 0


def _round(
    number: int, chosen: argparse.Namespace, writer: Writer, purger: Purger, engine: Engine
) -> tuple[dict[str, Any], Sequence[float], Sequence[float]]:
    quiet = _interval(writer, chosen.seconds)
    days = (DAYS - 2 - chosen.parts * (number + 1)) if chosen.parts else DAYS // 4
    with _reading(engine, chosen.reader):
        purger.begin(f"{max(1, days)}d")
        purge = _interval(writer, chosen.seconds)
    rows, partitions, seconds = purger.end()
    found = {
        f"{name} {percent}": percentile(took, percent)
        for percent in (50, 95, 100)
        for name, took in (("quiet", quiet), ("purge", purge))
    }
    return {**found, "rows gone": rows, "parts gone": partitions, "purge s": seconds}, quiet, purge


def _interval(writer: Writer, seconds: float) -> Sequence[float]:
    writer.took = []
    time.sleep(seconds)
    return writer.took


def _of_all(name: str, intervals: Sequence[Sequence[float]]) -> dict[str, Any]:
    took = [one for some in intervals for one in some]
    return {
        "interval": name,
        "batches": len(took),
        **{f"p{percent}": percentile(took, percent) for percent in (50, 95, 99, 100)},
        "p95, in the middle": statistics.median(percentile(some, 95) for some in intervals),
        "longest, in the middle": statistics.median(max(some) for some in intervals),
    }


@contextmanager
def _place(kind: str) -> Iterator[str]:
    if url := os.environ.get("BENCH_URL"):
        yield url
    elif kind in _SERVERS:
        with _SERVERS[kind]() as server:
            yield server.new_database()
    else:
        with tempfile.TemporaryDirectory(prefix="eventsd-") as folder:
            yield f"sqlite:///{folder}/history.db"


@contextmanager
def _reading(engine: Engine, seconds: float) -> Iterator[None]:
    """Have somebody read the large tables for some seconds, in one transaction."""
    if not seconds:
        yield
        return
    has_begun = threading.Event()

    def read() -> None:
        with engine.connect() as connection:
            for name in ("returns", "states"):
                connection.execute(sa.text(f"SELECT 1 FROM eventsd_{name} LIMIT 1")).all()
            has_begun.set()
            time.sleep(seconds)

    reader = threading.Thread(target=read)
    reader.start()
    has_begun.wait(60)
    yield
    reader.join()


def _partition(engine: Engine, days: int) -> None:
    """Make partitions of so many days, into which the history goes: months would be too few to drop."""
    today = datetime.now(timezone.utc).date()
    begin = today - timedelta(days=DAYS)
    bounds = [begin + timedelta(days=days * number) for number in range(DAYS // days + 3)]
    ranges = [Range(None, begin), *(Range(lower, upper) for lower, upper in pairwise(bounds))]
    with engine.connect() as connection:
        dialect = dialect_of(connection)
        if make.found(connection, dialect):
            return
        connection.rollback()
        for table, column in make.COLUMNS.items():
            dialect.partitions.begin(connection, table)
            with connection.begin():
                dialect.partitions.convert(connection, table, column, ranges)


def _events(size: int) -> list[Event]:
    now = datetime.now(timezone.utc)
    found = []
    for place in range(size):
        when = now + timedelta(microseconds=place)
        about = {"minion_id": f"minion{place:04d}.example.com", "_stamp": f"{when:%Y-%m-%dT%H:%M:%S.%f}"}
        found.append(returned("x" * 120, jid=f"{when:%Y%m%d%H%M%S%f}", **about))
    return found


if __name__ == "__main__":
    sys.exit(main())
