"""
A purge that is killed again and again, alone or with its server: what is to be kept is there to its last row at every
moment, and in the end nothing else is.

Histories are of random ages and outcomes, with answers that came late; what is to be kept of them is worked out here
anew. ``EVENTSD_PURGE_KILLS=50`` for the full run.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from salt_eventsd.database.dialects import dialect_of
from salt_eventsd.database.engines import SqlOptions, make_engine
from salt_eventsd.database.partitions import make, ranges
from salt_eventsd.database.retention.keep import Keep
from salt_eventsd.database.retention.lock import LEASE_SECONDS
from salt_eventsd.database.retention.pace import Pace
from salt_eventsd.database.retention.purge import Purge
from salt_eventsd.exceptions import WorkerError
from tests.support.aged import Answer, jid_of, job_events, stamp
from tests.support.events import fired
from tests.support.kinds import MARIADB, POSTGRESQL, SQLITE
from tests.support.server import Server
from tests.support.stores import Database, batch_of

KILLS = int(os.environ.get("EVENTSD_PURGE_KILLS", "3"))
#: Days; None for ever.
Kept = Mapping[str, float | None]
POLICIES: Sequence[Kept] = (
    {"returns": 90, "failed": 365, "states": 30, "jobs": 120, "events": 14},
    {"returns": 30, "failed": 10, "events": 200},
    {"returns": 90, "failed": 365},
    {"returns": 90, "jobs": None, "events": 14},
    {"returns": 60, "states": 150},
)
_TABLES = ("jobs", "returns", "states", "events")
_PURGE = """
import json, sys
from salt_eventsd.database.engines import SqlOptions, make_engine
from salt_eventsd.database.retention.keep import Keep
from salt_eventsd.database.retention.pace import Pace
from salt_eventsd.database.retention.purge import Purge

one = Purge(make_engine(SqlOptions(url=sys.argv[1])), Keep(**json.loads(sys.argv[2])), Pace(share=0.9))
print("begun", flush=True)
one.run()
"""
Rows = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True)
class Job:
    """
    A job of the history.

    :param jid: its id.
    :param days: how old it is.
    :param is_told: it has a row.
    :param answers: what its minions have answered.
    """

    jid: str
    days: float
    is_told: bool
    answers: tuple[Answer, ...]


def _history(chance: random.Random, count: int) -> list[Job]:
    """Return jobs of whose ages none is at a limit of the policies, which are whole days."""
    found = []
    for _ in range(count):
        days = chance.randrange(400) + 0.5
        answers = []
        for minion in chance.sample(range(50), chance.choice((0, 1, 1, 2, 5, 20))):
            age = days if chance.random() < 0.9 else chance.randrange(int(days) + 1) + 0.5
            states = chance.choice((0, 0, 0, 1, 4))
            answers.append(Answer(f"web{minion}", age, failed=chance.random() < 0.03, states=states))
        found.append(Job(jid_of(days), days, chance.random() < 0.9 or not answers, tuple(answers)))
    return found


def _is_kept(job: Job, policy: Kept) -> bool:
    returns = policy["returns"]
    if policy.get("jobs", returns) is None:
        return True

    def is_young(age: float, key: str) -> bool:
        limit = policy.get(key, returns)
        return limit is None or age <= limit

    return (
        (job.is_told and is_young(job.days, "jobs"))
        or any(is_young(one.days, "failed" if one.failed else "returns") for one in job.answers)
        or any(is_young(one.days, "states") for one in job.answers if one.states)
    )


def _left(before: Rows, jobs: Sequence[Job], policy: Kept) -> Rows:
    """Return the rows that a policy leaves."""
    kept = {job.jid for job in jobs if _is_kept(job, policy)}
    found = {name: [row for row in before[name] if row["jid"] in kept] for name in ("jobs", "returns", "states")}
    returns, states = policy["returns"], policy.get("states", policy["returns"])
    if states is not None and returns is not None and states < returns:
        found["states"] = [row for row in found["states"] if _age(row) <= states]
    events = policy.get("events")
    found["events"] = [row for row in before["events"] if events is None or _age(row) <= events]
    return found


def _age(row: Mapping[str, Any]) -> float:
    return float((datetime.now(timezone.utc) - row["stamp"]) / timedelta(days=1))


def _content(database: Database) -> Rows:
    return {name: sorted(database.rows(name), key=repr) for name in _TABLES}


def _keep(policy: Kept) -> dict[str, str]:
    return {name: "forever" if days is None else f"{days}d" for name, days in policy.items()}


@pytest.fixture
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database with partitions of all months since long ago, if it can have any."""
    if request.param == "sqlite":
        found = Database(f"sqlite:///{tmp_path / 'history.db'}")
    else:
        found = Database(request.getfixturevalue(request.param).new_database())
    found.make_tables()
    engine = make_engine(SqlOptions(url=found.url))
    if (dialect := dialect_of(engine)).partitions.known:
        today = datetime.now(timezone.utc).date()
        past = ranges.since("month", today - timedelta(days=330), today)
        with engine.connect() as connection:
            for table, column in make.COLUMNS.items():
                dialect.partitions.begin(connection, table)
                with connection.begin():
                    dialect.partitions.convert(connection, table, column, past)
    engine.dispose()
    yield found
    found.close()


