"""
Measures the writing to databases alone, and compares it with a yardstick: the driver's plain batch insert.

The yardstick inserts the same returns, ready-made, into the same table with the driver's own function for many rows, in
transactions of 1000: ``executemany`` of sqlite3 and PyMySQL, ``execute_values`` of psycopg2 (whose ``executemany``
sends each row by itself). It builds no rows, and handles no minions, receipts or conflicts. *of plain insert* is a rate
divided by the yardstick's; for draining a spooled backlog, the design calls it the drain ratio.

Rules with tables and statements of the user's own write the same events. *of built-in* is their rate divided by that of
the built-in tables.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from benchmarks import fire, own, stages
from benchmarks.carry import Figures
from benchmarks.rig import RigError
from benchmarks.stages import CHUNK_EVENTS, WORKER, Stopwatch, chunk_of, parts
from salt_eventsd.config.structs import EventRule, WorkerConfig
from salt_eventsd.database import schema
from salt_eventsd.database.dialects import SQLite
from salt_eventsd.database.engines import SqlOptions, make_engine
from salt_eventsd.database.rows import RowBuilder
from salt_eventsd.database.store import Store
from salt_eventsd.dispatch.backoff import Backoff
from salt_eventsd.dispatch.lane import Lane
from salt_eventsd.dispatch.run import Dispatcher
from salt_eventsd.event.chunk import encode_events
from salt_eventsd.event.parse import Event
from salt_eventsd.spool.keep import Spool
from salt_eventsd.workers.write import Batch

_BATCH_EVENTS = 1000
_LONGEST_SECONDS = 120.0
#: So many runs of so many states are drained.
_WARM_UP_RUNS, _RUNS, _STATES = 10, 500, 200
#: The engine cuts chunks of large events about so small.
_CHUNK_BYTES = 2**20
#: As many as the engine has by default.
_THREADS = 4


def writing(kind: str, fresh: Callable[[], str], folder: Path, events: Sequence[Event]) -> list[Figures]:
    """
    Time the writing of events into one database.

    :param kind: the kind of the database.
    :param fresh: returns the URL of an empty database.
    :param folder: a folder for a spool.
    :param events: the events to write; the first few are also written before, without timing.
    """
    watch = Stopwatch()
    warm_up, timed = events[:100], events[100:]
    _plain_insert(f"{kind}: driver's plain batch insert", fresh(), warm_up, timed, watch)
    _store(f"{kind}: write batches of {_BATCH_EVENTS}", fresh(), warm_up, timed, watch)
    _drain(f"{kind}: drain the spool", fresh(), folder / "backlog", warm_up, timed, watch)
    plain, written, drained = watch.rows
    for row in (written, drained):
        row["of plain insert"] = row["events/s"] / plain["events/s"]
    for what, rule in own.rules(kind).items():
        _store(f"{kind}: {what}", fresh(), own.of_rule(warm_up), own.of_rule(timed), watch, rule)
        watch.rows[-1]["of built-in"] = watch.rows[-1]["events/s"] / written["events/s"]
    runs = _runs_of_states()
    warm_up, timed = runs[:_WARM_UP_RUNS], runs[_WARM_UP_RUNS:]
    _drain(f"{kind}: drain highstates", fresh(), folder / "highstates", warm_up, timed, watch)
    size = sum(len(event.body) + len(event.returned) for event in timed)
    watch.rows[-1]["MB/s"] = watch.rows[-1]["events/s"] * size / len(timed) / 1e6
    return watch.rows


def _store(
    stage: str,
    url: str,
    warm_up: Sequence[Event],
    timed: Sequence[Event],
    watch: Stopwatch,
    rule: EventRule | None = None,
) -> None:
    store = _make_store(url, {own.RULE: rule} if rule else {})
    if rule:
        own.make_table(store._engine)
    store.write(_batch(warm_up, 1))
    batches = [_batch(part, id_) for id_, part in enumerate(parts(timed, _BATCH_EVENTS), start=2)]
    with watch.time(stage, len(timed)):
        for batch in batches:
            store.write(batch)
    _must_have(store._engine, len(warm_up) + len(timed), own.TABLE if rule else schema.returns.name)
    store.close()


def _drain(
    stage: str, url: str, folder: Path, warm_up: Sequence[Event], timed: Sequence[Event], watch: Stopwatch
) -> None:
    store = _make_store(url)
    store.write(_batch(warm_up, 1))
    spool = Spool(folder)
    lane = Lane(WORKER, WorkerConfig(), store, "", spool, Backoff())
    dispatcher = Dispatcher(spool, {WORKER: lane}, lambda: _THREADS)
    size = len(encode_events(timed)) // len(timed)
    dispatcher.kept(spool.put([chunk_of(part) for part in parts(timed, min(CHUNK_EVENTS, _CHUNK_BYTES // size))]))
    deadline = time.monotonic() + _LONGEST_SECONDS
    with watch.time(stage, len(timed)):
        dispatcher.start()
        while lane.backlog.events and time.monotonic() < deadline:
            time.sleep(0.002)
    dispatcher.stop(1.0)
    spool.close()
    _must_have(store._engine, len(warm_up) + len(timed))
    store.close()


def _runs_of_states() -> list[Event]:
    """Return returns of 100 KB with 200 states, of which one in twenty has changed something."""
    pipeline = stages._pipeline()
    frames = [fire.unframed(one) for one in fire.usual_highstates(_WARM_UP_RUNS + _RUNS, _STATES)]
    return [event for one in frames for _, event in pipeline.take(one, time.time()).destinations]


def _plain_insert(stage: str, url: str, warm_up: Sequence[Event], timed: Sequence[Event], watch: Stopwatch) -> None:
    # A store makes the tables, so that they have the same indexes.
    store = _make_store(url)
    store.write(_batch([], 1))
    engine = store._engine
    builder = RowBuilder("bench-master", SQLite())
    columns = [column.name for column in schema.returns.columns if column.name != "id"]

    def rows_of(events: Sequence[Event]) -> list[tuple[Any, ...]]:
        built = (row for event in events for table, row in builder.rows(event) if table == "returns")
        return [tuple(row[column] for column in columns) for row in built]

    connection = engine.raw_connection()
    try:
        insert = _batch_insert(engine, connection, columns)
        insert(rows_of(warm_up))
        batches = parts(rows_of(timed), _BATCH_EVENTS)
        with watch.time(stage, len(timed)):
            for rows in batches:
                insert(rows)
    finally:
        connection.close()
    _must_have(engine, len(warm_up) + len(timed))
    store.close()


def _batch_insert(engine: sa.Engine, connection: Any, columns: Sequence[str]) -> Callable[[Sequence[Any]], None]:
    """Return a function that inserts rows in one transaction, with the driver's own means."""
    names = ", ".join(engine.dialect.identifier_preparer.quote(column) for column in columns)
    head = f"INSERT INTO {schema.returns.name} ({names}) VALUES"
    cursor = connection.cursor()
    if engine.driver == "psycopg2":
        from psycopg2.extras import execute_values

        def insert(rows: Sequence[Any]) -> None:
            execute_values(cursor, f"{head} %s", rows, page_size=len(rows))
            connection.commit()

        return insert
    mark = "?" if engine.dialect.paramstyle == "qmark" else "%s"
    sql = f"{head} ({', '.join([mark] * len(columns))})"

    def insert_many(rows: Sequence[Any]) -> None:
        # The engine's SQLite connections leave transactions to their users.
        if mark == "?":
            cursor.execute("BEGIN IMMEDIATE")
        cursor.executemany(sql, rows)
        connection.commit()

    return insert_many


def _make_store(url: str, rules: Mapping[str, EventRule] | None = None) -> Store:
    return Store(make_engine(SqlOptions(url=url)), "bench-master", rules=rules)


def _batch(events: Sequence[Event], chunk: int) -> Batch:
    return Batch(spool_id="bench", chunks=((chunk, len(events)),), events=events, oldest_chunk=chunk, replay=False)


def _must_have(engine: sa.Engine, count: int, table: str = schema.returns.name) -> None:
    with engine.connect() as connection:
        found = connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar()
    if found != count:
        raise RigError(f"{found} rows where {count} were written")
