"""
Questions to a large history: ``make bench-history`` fills a database with jobs as a site of 1,000 minions has them, and
times each question. It can be interrupted: the next run goes on filling where the last one ended.

Environment: ``BENCH_URL`` (by default a SQLite file in ``.build``), ``BENCH_ROWS`` (returns; 1,000,000) and
``BENCH_ROUNDS`` (questions of each kind; 20).
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from salt_eventsd.database import migrate, schema
from salt_eventsd.database.dialects import dialect_of
from salt_eventsd.database.engines import SqlOptions, make_engine, make_reader
from salt_eventsd.database.questions import jobs, minions, missing, returns, states
from salt_eventsd.database.questions.read import Reader, reading
from salt_eventsd.database.schema import STATE_RUNS

MINIONS = tuple(f"minion{number:04d}.example.com" for number in range(1000))
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

Rows = dict[str, list[dict[str, Any]]]


def main() -> int:
    """Fill the database, ask, and print how long each answer took."""
    url = os.environ.get("BENCH_URL") or f"sqlite:///{Path('.build').absolute()}/history.db"
    wanted = int(os.environ.get("BENCH_ROWS", "1000000").replace("_", "").replace(",", ""))
    options = SqlOptions(url=url, timeout=600.0)
    engine = make_engine(options)
    migrate.ensure(engine, dialect_of(engine))
    fill(engine, wanted // PER_JOB)
    ask(make_reader(options), int(os.environ.get("BENCH_ROUNDS", "20")))
    return 0


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
    for number in range(done, count, _AT_ONCE):
        rows = _rows(range(number, min(count, number + _AT_ONCE)), begin, step)
        with engine.begin() as connection:
            _insert(connection, rows, is_first=number == 0)
        written = number + _AT_ONCE - done
        left = (time.monotonic() - start) / written * (count - number)
        print(f"\r{min(number + _AT_ONCE, count):,} of {count:,} jobs, {left:,.0f} s left  ", end="", file=sys.stderr)
    if done < count:
        print(file=sys.stderr)
        _analyze(engine)


def _insert(connection: sa.Connection, rows: Rows, is_first: bool) -> None:
    if is_first:
        seen = datetime.now(timezone.utc)
        about = {"first_seen": seen - timedelta(days=DAYS + 1), "last_seen": seen, "master_id": "bench"}
        connection.execute(sa.insert(schema.minions), [{"minion_id": one, **about} for one in MINIONS])
    for table in (schema.jobs, schema.returns, schema.states):
        if rows[table.name]:
            connection.execute(sa.insert(table), rows[table.name])


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


def _list(names: list[str]) -> str:
    return "[" + ",".join(f'"{name}"' for name in names) + "]"


def ask(engine: Engine, rounds: int) -> None:
    """
    Time the questions, and print the median and the 95th percentile of each, in milliseconds.

    :param engine: to read with.
    :param rounds: how often each question is asked, each time about something else.
    """
    with reading(engine) as reader:
        totals = [
            reader.values(sa.select(sa.func.count()).select_from(one))[0] for one in (schema.jobs, schema.returns)
        ]
        known = reader.values(sa.select(schema.jobs.c.jid).order_by(schema.jobs.c.stamp.desc()).limit(20_000))
        large = reader.values(sa.select(schema.jobs.c.jid).where(schema.jobs.c.minion_count == len(MINIONS)).limit(50))
    print(f"{engine.dialect.name}: {totals[0]:,} jobs, {totals[1]:,} returns; ms: median, p95, longest")
    for name, question in _questions(random.Random(1), known, large):
        took = []
        for _ in range(rounds):
            start = time.perf_counter()
            with reading(engine) as reader:
                asked = time.perf_counter()
                question(reader)
                took.append((time.perf_counter() - asked) * 1000)
            del start
        took.sort()
        print(
            f"  {name:<44} {took[len(took) // 2]:8.1f} {took[int(len(took) * 0.95) - 1]:8.1f} {took[-1]:8.1f}",
            flush=True,
        )


def _questions(chance: random.Random, known: list[str], large: list[str]) -> Iterator[tuple[str, Any]]:
    now = datetime.now(timezone.utc)

    def ago(days: int) -> datetime:
        return now - timedelta(days=chance.uniform(1, days))

    def minion() -> str:
        return chance.choice(MINIONS)

    def jid() -> str:
        return chance.choice(known)

    yield "jobs", lambda reader: jobs.find(reader, jobs.Which(), 50)
    yield "jobs before=", lambda reader: jobs.find(reader, jobs.Which(), 50, jid())
    yield "jobs fun=pkg.*", lambda reader: jobs.find(reader, jobs.Which(fun="pkg.*"), 50)
    yield "jobs fun= user=", lambda reader: jobs.find(reader, jobs.Which(fun="state.apply", user="alice"), 50)
    yield "jobs minion=", lambda reader: jobs.find(reader, jobs.Which(minion=minion()), 50)
    yield "jobs outcome=failed", lambda reader: jobs.find(reader, jobs.Which(outcome="failed"), 50)
    yield "jobs outcome=missing", lambda reader: jobs.find(reader, jobs.Which(outcome="missing"), 50)
    yield "jobs user= of nobody", lambda reader: jobs.find(reader, jobs.Which(user="nobody"), 50)
    yield "job", lambda reader: jobs.one(reader, jid())
    yield "job of 1,000 minions", lambda reader: jobs.one(reader, chance.choice(large))
    yield "returns", lambda reader: returns.find(reader, returns.Which(), 50)
    yield "returns jid=", lambda reader: returns.find(reader, returns.Which(jid=jid()), 50)
    yield "returns minion=", lambda reader: returns.find(reader, returns.Which(minion=minion()), 50)
    yield "returns minion= fun=", lambda reader: returns.find(reader, returns.Which(minion=minion(), fun="pkg.*"), 50)
    yield "returns fun=test.ping", lambda reader: returns.find(reader, returns.Which(fun="test.ping"), 50)
    yield "returns fun=service.*", lambda reader: returns.find(reader, returns.Which(fun="service.*"), 50)
    yield "returns until=", lambda reader: returns.find(reader, returns.Which(until=ago(80)), 50)
    yield "failures", lambda reader: returns.failures(reader, returns.Which(), 50)
    yield "failures minion=", lambda reader: returns.failures(reader, returns.Which(minion=minion()), 50)
    yield "failures state=", lambda reader: returns.failures(reader, returns.Which(), 50, state="file.managed")
    yield "missing JID", lambda reader: missing.find(reader, jid(), None, 1000)
    yield "missing since=1d", lambda reader: missing.find(reader, None, now - timedelta(days=1), 1000)
    yield "minion", lambda reader: minions.one(reader, minion(), 20)
    yield "changes", lambda reader: states.changes(reader, 50)
    yield "changes minion=", lambda reader: states.changes(reader, 50, minion=minion())
    yield "changes name=", lambda reader: states.changes(reader, 50, name=f"/etc/file{chance.randrange(200)}")
    yield "conformity", lambda reader: minions.conformity(reader)
    yield "conformity minion=", lambda reader: minions.conformity(reader, minion())
    yield "conformity at=", lambda reader: minions.conformity(reader, at=ago(80))
    yield "slow since=1d", lambda reader: states.slow(reader, 20, now - timedelta(days=1))
    yield "slow", lambda reader: states.slow(reader, 20)
    yield "audit user=", lambda reader: jobs.audit(reader, jobs.Which(user="alice"), 50)
    yield "eventsd_v_answers of a job", lambda reader: _view(reader, "answers", "jid", jid())
    yield "eventsd_v_answers of 1,000 minions", lambda reader: _view(reader, "answers", "jid", chance.choice(large))
    yield "eventsd_v_conformity", lambda reader: _view(reader, "conformity", "outcome", "failed")


def _view(reader: Reader, view: str, column: str, value: str) -> None:
    reader.rows(sa.text(f"SELECT * FROM eventsd_v_{view} WHERE {column} = :value"), {"value": value})


if __name__ == "__main__":
    sys.exit(main())
