"""
Questions to a large history: ``make bench-history`` fills a database with jobs as a site of 1,000 minions has them, and
times each question (:mod:`benchmarks.questions`). It can be interrupted: the next run goes on filling where the last
one ended. A baseline holds for a database of the same kind and size.

Environment: ``BENCH_URL`` (by default a SQLite file in ``.build``), ``BENCH_ROWS`` (returns; 1,000,000) and
``BENCH_ROUNDS`` (questions of each kind; 20).
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from benchmarks import questions, verdict, yardstick
from benchmarks.table import plain, render
from salt_eventsd.database import migrate, schema
from salt_eventsd.database.dialects import Dialect, Inserter, dialect_of
from salt_eventsd.database.engines import SqlOptions, make_engine, make_reader
from salt_eventsd.database.migrations.builder import build
from salt_eventsd.database.rows.longest import mark_longest
from salt_eventsd.database.schema import STATE_RUNS

MINIONS = questions.MINIONS
DAYS = 90
#: Returns for each job, on average.
PER_JOB = 10
_AT_ONCE = 200
_FUNCTIONS = (
    "test.ping",
    "cmd.run",
    "pkg.install",
    "grains.items",
    "state.apply",
    "state.highstate",
    "service.restart",
)
_WEIGHTS = (40, 25, 8, 10, 8, 5, 4)
_USERS = ("root", "alice", "sudo_bob", "ci")
_STATES = 6

_TIMES = frozenset(("stamp", "received"))
_JSON = frozenset(("arg", "minions", "load", "fun_args", "return", "changes"))

Rows = dict[str, list[dict[str, Any]]]


def main() -> int:
    """Fill the database, ask, and print how long each answer took, and whether that is worse than the baseline."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.history", description="Time questions to a history.")
    verdict.add_arguments(parser)
    chosen = parser.parse_args()
    url = os.environ.get("BENCH_URL") or f"sqlite:///{Path('.build').absolute()}/history.db"
    wanted = int(os.environ.get("BENCH_ROWS", "1000000").replace("_", "").replace(",", ""))
    options = SqlOptions(url=url, timeout=600.0)
    engine = make_engine(options)
    if not migrate.ensure(engine, dialect_of(engine)):
        # Of an older release: questions are timed with the indexes of this one.
        build(engine)
    fill(engine, wanted // PER_JOB)
    yardstick_us = yardstick.measure()
    rounds = int(os.environ.get("BENCH_ROUNDS", "20"))
    about, rows = questions.ask(make_reader(options), rounds, yardstick_us)
    kind = engine.dialect.name
    print(render(f"{kind}: {about['returns']:,} returns; ms, a yardstick is {yardstick_us:.2f} us", rows))
    if chosen.json:
        chosen.json.write_text(json.dumps(plain({**about, "questions": rows}), indent=1) + "\n")
    passes = verdict.given(chosen, f"history of {wanted:,} in {kind}", about, {"questions": rows}, _say)
    return 0 if passes else 1


def fill(engine: Engine, count: int) -> None:
    """
    Have a database hold a history of so many jobs.

    :param engine: of the database.
    :param count: how many jobs.
    """
    with engine.connect() as connection:
        done = connection.execute(sa.select(sa.func.count()).select_from(schema.jobs)).scalar_one()
        first = connection.execute(sa.select(sa.func.min(schema.jobs.c.stamp))).scalar()
    begin = first or datetime.now(timezone.utc) - timedelta(days=DAYS)
    step = timedelta(days=DAYS) / count
    start = time.monotonic()
    dialect, inserters = dialect_of(engine), dict[str, Inserter]()
    for number in range(done, count, _AT_ONCE):
        rows = _rows(range(number, min(count, number + _AT_ONCE)), begin, step)
        with engine.begin() as connection:
            if number == 0:
                _insert_minions(connection)
            _insert(connection, rows, dialect, inserters)
        written = number + _AT_ONCE - done
        left = (time.monotonic() - start) / written * (count - number)
        print(f"\r{min(number + _AT_ONCE, count):,} of {count:,} jobs, {left:,.0f} s left  ", end="", file=sys.stderr)
    if done < count:
        print(file=sys.stderr)
        _analyze(engine)


def _insert_minions(connection: sa.Connection) -> None:
    seen = datetime.now(timezone.utc)
    about = {"first_seen": seen - timedelta(days=DAYS + 1), "last_seen": seen, "master_id": "bench"}
    connection.execute(sa.insert(schema.minions), [{"minion_id": one, **about} for one in MINIONS])


def _insert(connection: sa.Connection, found: Rows, dialect: Dialect, inserters: dict[str, Inserter]) -> None:
    """Insert as the engine does, which takes a fifth less time than SQLAlchemy's own way."""
    for table in (schema.jobs, schema.returns, schema.states):
        if rows := [_ready(row, dialect) for row in found[table.name]]:
            if table.name not in inserters:
                columns = [column.name for column in table.columns if column.name in rows[0]]
                inserters[table.name] = dialect.inserts.inserter(connection, table, columns, schema.key_of(table))
            inserters[table.name](connection, rows)


def _ready(row: dict[str, Any], dialect: Dialect) -> dict[str, Any]:
    times = {name: dialect.time(row[name].timestamp()) for name in _TIMES.intersection(row)}
    return {**row, **times, **{name: dialect.json(row[name].encode()) for name in _JSON.intersection(row)}}


def _analyze(engine: Engine) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for name in ("jobs", "returns", "states"):
            words = "ANALYZE TABLE" if dialect_of(engine).ddl.commits else "ANALYZE"
            connection.exec_driver_sql(f"{words} eventsd_{name}")


def _rows(numbers: range, begin: datetime, step: timedelta) -> Rows:
    found: Rows = {"eventsd_jobs": [], "eventsd_returns": [], "eventsd_states": []}
    for number in numbers:
        # Each job by a number of its own, so that a second run goes on with the same ones.
        chance = random.Random(number)
        when = (begin + step * number).replace(tzinfo=timezone.utc)
        jid = f"{when:%Y%m%d%H%M%S%f}"
        fun = chance.choices(_FUNCTIONS, _WEIGHTS)[0]
        # A few go to everybody, most to one or a few.
        asked = (
            list(MINIONS)
            if number % 200 == 0
            else chance.sample(MINIONS, min(len(MINIONS), chance.choice((1, 2, 5, 12))))
        )
        about = {"jid": jid, "fun": fun, "master_id": "bench"}
        found["eventsd_jobs"].append(
            {
                **about,
                "kind": "job",
                "arg": "[]",
                "tgt": "*",
                "tgt_type": "glob",
                "user": chance.choice(_USERS),
                "minions": _list(asked),
                "minion_count": len(asked),
                "stamp": when,
                "load": f'{{"jid":"{jid}","fun":"{fun}","tgt":"*"}}',
            }
        )
        for place, minion_id in enumerate(asked):
            if chance.random() > 0.02:
                _answer(found, chance, about, minion_id, when + timedelta(milliseconds=100 + place))
    mark_longest(found["eventsd_states"])
    return found


def _answer(found: Rows, chance: random.Random, about: dict[str, Any], minion_id: str, when: datetime) -> None:
    ok = chance.random() > 0.03
    run = about["fun"] in STATE_RUNS
    changed = [chance.random() < 0.05 for _ in range(_STATES if run else 0)]
    found["eventsd_returns"].append(
        {
            **about,
            "minion_id": minion_id,
            "fun_args": "[]",
            "retcode": 0 if ok else 2,
            "success": ok,
            "test": False,
            "return": '"' + "x" * 120 + '"',
            "duration_ms": chance.expovariate(0.001),
            "stamp": when,
            "received": when,
            "load": '{"cmd":"_return","return":"' + "x" * 120 + '"}',
            "digest": chance.getrandbits(62),
            "states": len(changed) if run else None,
            "states_changed": sum(changed) if run else None,
            "states_failed": int(not ok) if run else None,
        }
    )
    for place, has_changed in enumerate(changed):
        found["eventsd_states"].append(
            {
                "jid": about["jid"],
                "minion_id": minion_id,
                "run_num": place,
                "sls": "base.files",
                "state_id": f"file {place}",
                "state": "file.managed",
                "name": f"/etc/file{chance.randrange(200)}",
                "result": ok or place > 0,
                "changed": has_changed,
                "duration_ms": chance.expovariate(0.01),
                "comment": "in the right state",
                "changes": "{}",
                "stamp": when,
                "test": False,
                "fun": about["fun"],
            }
        )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _list(names: list[str]) -> str:
    return "[" + ",".join(f'"{name}"' for name in names) + "]"


if __name__ == "__main__":
    sys.exit(main())
