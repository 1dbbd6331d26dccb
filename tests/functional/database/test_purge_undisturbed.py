"""A purge leaves writers alone, goes on where a killed one has ended, and is alone in its database."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections import Counter
from itertools import count
from pathlib import Path

import pytest
import sqlalchemy as sa

from salt_eventsd.database import schema
from salt_eventsd.database.engines import SqlOptions, make_engine
from salt_eventsd.database.retention.lock import LEASE_SECONDS, Busy, Lock, was_interrupted
from salt_eventsd.database.retention.pace import Pace
from salt_eventsd.database.retention.steps import Stopped
from tests.support.aged import Answer, jid_of, job_events, purge, purging
from tests.support.events import numbered
from tests.support.stores import Database, batch_of

# They measure waits, and what a busy machine does to those.
pytestmark = pytest.mark.slow

KEEP = {"returns": "90d"}
_ROOT = Path(__file__).parents[3]
_PURGE = """
import sys
from salt_eventsd.database.engines import SqlOptions, make_engine
from salt_eventsd.database.retention.keep import Keep
from salt_eventsd.database.retention.purge import Purge

print("begun", flush=True)
Purge(make_engine(SqlOptions(url=sys.argv[1])), Keep(returns="90d")).run()
"""


@pytest.fixture
def database(tables: Database) -> Database:
    """A database with our tables, nothing in them."""
    return tables


def _fill(database: Database, jobs: int) -> None:
    """Write jobs of 100 days ago."""
    answers = [Answer(f"web{number}", 100) for number in range(4)]
    worker = database.worker()
    for first in range(0, jobs, 250):
        events = [
            event for _ in range(first, min(jobs, first + 250)) for event in job_events(jid_of(100), 100, *answers)
        ]
        worker.write(batch_of(events, first=1_000_000 + first))


def test_while_others_write(database: Database) -> None:
    # Given
    _fill(database, 2000)
    worker = database.worker()
    waits: list[float] = []
    numbers = count()
    is_over = threading.Event()

    def write() -> None:
        while not is_over.wait(0.02):
            number = next(numbers)
            began = time.monotonic()
            worker.write(batch_of(numbered(20, number * 20), first=number + 1))
            waits.append(time.monotonic() - began)

    writer = threading.Thread(target=write)

    # When
    writer.start()
    with purging(database, KEEP, Pace()) as one:
        counts = one.run()
    is_over.set()
    writer.join(60)

    # Then: all that is old is gone, and the events of the batches are there once each; these are old by their stamps
    assert counts["jobs", ""] == 2000
    assert counts["returns", "succeeded"] >= 8000
    purge(database, KEEP)
    assert database.rows("returns") == []
    receipts = [row for row in database.rows("receipts") if row["chunk"] < 1_000_000]
    assert sum(row["chunk"] - row["first_chunk"] + 1 for row in receipts) == len(waits)
    assert len(waits) > 10
    assert sorted(waits)[len(waits) // 2] < 2


def test_what_is_young_and_written_meanwhile_is_there_once(database: Database) -> None:
    # Given
    _fill(database, 1000)
    worker = database.worker()
    written: list[str] = []
    is_over = threading.Event()

    def write() -> None:
        while not is_over.wait(0.01):
            jids = [jid_of(1) for _ in range(10)]
            events = [event for jid in jids for event in job_events(jid, 1, Answer("web1", 1, states=2))]
            for replay in (False, True):
                worker.write(batch_of(events, first=len(written) + 1, replay=replay))
            written.extend(jids)

    writer = threading.Thread(target=write)

    # When
    writer.start()
    with purging(database, KEEP, Pace()) as one:
        one.run()
    is_over.set()
    writer.join(60)

    # Then
    assert len(written) > 10
    assert Counter(database.column("returns", "jid")) == Counter(written)
    assert Counter(database.column("jobs", "jid")) == Counter(written)
    assert Counter(database.column("states", "jid")) == Counter(written * 2)


def test_a_killed_one_is_gone_on_with(database: Database) -> None:
    # Given
    _fill(database, 1500)
    command = [sys.executable, "-c", _PURGE, database.url]
    with subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"begun\n"
        patience = time.monotonic() + 60
        while len(database.query("SELECT 1 FROM eventsd_jobs")) == 1500 and time.monotonic() < patience:
            time.sleep(0.02)
        process.kill()
    left = len(database.rows("jobs"))
    assert 0 < left < 1500

    # Then: each job that is left is whole
    assert Counter(database.column("returns", "jid")) == Counter(database.column("jobs", "jid") * 4)

    # When: the killed one still has the lock
    with purging(database, KEEP) as one, pytest.raises(Busy, match="another purge of this database is running"):
        one.run()
    database.execute(f"UPDATE eventsd_locks SET until = until - {LEASE_SECONDS + 1}")

    # Then
    with database.engine.connect() as connection:
        assert was_interrupted(connection)
    assert purge(database, KEEP)["jobs", ""] == left
    assert [database.rows(name) for name in ("jobs", "returns")] == [[], []]
    with database.engine.connect() as connection:
        assert not was_interrupted(connection)


def test_two_at_once(database: Database) -> None:
    # Given
    _fill(database, 500)
    start = threading.Barrier(2)
    answers: list[object] = []

    def run() -> None:
        with purging(database, KEEP, Pace()) as one:
            start.wait(30)
            try:
                answers.append(one.run()["jobs", ""])
            except Busy:
                answers.append("busy")

    # When
    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    # Then
    assert sorted(answers, key=str) == [500, "busy"]


def test_one_that_is_stopped_gives_the_lock_back(database: Database) -> None:
    # Given
    _fill(database, 500)
    stop = threading.Event()

    class Stopping(Pace):
        def wait(self, seconds: float) -> None:
            if len(database.query("SELECT 1 FROM eventsd_jobs")) < 500:
                stop.set()

    # When
    with purging(database, KEEP, Stopping(stop=stop)) as one, pytest.raises(Stopped):
        one.run()

    # Then
    assert 0 < len(database.rows("jobs")) < 500
    assert purge(database, KEEP)
    assert database.rows("jobs") == []


class TestTheLock:
    """Whose turn it is."""

    def test_it_is_free_again_once_it_is_given_back(self, database: Database) -> None:
        engine = make_engine(SqlOptions(url=database.url))
        for done in (True, False):
            lock = Lock(engine)
            lock.take()
            with pytest.raises(Busy):
                Lock(engine).take()
            lock.release(done=done)
        locks = [row for row in database.rows("locks") if not row["name"].startswith("indexes")]
        assert [(row["until"], row["done"] > 0) for row in locks] == [(0, True)]
        engine.dispose()

    def test_one_that_is_far_in_the_future_is_of_a_clock_that_was_set_back(self, database: Database) -> None:
        engine = make_engine(SqlOptions(url=database.url))
        Lock(engine).take()
        database.execute("UPDATE eventsd_locks SET until = until + 86400")
        Lock(engine).take()
        engine.dispose()

    def test_a_holder_that_was_silent_for_too_long_notices(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # Given
        engine = make_engine(SqlOptions(url=database.url))
        lock = Lock(engine)
        lock.take()
        database.execute(f"UPDATE eventsd_locks SET until = until - {LEASE_SECONDS + 1}")
        Lock(engine).take()

        # When
        monkeypatch.setattr("salt_eventsd.database.retention.lock._RENEW_SECONDS", 0)

        # Then
        with pytest.raises(Busy, match="another one has taken its place"):
            lock.renew()
        engine.dispose()


def test_sqlite_gives_the_disk_back(tmp_path: Path) -> None:
    # Given
    path = tmp_path / "history.db"
    database = Database(f"sqlite:///{path}")
    database.make_tables()
    _fill(database, 1500)
    database.close()
    before = path.stat().st_size

    # When
    purge(database, KEEP)

    # Then
    assert path.stat().st_size < before / 4
    with database.engine.connect() as connection:
        assert connection.scalar(sa.text("PRAGMA integrity_check")) == "ok"
        assert connection.scalar(sa.select(sa.func.count()).select_from(schema.jobs)) == 0
