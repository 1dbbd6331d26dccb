"""``eventsd.purge`` and the nightly purge, as an operator has them."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any

import pytest

from salt_eventsd.database.engines import SqlOptions, make_engine
from salt_eventsd.database.retention.lock import Lock
from salt_eventsd.operate.purge import purge
from tests.support.aged import Answer, jid_of, job_events
from tests.support.stores import Database, batch_of


@pytest.fixture
def database(tables: Database) -> Database:
    """A database with an old job and a young one."""
    events = [
        *job_events(jid_of(100), 100, Answer("web1", 100), Answer("web2", 100, failed=True)),
        *job_events(jid_of(1), 1, Answer("web1", 1)),
    ]
    tables.worker().write(batch_of(events))
    return tables


def _opts(tmp_path: Path, url: str, **options: Any) -> dict[str, Any]:
    workers = {"history": {"module": "sql", "url": url, **options}, "nothing": {"module": "noop"}}
    return {"id": "master-1", "cachedir": str(tmp_path), "eventsd": {"workers": workers}}


def test_it_counts_and_then_deletes(database: Database, tmp_path: Path) -> None:
    # Given
    opts = _opts(tmp_path, database.url, keep={"returns": "90d"})
    rows = [
        {"worker": "history", "table": "eventsd_jobs", "outcome": None, "rows": 1},
        {"worker": "history", "table": "eventsd_returns", "outcome": "failed", "rows": 1},
        {"worker": "history", "table": "eventsd_returns", "outcome": "succeeded", "rows": 1},
    ]

    # Then
    assert purge(opts, dry_run=True) == {"dry_run": True, "purge": rows, "retcode": 0}
    assert len(database.rows("returns")) == 3
    assert purge(opts, worker="history") == {"dry_run": False, "purge": rows, "retcode": 0}
    assert len(database.rows("returns")) == 1
    assert purge(opts) == {"dry_run": False, "purge": [], "retcode": 0}


def test_without_keep_it_says_that_everything_stays(database: Database, tmp_path: Path) -> None:
    told = purge(_opts(tmp_path, database.url))

    assert told["notes"] == ["workers.history.keep is not set: everything is kept"]
    assert (told["purge"], told["retcode"]) == ([], 0)
    assert len(database.rows("returns")) == 3


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (
            {"worker": "histroy"},
            "worker: expected a sql worker, one of history, got 'histroy'; did you mean 'history'?",
        ),
        ({"worker": "nothing"}, "worker: expected a sql worker, one of history, got 'nothing'"),
        ({"dry_run": "maybe"}, "dry_run: expected True or False, got 'maybe'"),
    ],
)
def test_a_wrong_argument(database: Database, tmp_path: Path, arguments: dict[str, Any], problem: str) -> None:
    told = purge(_opts(tmp_path, database.url, keep={"returns": "90d"}), **arguments)

    assert told == {"problem": problem, "retcode": 2}
    assert len(database.rows("returns")) == 3


def test_one_that_is_running(database: Database, tmp_path: Path) -> None:
    # Given
    engine = make_engine(SqlOptions(url=database.url))
    lock = Lock(engine)
    lock.take()

    # When
    told = purge(_opts(tmp_path, database.url, keep={"returns": "90d"}))

    # Then
    assert told["retcode"] == 2
    assert told["problem"].startswith("eventsd: workers.history: another purge of this database is running: ")
    lock.release(done=True)
    engine.dispose()


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_database_that_is_away(tmp_path: Path, dry_run: bool) -> None:
    url = "postgresql://salt:secret@127.0.0.1:1/salt"
    told = purge(_opts(tmp_path, url, keep={"returns": "90d"}), dry_run=dry_run)

    assert told["retcode"] == 2
    assert told["problem"].startswith("eventsd: workers.history: ")
    assert "\n" not in told["problem"]
    assert "secret" not in told["problem"]


@pytest.mark.parametrize("dry_run", [True, False])
def test_tables_that_are_not_there_yet(fresh: Database, tmp_path: Path, dry_run: bool) -> None:
    if fresh.kind == "sqlite":
        fresh.execute("CREATE TABLE somebody_elses (x INTEGER)")

    told = purge(_opts(tmp_path, fresh.url, keep={"returns": "90d"}), dry_run=dry_run)

    assert told["retcode"] == 2
    assert "the tables are not there, expected" in told["problem"]


def test_a_worker_purges_by_itself_although_nothing_new_comes(
    tables: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # Given: the night begins in a moment
    monkeypatch.setattr("salt_eventsd.database.retention.nightly._LOOK_SECONDS", 0.01)
    monkeypatch.setattr("salt_eventsd.database.retention.nightly.Nightly.seconds_until", lambda *_: 0.1)
    caplog.set_level(logging.INFO)
    old, young = jid_of(100), jid_of(1)
    events = [*job_events(old, 100, Answer("web1", 100)), *job_events(young, 1, Answer("web1", 1))]

    tables.worker().write(batch_of(events))

    # When: the engine begins to use the worker
    tables.worker(keep={"returns": "90d"}).hold()

    # Then
    expected = "eventsd: deleted rows older than keep allows: 1 succeeded returns, 1 jobs"
    patience = time.monotonic() + 30
    while expected not in caplog.messages and time.monotonic() < patience:
        time.sleep(0.05)
    tables.close()
    assert expected in caplog.messages
    assert tables.column("jobs", "jid") == [young]
    assert tables.column("returns", "jid") == [young]
