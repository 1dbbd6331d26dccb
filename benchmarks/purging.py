"""
A purge of a large history while an engine writes into it: how long the writer's batches take before, during and after.

.. code-block:: console

    BENCH_URL=postgresql://... BENCH_ROWS=1000000 python -m benchmarks.purging [--partitions month] [--keep 45d]

The history is that of :mod:`benchmarks.history`, of the last 90 days. The purge is the one of every night, at its own
pace, in a process of its own as if another master had it. The writer sends 2,000 returns a second, in batches of half a
second. Other work on the machine counts, so what matters is one phase beside the other. What is purged is gone: give it
a database of its own.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import threading
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from benchmarks.history import PER_JOB, fill
from benchmarks.table import percentile, render
from salt_eventsd.database import migrate
from salt_eventsd.database.dialects import dialect_of
from salt_eventsd.database.engines import SqlOptions, make_engine
from salt_eventsd.database.partitions import make
from salt_eventsd.database.retention.keep import Keep
from salt_eventsd.database.retention.purge import Purge
from salt_eventsd.event.parse import Event
from tests.support.events import returned
from tests.support.stores import Database, batch_of

RATE = 2000
_BATCH_SECONDS = 0.5


class Writer:
    """
    An engine's worker that writes at a steady rate, whatever a batch takes.

    :param url: of the database.
    :ivar took: how long each batch took since the phase began, in milliseconds.
    """

    def __init__(self, url: str) -> None:
        self.took: list[float] = []
        self._worker = Database(url).worker()
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
        size = int(RATE * _BATCH_SECONDS)
        due = time.monotonic()
        number = 0
        while not self._over.is_set():
            number += 1
            batch = batch_of(_events(number, size), spool=f"bench-{os.getpid()}", first=number, oldest=number)
            self._over.wait(max(0.0, due - time.monotonic()))
            began = time.perf_counter()
            self._worker.write(batch)
            self.took.append((time.perf_counter() - began) * 1000)
            due = max(due + _BATCH_SECONDS, time.monotonic() - 5 * _BATCH_SECONDS)


def main() -> int:
    """Fill, write, purge meanwhile, and print how long batches took in each phase."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.purging", description="Purge while others write.")
    parser.add_argument("--keep", default="45d", help="what is older is purged")
    parser.add_argument("--partitions", choices=("none", "month", "day"), default="none")
    parser.add_argument("--seconds", type=float, default=30.0, help="of the phases before and after")
    parser.add_argument("--longest", type=float, default=1800.0, help="seconds after which the purge is ended")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    url = os.environ.get("BENCH_URL") or f"sqlite:///{Path('.build').absolute()}/purged.db"
    if chosen.child:
        print(sum(Purge(make_engine(SqlOptions(url=url)), _keep(chosen.keep)).run().values()))
        return 0
    options = SqlOptions(url=url, timeout=600.0)
    engine = make_engine(options)
    migrate.ensure(engine, dialect_of(engine))
    fill(engine, int(os.environ.get("BENCH_ROWS", "1000000").replace("_", "")) // PER_JOB)
    if chosen.partitions != "none":
        make.partition(engine, chosen.partitions)
    engine.dispose()
    writer = Writer(url)
    writer.start()
    rows = [_phase(writer, "before", lambda: time.sleep(chosen.seconds))]
    deleted: list[str] = []
    rows.append(_phase(writer, "during", lambda: deleted.append(_purge(chosen))))
    rows.append(_phase(writer, "after", lambda: time.sleep(chosen.seconds)))
    writer.stop()
    alone = percentile([*rows[0].pop("took"), *rows[2].pop("took")], 95)
    during = percentile(rows[1].pop("took"), 95)
    print(render(f"{dialect_of(engine).name}, partitions: {chosen.partitions}; {deleted[0]}; ms for a batch", rows))
    print(f"the writer's p95 during the purge is {during / alone:.2f} times that without it")
    return 0


def _phase(writer: Writer, name: str, what: Any) -> dict[str, Any]:
    writer.took = []
    began = time.monotonic()
    what()
    took = writer.took
    times = {"median": percentile(took, 50), "p95": percentile(took, 95), "longest": max(took, default=float("nan"))}
    return {"phase": name, "seconds": time.monotonic() - began, "batches": len(took), **times, "took": took}


def _purge(chosen: argparse.Namespace) -> str:
    command = [sys.executable, "-m", "benchmarks.purging", "--child", "--keep", chosen.keep]
    began = time.monotonic()
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=chosen.longest, check=True)
    except subprocess.TimeoutExpired:
        return f"the purge was ended after {chosen.longest:.0f} s"
    return f"{int(done.stdout):,} rows purged in {time.monotonic() - began:.0f} s"


def _keep(every: str) -> Keep:
    return Keep(returns=every, failed=every, states=every, jobs=every)


def _events(number: int, size: int) -> list[Event]:
    now = datetime.now(timezone.utc)
    found = []
    for place in range(size):
        when = now + timedelta(microseconds=place)
        about = {"minion_id": f"minion{place:04d}.example.com", "_stamp": f"{when:%Y-%m-%dT%H:%M:%S.%f}"}
        found.append(returned("x" * 120, jid=f"{when:%Y%m%d%H%M%S%f}", **about))
    return found


if __name__ == "__main__":
    sys.exit(main())
