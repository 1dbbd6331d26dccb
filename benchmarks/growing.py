"""
What a large history costs an insert: the same batches into it and into an empty database beside it, in turns.

.. code-block:: console

    BENCH_URL=postgresql://... BENCH_ROWS=2000000 python -m benchmarks.growing [--batches 40]

The history is that of :mod:`benchmarks.history`; what is inserted is deleted again. Other work on the machine counts,
so what matters is the one beside the other.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from benchmarks.history import PER_JOB, fill
from benchmarks.questions import MINIONS
from benchmarks.table import percentile, render
from salt_eventsd.database import migrate, schema
from salt_eventsd.database.dialects import dialect_of
from salt_eventsd.database.engines import SqlOptions, make_engine
from salt_eventsd.event.parse import Event
from tests.support.events import returned
from tests.support.stores import Database, batch_of

_BATCH_EVENTS = 1000
#: What it takes to make the tables and to fill the caches is not of interest.
_WARM_UP_BATCHES = 5


def main() -> int:
    """Fill, insert in turns, and print the rates and their ratio."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growing", description="Insert into a large history.")
    parser.add_argument("--batches", type=int, default=40, help=f"of {_BATCH_EVENTS} returns, into each database")
    chosen = parser.parse_args()
    url = os.environ.get("BENCH_URL") or f"sqlite:///{Path('.build').absolute()}/history.db"
    wanted = int(os.environ.get("BENCH_ROWS", "1000000").replace("_", ""))
    engine = make_engine(SqlOptions(url=url, timeout=600.0))
    migrate.ensure(engine, dialect_of(engine))
    fill(engine, wanted // PER_JOB)
    began = datetime.now(timezone.utc)
    with _empty_beside(url) as beside:
        took = _in_turns(url, beside, chosen.batches)
    with engine.begin() as connection:
        connection.execute(sa.delete(schema.returns).where(schema.returns.c.jid >= f"{began:%Y%m%d%H%M%S%f}"))
    engine.dispose()
    rows = [_row(name, *measured) for name, measured in took.items()]
    print(render(f"{engine.dialect.name}: {chosen.batches} batches of {_BATCH_EVENTS} returns, medians", rows))
    large, empty = (row["events/s"] for row in rows)
    print(f"the history takes {large / empty:.2f} of the rate of an empty database")
    return 0


def _row(name: str, wall: list[float], own: list[float]) -> dict[str, Any]:
    middle, cpu = percentile(wall, 50), percentile(own, 50)
    us = cpu * 1e6 / _BATCH_EVENTS
    return {"into": name, "events/s": _BATCH_EVENTS / middle, "own CPU us an event": us, "ms a batch": middle * 1000}


def _in_turns(large: str, empty: str, batches: int) -> dict[str, tuple[list[float], list[float]]]:
    databases = {f"{schema.returns.name} of the history": Database(large), "an empty one": Database(empty)}
    workers = {name: database.worker() for name, database in databases.items()}
    took: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in workers}
    chance = random.Random(1)
    for number in range(1, batches + _WARM_UP_BATCHES + 1):
        events = _events(chance)
        for name, worker in workers.items():
            batch = batch_of(events, spool=f"growing-{os.getpid()}", first=number, oldest=number)
            began, own = time.perf_counter(), time.process_time()
            worker.write(batch)
            if number > _WARM_UP_BATCHES:
                took[name][0].append(time.perf_counter() - began)
                took[name][1].append(time.process_time() - own)
    for database in databases.values():
        database.close()
    return took


def _events(chance: random.Random) -> list[Event]:
    now = datetime.now(timezone.utc)
    found = []
    for place in range(_BATCH_EVENTS):
        when = now + timedelta(microseconds=place)
        about = {"minion_id": chance.choice(MINIONS), "_stamp": f"{when:%Y-%m-%dT%H:%M:%S.%f}"}
        found.append(returned("x" * 120, jid=f"{when:%Y%m%d%H%M%S%f}", **about))
    return found


@contextmanager
def _empty_beside(url: str) -> Iterator[str]:
    """An empty database of the same server; of SQLite, a file in the same folder."""
    at = sa.make_url(url)
    name = f"{at.database}_empty"
    if at.get_backend_name() == "sqlite":
        yield at.set(database=name).render_as_string(hide_password=False)
        for end in ("", "-wal", "-shm"):
            Path(name + end).unlink(missing_ok=True)
        return
    server = sa.create_engine(at, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    quoted = server.dialect.identifier_preparer.quote(name)
    with server.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {quoted}")
        connection.exec_driver_sql(f"CREATE DATABASE {quoted}")
        try:
            yield at.set(database=name).render_as_string(hide_password=False)
        finally:
            connection.exec_driver_sql(f"DROP DATABASE {quoted}")


if __name__ == "__main__":
    sys.exit(main())
