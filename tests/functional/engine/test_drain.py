"""The engine takes in what Salt has put on the doorstep, and what came over the bus as well becomes one row."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from salt_eventsd.intake import drain
from tests.functional.engine.conftest import Engine
from tests.support.events import frame, job_data, return_data
from tests.support.job_cache import JobCache, stamp_of
from tests.support.lanes import eventually
from tests.support.stores import Database

EVENTS = {
    "jobs": {"tag": "salt/(job|run)/[^/]+/new", "worker": "history", "into": "jobs"},
    "returns": {"tag": "salt/job/[^/]+/ret|salt/run/[^/]+/ret", "worker": "history", "into": "returns"},
}


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drain, "_BUS_SECONDS", 0.5)
    monkeypatch.setattr(drain, "_SECONDS", 0.1)


def _engine(tmp_path: Path) -> Engine:
    made = Engine(tmp_path, events=EVENTS)
    made.service.start()
    return made


def _rows(history: Database, name: str) -> int:
    try:
        return len(history.rows(name))
    except Exception:
        return -1


def test_what_came_while_no_engine_ran_is_taken_in(tmp_path: Path, cache: JobCache, history: Database) -> None:
    # Given
    jid = cache.publish(["web1", "web2"])
    cache.store(return_data(1, jid=jid, id="web1"))
    cache.store(return_data(2, jid=jid, id="web2"))

    # When
    engine = _engine(tmp_path)

    # Then
    eventually(lambda: (_rows(history, "jobs"), _rows(history, "returns")) == (1, 2))
    eventually(lambda: not engine.service.doorstep.waiting(10, time.time()))
    engine.service.close()
    job = history.rows("jobs")[0]
    assert (job["minions"], job["load"]["kwargs"]["metadata"]) == (["web1", "web2"], {"ticket": 7})
    assert cache.get_jid(jid).keys() == {"web1", "web2"}

    # When
    again = _engine(tmp_path)
    time.sleep(1.5)
    again.service.close()

    # Then
    assert again.service.drain.taken == 0
    assert (_rows(history, "jobs"), _rows(history, "returns")) == (1, 2)


def test_what_the_bus_has_brought_is_not_taken_again(tmp_path: Path, cache: JobCache, history: Database) -> None:
    # Given
    engine = _engine(tmp_path)
    jid = cache.publish(["web1"])
    eventually(lambda: engine.service.intake.taking.heard.is_used)

    # When
    engine.service.inbox.put(frame(f"salt/job/{jid}/new", job_data(jid, "test.arg", user="ann", _stamp=stamp_of())))
    told = return_data(1, jid=jid, id="web1", _stamp=stamp_of())
    engine.service.inbox.put(frame(f"salt/job/{jid}/ret/web1", told))
    cache.store(told)
    off_bus = return_data(2, jid=jid, id="web2")
    del off_bus["_stamp"]
    cache.store(off_bus)

    # Then
    eventually(lambda: _rows(history, "returns") == 2)
    eventually(lambda: engine.service.drain.taken == 1)
    engine.service.close()
    assert _rows(history, "jobs") == 1
    assert history.rows("jobs")[0]["load"]["kwargs"]["metadata"] == {"ticket": 7}


def test_returns_of_a_nocache_job_are_kept_by_nobody(tmp_path: Path, cache: JobCache, history: Database) -> None:
    # Given
    engine = _engine(tmp_path)
    cache.publish(["web1"])
    eventually(lambda: engine.service.intake.taking.heard.is_used)
    jid = cache.publish(["web1"], nocache=True)

    # When
    engine.service.inbox.put(frame(f"salt/job/{jid}/new", job_data(jid, "test.arg", user="ann")))
    told = return_data(1, jid=jid, id="web1")
    engine.service.inbox.put(frame(f"salt/job/{jid}/ret/web1", told))
    cache.store(told)

    # Then
    eventually(lambda: _rows(history, "jobs") == 2)
    time.sleep(1)
    engine.service.close()
    assert _rows(history, "returns") == 0
    assert cache.get_load(jid)["jid"] == jid


def test_what_is_old_is_swept_once_it_is_written(
    tmp_path: Path, cache: JobCache, history: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given
    monkeypatch.setattr(drain, "KEEP_SECONDS", 0.0)
    monkeypatch.setattr(drain, "_SWEEP_SECONDS", 0.1)
    jid = cache.publish(["web1"])
    cache.store(return_data(1, jid=jid, id="web1"))

    # When
    engine = _engine(tmp_path)

    # Then
    doorstep = engine.service.doorstep
    eventually(lambda: doorstep.load(jid) is None and not doorstep.returns(jid))
    engine.service.close()
    assert cache.get_load(jid)["Minions"] == ["web1"]
    assert cache.get_jid(jid)["web1"]["return"] == 1


@pytest.mark.parametrize(
    ("syndics", "expected"),
    [pytest.param([], ["web1"], id="minion"), pytest.param(["s*"], ["below", "web1"], id="syndic")],
)
def test_only_syndics_say_for_whom_else_a_job_is(
    tmp_path: Path, cache: JobCache, history: Database, syndics: list[str], expected: list[str]
) -> None:
    # Given minions of a job that somebody else than the master has named, as any minion can do it with an event
    jid = cache.publish(["web1"])
    cache.save_minions(jid, ["below"], syndic_id="s1")

    # When
    engine = Engine(tmp_path, events=EVENTS, syndics=syndics)
    engine.service.start()
    eventually(lambda: not engine.service.doorstep.changed(10))
    eventually(lambda: _rows(history, "jobs") == 1)
    engine.service.close()

    # Then
    assert history.rows("jobs")[0]["minions"] == expected
