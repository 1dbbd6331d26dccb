"""The engine takes in what is on the doorstep though it was killed, cannot read some of it, or is slow."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import pytest

from salt_eventsd.intake import drain
from tests.functional.engine.conftest import Engine
from tests.functional.engine.test_drain import _engine, _rows, _soon  # noqa: F401 - the last is a fixture that every test here has
from tests.support.events import frame, job_data, return_data
from tests.support.job_cache import JobCache, stamp_of
from tests.support.lanes import eventually
from tests.support.stores import Database


def test_the_doorstep_keeps_what_the_bus_has_brought_until_it_is_in_the_spool(
    tmp_path: Path,
    cache: JobCache,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Given
    engine = _engine(tmp_path)
    jid = cache.publish(["web1"])
    eventually(lambda: engine.service.intake.taking.heard.is_used)
    eventually(lambda: not engine.service.doorstep.changed(10))
    monkeypatch.setattr(engine.service.intake, "_commit_seconds", lambda: 30.0)
    monkeypatch.setattr(drain, "_KEPT_SECONDS", 0.2)

    # When
    told = return_data(1, jid=jid, id="web1", _stamp=stamp_of())
    engine.service.inbox.put(frame(f"salt/job/{jid}/ret/web1", told))
    cache.store(told)
    time.sleep(2)

    # Then
    assert engine.service.doorstep.last_taken() == 0
    assert engine.service.intake._offers <= 3
    engine.service.close()


def test_a_job_begins_once_however_often_the_doorstep_is_told_of_it(tmp_path: Path, cache: JobCache) -> None:
    # Given a worker that makes no row of a job
    out = tmp_path / "out.jsonl"
    engine = Engine(
        tmp_path,
        events={"jobs": {"tag": "salt/job/[^/]+/new", "worker": "files"}},
        workers={"files": {"module": "file", "path": str(out), "batch": {"seconds": 0.05}}},
    )
    engine.service.start()
    jid = str(cache.prep_jid(passed_jid=None))

    # When salt-ssh runs it, which tells the master of each host with its answer, and of none before
    cache.save_load(jid, {"jid": jid, "tgt_type": "glob", "tgt": "w*", "user": "root", "fun": "test.ping", "arg": []})
    eventually(lambda: out.exists() and out.read_text())
    for host in ("web1", "web2"):
        told = {"return": True, "retcode": 0, "jid": jid, "id": host, "fun": "test.ping"}
        cache.returner({"jid": jid, "id": host, "fun": "test.ping", "return": told})
        eventually(lambda: not engine.service.doorstep.changed(10))
    time.sleep(1)
    engine.service.close()

    # Then
    assert len(out.read_text().splitlines()) == 1


def test_what_cannot_be_read_keeps_nothing_waiting(
    tmp_path: Path,
    cache: JobCache,
    history: Database,
) -> None:
    # Given
    bad = cache.publish(["web1"])
    with sqlite3.connect(tmp_path / "eventsd" / "spool" / "doorstep.db") as db:
        db.execute("UPDATE loads SET minions = x'c1' WHERE jid = ?", (bad,))
    db.close()
    jid = cache.publish(["web1"])
    cache.store(return_data(1, jid=jid, id="web1"))

    # When
    engine = _engine(tmp_path)

    # Then
    eventually(lambda: (_rows(history, "jobs"), _rows(history, "returns")) == (1, 1))
    engine.service.close()


def test_an_engine_that_begins_knows_what_is_not_to_be_kept(
    tmp_path: Path,
    cache: JobCache,
    history: Database,
) -> None:
    # Given
    jid = cache.publish(["web1"], nocache=True)
    engine = _engine(tmp_path)
    eventually(lambda: engine.service.intake.taking.heard.is_used)

    # When
    told = return_data(1, jid=jid, id="web1", _stamp=stamp_of())
    engine.service.inbox.put(frame(f"salt/job/{jid}/ret/web1", told))
    engine.service.inbox.put(frame("salt/job/20260102030405678901/new", job_data("20260102030405678901", "test.ping")))

    # Then
    eventually(lambda: _rows(history, "jobs") == 2)
    engine.service.close()
    assert _rows(history, "returns") <= 0


def test_the_start_of_a_job_is_told_once_to_whoever_makes_no_row_of_it(
    tmp_path: Path,
    cache: JobCache,
    history: Database,
) -> None:
    # Given
    both = {"tag": "salt/job/[^/]+/new", "worker": "history"}
    engine = Engine(tmp_path, events={"jobs": {**both, "into": "jobs"}, "kept": {**both, "into": "events"}})
    engine.service.start()
    cache.publish(["web1"])
    eventually(lambda: engine.service.intake.taking.heard.is_used)

    # When
    jid = cache.publish(["web1"])
    engine.service.inbox.put(frame(f"salt/job/{jid}/new", job_data(jid, "test.arg", user="ann", _stamp=stamp_of())))

    # Then
    eventually(lambda: _rows(history, "jobs") == 2)
    eventually(lambda: [row["load"]["cmd"] for row in history.rows("jobs") if "cmd" in row["load"]] == ["publish"] * 2)
    engine.service.close()
    assert [row["tag"] for row in history.rows("events")].count(f"salt/job/{jid}/new") == 1
    assert _rows(history, "events") == 2
    # One answer to each job is still to come.
    assert engine.service.intake.taking.unanswered.since(0.0, time.time()) == 2


def test_what_comes_late_over_the_bus_is_told_once(tmp_path: Path, cache: JobCache, history: Database) -> None:
    # Given a job and its return that were taken from the doorstep, and whoever makes no row of a job
    begun = {"tag": "salt/job/[^/]+/new", "worker": "history"}
    answers = {"tag": "salt/job/[^/]+/ret", "worker": "history", "into": "events"}
    rules = {"jobs": {**begun, "into": "jobs"}, "kept": {**begun, "into": "events"}, "answers": answers}
    engine = Engine(tmp_path, events=rules)
    engine.service.start()
    cache.publish(["web1"])
    eventually(lambda: engine.service.intake.taking.heard.is_used)
    jid = cache.publish(["web1", "web2"])
    fired = stamp_of()
    told = return_data(1, jid=jid, id="web1", _stamp=fired)
    cache.store(told)
    eventually(lambda: (_rows(history, "jobs"), _rows(history, "events")) == (2, 3))

    # When the bus brings both, another return, and another round of the same batch
    engine.service.inbox.put(frame(f"salt/job/{jid}/new", job_data(jid, "test.arg", user="ann", _stamp=fired)))
    engine.service.inbox.put(frame(f"salt/job/{jid}/ret/web1", told))
    engine.service.inbox.put(frame(f"salt/job/{jid}/ret/web2", {**told, "id": "web2"}))
    again = job_data(jid, "test.arg", user="ann", minions=["web3"], _stamp=stamp_of(time.time() + 1))
    engine.service.inbox.put(frame(f"salt/job/{jid}/new", again))

    # Then
    eventually(lambda: _rows(history, "events") >= 5)
    engine.service.close()
    tags = [row["tag"] for row in history.rows("events")]
    assert tags.count(f"salt/job/{jid}/new") == 2
    assert tags.count(f"salt/job/{jid}/ret/web1") == tags.count(f"salt/job/{jid}/ret/web2") == 1
    assert engine.service.intake.taking.unanswered.since(0.0, time.time()) == 2


def test_a_doorstep_that_is_nearly_full_does_not_wait_for_a_database_that_is_away(
    tmp_path: Path,
    cache: JobCache,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Given
    monkeypatch.setattr(drain, "KEEP_SECONDS", 0.0)
    monkeypatch.setattr(drain, "_SWEEP_SECONDS", 0.1)
    monkeypatch.setattr(drain, "_BEFORE_SECONDS", 0.0)
    engine = _engine(tmp_path)
    monkeypatch.setattr(engine.service.drain, "_oldest", lambda: 1.0)
    jid = cache.publish(["web1"])
    eventually(lambda: not engine.service.doorstep.changed(10))
    time.sleep(1)
    kept = engine.service.doorstep.load(jid)

    # When
    monkeypatch.setattr(engine.service.doorstep, "max_bytes", 40_000)

    # Then
    assert kept is not None
    eventually(lambda: engine.service.doorstep.load(jid) is None)
    engine.service.close()


def test_another_worker_that_is_away_does_not_keep_the_doorstep_full(tmp_path: Path) -> None:
    # Given
    engine = Engine(tmp_path, events={"all": {"tag": "salt/job/.*", "worker": "history"}})
    engine.service.start()
    lanes = engine.service.lanes
    engine.service._lane("other").backlog.oldest = lambda: 5.0

    # Then
    assert "other" in lanes
    assert engine.service._oldest() == 0.0
    engine.service.close()
