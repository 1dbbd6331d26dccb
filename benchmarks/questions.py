"""The questions of :mod:`benchmarks.history`, each asked many times, about something else each time."""

from __future__ import annotations

import platform
import random
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from benchmarks.baseline import QUARTILE
from benchmarks.table import percentile
from salt_eventsd.database import schema
from salt_eventsd.database.questions import job, jobs, minions, missing, returns, states
from salt_eventsd.database.questions.read import Reader, reading

MINIONS = tuple(f"minion{number:04d}.example.com" for number in range(1000))


def ask(engine: Engine, rounds: int, yardstick_us: float) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """
    Time the questions; return what they were asked of, and a row for each, in milliseconds.

    :param engine: to read with.
    :param rounds: how often each question is asked.
    :param yardstick_us: what this machine's yardstick takes.
    """
    with reading(engine) as reader:
        totals = [
            reader.values(sa.select(sa.func.count()).select_from(one))[0] for one in (schema.jobs, schema.returns)
        ]
        known = reader.values(sa.select(schema.jobs.c.jid).order_by(schema.jobs.c.stamp.desc()).limit(20_000))
        large = reader.values(sa.select(schema.jobs.c.jid).where(schema.jobs.c.minion_count == len(MINIONS)).limit(50))
    rows = []
    for name, question in _questions(random.Random(1), known, large):
        took = []
        for _ in range(rounds):
            with reading(engine) as reader:
                asked = time.perf_counter()
                question(reader)
                took.append((time.perf_counter() - asked) * 1000)
        times = {"median": percentile(took, 50), "p95": percentile(took, 95), "longest": max(took)}
        rows.append({"question": name, **times, QUARTILE: percentile(took, 25) * 1000 / yardstick_us})
    about = {
        "python": platform.python_version(),
        "database": ".".join(map(str, engine.dialect.server_version_info or ())),
        "jobs": totals[0],
        "returns": totals[1],
        "rounds": rounds,
        "yardstick us": round(yardstick_us, 2),
    }
    return about, rows


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
    yield "job", lambda reader: job.one(reader, jid())
    yield "job of 1,000 minions", lambda reader: job.one(reader, chance.choice(large))
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