def _fill(database: Database, chance: random.Random, count: int) -> list[Job]:
    jobs = _history(chance, count)
    events = [event for job in jobs for event in job_events(job.jid, job.days, *job.answers, is_told=job.is_told)]
    events += [fired("my/event", {"n": n, "_stamp": stamp(chance.randrange(400) + 0.5)}) for n in range(count)]
    worker = database.worker()
    for at in range(0, len(events), 500):
        worker.write(batch_of(events[at : at + 500], first=at + 1))
    database.close()
    return jobs


def _killed(database: Database, policy: Kept, after: float) -> bool:
    """Kill a purge after so many seconds, and expire its lock; return whether it had come to its end."""
    command = [sys.executable, "-c", _PURGE, database.url, json.dumps(_keep(policy))]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"begun\n"
        time.sleep(after)
        process.kill()
    database.execute(f"UPDATE eventsd_locks SET until = until - {LEASE_SECONDS + 1} WHERE until > 0")
    return process.returncode == 0


def _purge(database: Database, policy: Kept) -> None:
    engine = make_engine(SqlOptions(url=database.url))
    Purge(engine, Keep(**_keep(policy)), Pace(share=1)).run()
    engine.dispose()


@pytest.mark.parametrize(
    "policy",
    [pytest.param(one, id=f"policy{at}", marks=[pytest.mark.long] * (at > 1)) for at, one in enumerate(POLICIES)],
)
@pytest.mark.parametrize("database", [SQLITE, POSTGRESQL, MARIADB], indirect=True)
def test_one_that_is_killed_again_and_again(database: Database, policy: Kept) -> None:
    # Given
    seed = random.randrange(10**9)
    chance = random.Random(seed)
    jobs = _fill(database, chance, 300)
    before = _content(database)
    expected = _left(before, jobs, policy)
    assert expected["jobs"]
    assert expected != before

    for _ in range(KILLS):
        # When
        is_done = _killed(database, policy, chance.uniform(0, 0.8))

        # Then
        now = _content(database)
        for name in _TABLES:
            there = set(map(repr, now[name]))
            assert there.issuperset(map(repr, expected[name])), (seed, name)
            assert there.issubset(map(repr, before[name])), (seed, name)
        if is_done:
            break
    _purge(database, policy)
    assert _content(database) == expected, seed


def killed(server: Server) -> None:
    server.kill()
    time.sleep(1)
    server.start()


def frozen(server: Server) -> None:
    server.pause()
    time.sleep(5)
    server.resume()


@pytest.mark.parametrize("fault", [killed, frozen])
@pytest.mark.parametrize("database", [POSTGRESQL, MARIADB], indirect=True)
def test_one_whose_server_goes_away_in_the_midst(
    database: Database, request: pytest.FixtureRequest, fault: Callable[[Server], None]
) -> None:
    # Given
    seed = random.randrange(10**9)
    chance = random.Random(seed)
    jobs = _fill(database, chance, 300)
    before = _content(database)
    expected = _left(before, jobs, POLICIES[0])
    engine = make_engine(SqlOptions(url=database.url, timeout=2.0))
    ended: list[str] = []

    def run() -> None:
        try:
            Purge(engine, Keep(**_keep(POLICIES[0])), Pace(share=0.5)).run()
        except WorkerError as exc:
            ended.append(str(exc))

    # When
    thread = threading.Thread(target=run)
    thread.start()
    time.sleep(chance.uniform(0.1, 1.5))
    fault(request.getfixturevalue("mariadb" if database.kind in ("mysql", "mariadb") else "postgresql"))
    thread.join(120)

    # Then it goes on by itself, or says so and leaves what is to be kept; and the next one comes to the end
    assert not thread.is_alive()
    now = _content(database)
    for name in _TABLES:
        there = set(map(repr, now[name]))
        assert there.issuperset(map(repr, expected[name])), (seed, name, ended)
        assert there.issubset(map(repr, before[name])), (seed, name, ended)
    database.execute(f"UPDATE eventsd_locks SET until = until - {LEASE_SECONDS + 1} WHERE until > 0")
    _purge(database, POLICIES[0])
    assert _content(database) == expected, (seed, ended)
    engine.dispose()
