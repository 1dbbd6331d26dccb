"""After a gap the engine says what is missing, and not what our own job cache or Salt's has brought."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from salt_eventsd.bus.gaps import Gap
from salt_eventsd.engine.repair import handed
from salt_eventsd.engine.repair import thread as repair
from salt_eventsd.engine.service import Service
from salt_eventsd.exceptions import Transient
from salt_eventsd.intake import drain
from salt_eventsd.operate.imports.gaps import repair as repair_verb
from salt_eventsd.spool.doorstep import FILE
from tests.functional.engine.conftest import Engine
from tests.support.events import frame, job_data, return_data
from tests.support.job_cache import JobCache
from tests.support.lanes import eventually
from tests.support.local_cache import LocalCache, jid_of
from tests.support.stores import Database

DEFAULT = {
    "jobs": {"tag": "salt/job/[^/]+/new", "worker": "history", "into": "jobs", "ignore": ["saltutil.find_job"]},
    "returns": {"tag": "salt/job/[^/]+/ret", "worker": "history", "into": "returns", "ignore": ["saltutil.find_job"]},
}
#: Of ten events that rules took, one was neither a job nor a return.
PART, MISSING = 0.1, 30
OURS = {"master_job_cache": "eventsd"}


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repair, "_SECONDS", 0.05)
    monkeypatch.setattr(repair, "_SETTLED_SECONDS", 0.5)
    monkeypatch.setattr(drain, "_BUS_SECONDS", 0.2)
    monkeypatch.setattr(drain, "_SECONDS", 0.1)


@pytest.fixture
def running() -> Iterator[list[Service]]:
    """Engines that are closed when the test ends."""
    services: list[Service] = []
    yield services
    for one in services:
        one.close()


def _gap(part: float | None = PART) -> Gap:
    """Return a gap of five seconds that has just ended."""
    since = time.time() - 5
    return Gap(since, time.time(), "killed", rate=6.0, blind_since=since, missing=MISSING, beside=part)


def _engine(home: Path, running: list[Service], gap: Gap | None = None, **opts: Any) -> Engine:
    made = Engine(home, events=opts.pop("events", DEFAULT))
    made.service.opts.update(opts)
    running.append(made.service)
    if gap:
        made.service.link.away(gap)
    return made


def _told(engine: Engine) -> tuple[Any, Any, Any]:
    gap = engine.report()["bus"]["gaps"][0]
    return gap["repaired"], gap["missing"], gap["seen"]


def _stamp(when: float) -> str:
    return datetime.fromtimestamp(when, timezone.utc).isoformat()


def _return(jid: str, minion: str, when: float, fun: str = "test.arg") -> dict[str, Any]:
    return return_data(minion, jid=jid, id=minion, fun=fun, _stamp=_stamp(when))


def test_what_our_job_cache_has_handed_over_is_not_missing(
    tmp_path: Path, cache: JobCache, history: Database, running: list[Service]
) -> None:
    # Given an engine that was killed, and has kept one of the returns before
    jid, ignored = cache.publish(["web1", "web2", "web3"]), cache.publish(["web1"], fun="saltutil.find_job")
    first = _engine(tmp_path, [])
    first.service.start()
    now = time.time()
    kept = _return(jid, "web1", now)
    first.service.inbox.put(frame(f"salt/job/{jid}/ret/web1", kept))
    eventually(lambda: first.report()["workers"]["history"]["written"] == 2)
    first.service.close()
    with sqlite3.connect(tmp_path / "eventsd" / "spool" / FILE) as doorstep:
        doorstep.execute("UPDATE loads SET changed = 1")
    history.execute("DELETE FROM eventsd_jobs")

    # When all of it is on the doorstep, and another engine begins
    for one in (kept, _return(jid, "web2", now), _return(jid, "web3", now)):
        cache.store(one)
    cache.store(_return(ignored, "web1", now, "saltutil.find_job"))
    gap = _gap()
    gap.since, gap.until = now - 1, time.time()
    engine = _engine(tmp_path, running, gap, **OURS)
    before = _told(engine)
    engine.service.start()

    # Then the start of the job and two returns were repaired, and others than jobs and returns may be missing
    eventually(lambda: _told(engine)[0] is not None, 20)
    assert (before, _told(engine)) == ((None, MISSING, False), (3, MISSING * PART, False))
    eventually(lambda: len(history.rows("returns")) == 3)


def test_a_gap_of_which_our_job_cache_has_all_needs_nobody_s_attention(
    tmp_path: Path, cache: JobCache, running: list[Service]
) -> None:
    # Given
    jid = cache.publish(["web1"])
    cache.store(_return(jid, "web1", time.time()))
    engine = _engine(tmp_path, running, _gap(0.0), **OURS)
    opts = {**engine.opts(events=DEFAULT), **OURS}

    # When
    engine.report()
    waiting = repair_verb(opts)
    engine.service.start()
    eventually(lambda: _told(engine) == (2, 0, True), 20)
    told = repair_verb(opts)

    # Then
    assert waiting["repair"][0]["unknown"] == 0
    assert any("1 return waits beside the spool" in note for note in waiting["notes"])
    assert (told["source"], told["retcode"]) == ("eventsd", 0)
    assert (told["repair"][0]["repaired_by_engine"], told["repair"][0]["unknown"]) == (2, 0)


@pytest.mark.parametrize(
    ("master", "told"),
    [
        pytest.param({"job_cache": False}, (None, MISSING, False), id="no returns are handed over"),
        pytest.param({"ext_job_cache": "redis"}, (None, MISSING, False), id="others get them"),
        pytest.param({"__role": "minion"}, (None, MISSING, False), id="minion"),
    ],
)
def test_where_not_all_is_handed_over_nothing_is_called_complete(
    tmp_path: Path, cache: JobCache, running: list[Service], master: dict[str, Any], told: Any
) -> None:
    # Given
    cache.publish(["web1"])
    engine = _engine(tmp_path, running, _gap(), **{**OURS, **master})

    # When
    engine.service.start()
    time.sleep(2)

    # Then
    assert _told(engine) == told


def test_what_the_job_cache_has_refused_is_missing(
    tmp_path: Path, cache: JobCache, running: list[Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given an engine before this one that has told of a refusal, and another one since
    first = _engine(tmp_path, [])
    cache.publish(["web1"])
    doorstep = tmp_path / "eventsd" / "spool" / FILE
    with sqlite3.connect(doorstep) as db:
        db.execute("INSERT INTO meta VALUES ('refused', 4)")
    first.report()
    first.service.spool.close()
    with sqlite3.connect(doorstep) as db:
        db.execute("UPDATE meta SET value = 6 WHERE key = 'refused'")

    # When
    engine = _engine(tmp_path, running, None, **OURS)
    engine.service.link._own_gaps = ()
    engine.service.link.away(_gap())
    engine.service.start()

    # Then
    eventually(lambda: _told(engine)[0] is not None, 20)
    assert _told(engine)[1] == MISSING * PART + 2


def test_what_waits_on_the_doorstep_does_not_wait_for_a_history_that_does_not_answer(
    tmp_path: Path, cache: JobCache, running: list[Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given
    asked = list[str]()

    def fail(_config: Any, worker: str) -> Any:
        asked.append(worker)
        raise Transient("the database does not answer")

    monkeypatch.setattr(handed, "asking", fail)
    monkeypatch.setattr(drain, "_RETURNS", 1)
    jid = cache.publish(["web1", "web2", "web3"])
    for minion in ("web1", "web2", "web3"):
        cache.store(_return(jid, minion, time.time()))

    # When
    engine = _engine(tmp_path, running, _gap(0.0), **OURS)
    engine.service.start()

    # Then
    eventually(lambda: _told(engine) == (4, 0, True), 20)
    assert asked == ["history"]


def test_of_a_repair_from_salt_s_own_job_cache_only_what_it_does_not_have_is_left(
    tmp_path: Path, running: list[Service]
) -> None:
    # Given a job, and one that goes into a table of which nobody knows what has come
    cache = LocalCache({"cachedir": str(tmp_path), "__role": "master", "id": "m", "extension_modules": str(tmp_path)})
    gap = _gap()
    for seconds, fun in enumerate(("test.ping", "test.version"), 1):
        jid = cache.publish(jid_of(gap.since + seconds), ["web1"], fun=fun)
        cache.answer(True, jid, "web1", fun)
        cache.kept_at(jid, gap.since + seconds)
    events = {**DEFAULT, "returns": {**DEFAULT["returns"], "ignore": ["test.version"]}}
    events["kept"] = {"tag": "salt/job/[^/]+/ret", "worker": "history", "into": "events", "ignore": ["test.ping"]}

    # When
    engine = _engine(tmp_path, running, gap, events=events)
    engine.service.start()

    # Then two starts and a return are there, and a return is missing
    eventually(lambda: _told(engine)[0] is not None, 20)
    assert _told(engine) == (3, MISSING * PART + 1, False)


def test_events_that_are_in_no_job_cache_are_counted(tmp_path: Path, running: list[Service]) -> None:
    # Given
    events = {**DEFAULT, "beacons": {"tag": "salt/beacon/", "worker": "history", "into": "events"}}
    engine = _engine(tmp_path, running, None, events=events)
    engine.service.start()

    # When
    jid = "20260102030405678901"
    for tag, data in (
        (f"salt/job/{jid}/new", job_data(jid, "test.ping")),
        (f"salt/job/{jid}/ret/web1", _return(jid, "web1", time.time())),
        ("salt/beacon/web1/load/", {"id": "web1", "1m": 3}),
        ("salt/auth", {"id": "web1"}),
    ):
        engine.service.inbox.put(frame(tag, data))

    # Then
    eventually(lambda: engine.service.intake.taking.ignored == 1)
    assert (engine.report()["bus"]["matched"], engine.report()["bus"]["beside_jobs"]) == (3, 1)
