"""What an operator is told, and the return code: a dead engine is never taken for a living one."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from salt_eventsd.bus.gaps import Gap
from salt_eventsd.dispatch.lane import Lane
from salt_eventsd.engine.collect import report
from salt_eventsd.engine.ledger import Ledger
from salt_eventsd.engine.predecessor import left, predecessor
from salt_eventsd.engine.problems import REMEMBERED_SECONDS
from salt_eventsd.engine.readings import Parts
from salt_eventsd.engine.report import Clock, Report, boot
from salt_eventsd.engine.reporter import Reporter
from salt_eventsd.engine.state_file import IdleReport, encode, idle_report, to_data
from salt_eventsd.operate.status import read
from salt_eventsd.spool.burial import Burial
from salt_eventsd.spool.keep import Spool
from tests.support.events import numbered
from tests.support.lanes import chunk, eventually, keep, lane_of
from tests.support.parts import parts_of, tell


@pytest.fixture
def parts(spool: Spool) -> Parts:
    return parts_of(spool)


Told = Callable[..., dict[str, Any]]


@pytest.fixture
def told(parts: Parts, tmp_path: Path) -> Told:
    """Write the engine's report, changed as the test wants it, and read it as the runner does."""

    def told(
        report_of: Report | IdleReport | None = None,
        *,
        spool: Path | None = None,
        problems: tuple[str, ...] = (),
        **more: Any,
    ) -> dict[str, Any]:
        path = tmp_path / "status.json"
        found = {**to_data(report_of or report(parts)), "timer": 5.0, "ended": False, **more}
        if spool:
            found["spool"] = {**found["spool"], "dir": str(spool)}
        path.write_bytes(msgspec.json.encode(found))
        return read(path, problems)

    return told


def test_a_living_engine_is_well(told: Told, parts: Parts) -> None:
    found = told()

    assert (found["state"], found["running"], found["retcode"], found["notes"]) == ("well", True, 0, [])
    assert found["pid"] == os.getpid()
    assert found["since"].endswith(" UTC")
    assert found["spool"]["dir"] == str(parts.spool.folder)
    assert found["workers"]["history"]["last_write"] == "never"
    json.dumps(found)


def test_without_a_file_no_engine_has_run(tmp_path: Path) -> None:
    found = read(tmp_path / "none.json")

    assert (found["state"], found["running"], found["retcode"]) == ("down", False, 2)
    assert "no engine has run here" in found["notes"][0]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b'{"pid": 1', id="cut short"),
        pytest.param(b"\xff\xfe", id="no text"),
        pytest.param(b"{}", id="another file's"),
        pytest.param(b"[1]", id="a list"),
    ],
)
def test_a_file_that_is_no_report_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "status.json"
    path.write_bytes(content)

    found = read(path)

    assert (found["state"], found["retcode"]) == ("down", 2)
    assert str(path) in found["notes"][0]


def test_a_folder_in_the_files_place_is_told(tmp_path: Path) -> None:
    found = read(tmp_path)

    assert found["retcode"] == 2
    assert f"eventsd: state_file: {tmp_path} cannot be read" in found["notes"][0]


def test_an_engine_that_does_not_hold_its_lock_is_dead_however_fresh_its_report(told: Told, parts: Parts) -> None:
    # Given
    alive = report(parts)

    # When
    parts.spool.close()
    found = told(alive)

    # Then
    assert (found["state"], found["running"], found["retcode"]) == ("down", False, 2)
    assert "not running; it last reported at" in found["notes"][0]
    assert "history" in found["workers"]


def test_an_engine_whose_spool_was_deleted_is_not_taken_for_dead(told: Told, tmp_path: Path) -> None:
    # When
    fresh = told(spool=tmp_path / "gone")
    late = told(spool=tmp_path / "gone", written=time.time() - 30, clock=Clock(boot(), time.monotonic() - 30))

    # Then
    assert (fresh["running"], fresh["state"], fresh["retcode"]) == (True, "degraded", 1)
    assert fresh["notes"][0].startswith(f"spool.dir: {tmp_path / 'gone'} is not there")
    assert (late["running"], late["retcode"]) == (False, 2)


def test_an_engine_that_has_not_reported_yet_is_not_taken_for_the_one_before(told: Told, parts: Parts) -> None:
    # Given: the report of an engine that was killed
    left = msgspec.structs.replace(report(parts), pid=os.getpid() + 1)

    # When: another one holds the lock
    found = told(left)

    # Then
    assert (found["state"], found["running"], found["retcode"]) == ("down", False, 2)
    assert "another engine has just been started" in found["notes"][0]


def test_the_bus_of_an_engine_that_is_down_is_not_connected(told: Told, parts: Parts) -> None:
    alive = report(parts)
    assert told(alive)["bus"]["connected"]

    parts.spool.close()

    assert not told(alive)["bus"]["connected"]


def test_a_lock_taken_by_another_process_is_a_living_engines(told: Told, parts: Parts, tmp_path: Path) -> None:
    # Given
    script = (
        "import sys; from pathlib import Path; from salt_eventsd.spool.keep import Spool\n"
        "spool = Spool(Path(sys.argv[1])); print('open', flush=True); sys.stdin.read()"
    )
    folder = tmp_path / "other"
    with subprocess.Popen(
        [sys.executable, "-c", script, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as engine:
        assert engine.stdout is not None
        assert engine.stdout.readline() == "open\n"

        # When
        living = told(spool=folder, pid=engine.pid)
        engine.kill()
        engine.wait(30)
        dead = told(spool=folder, pid=engine.pid)

    # Then
    assert (living["running"], living["retcode"]) == (True, 0)
    assert (dead["running"], dead["retcode"]) == (False, 2)


def test_an_engine_runs_on_with_what_it_has_while_the_config_on_disk_is_wrong(told: Told) -> None:
    found = told(problems=("eventsd: max_wokers: unknown key",))

    assert (found["state"], found["running"], found["retcode"]) == ("degraded", True, 1)
    assert found["notes"] == ["the configuration on disk is wrong: eventsd: max_wokers: unknown key"]


def test_an_engine_that_has_said_goodbye_is_down(told: Told) -> None:
    found = told(ended=True)

    assert (found["state"], found["retcode"]) == ("down", 2)


@pytest.mark.parametrize(
    ("age", "state", "retcode"),
    [
        pytest.param(4, "well", 0, id="late"),
        pytest.param(5, "hanging", 1, id="standing still"),
        pytest.param(21, "hanging", 2, id="as good as down"),
    ],
)
def test_an_engine_that_does_not_report_hangs(told: Told, age: float, state: str, retcode: int) -> None:
    found = told(written=time.time() - age, clock=Clock(boot(), time.monotonic() - age))

    assert (found["state"], found["running"], found["retcode"]) == (state, True, retcode)
    assert bool(found["notes"]) is bool(retcode)


@pytest.mark.parametrize("jump", [pytest.param(-3600, id="back"), pytest.param(3600, id="forward")])
def test_a_clock_that_is_set_makes_no_engine_hang(told: Told, jump: float) -> None:
    assert told(written=time.time() - jump)["retcode"] == 0


def test_the_clock_of_another_start_of_the_machine_tells_nothing(told: Told) -> None:
    found = told(written=time.time() - 30, clock=Clock("another", time.monotonic()))

    assert found["state"] == "hanging"


def test_an_idle_engine_says_what_is_wrong_with_its_config(told: Told) -> None:
    problem = "eventsd: max_workers: expected 1 or more, got 0"

    found = told(idle_report(time.time(), [problem]), spool=None)

    assert (found["running"], found["retcode"], found["notes"]) == (True, 2, [problem])
    assert found["state"].startswith("idle")


def test_an_idle_engine_that_died_is_down(told: Told) -> None:
    # Given
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait(30)

    # When
    found = told(idle_report(time.time(), ["eventsd: x"]), pid=ended.pid)

    # Then
    assert (found["state"], found["retcode"]) == ("down", 2)


def lose_the_bus(parts: Parts) -> None:
    tell(parts.link, connected=False)


def lose_events(parts: Parts) -> None:
    parts.intake.left_out = 2
    parts.inbox.dropped = 3


def break_the_spool(parts: Parts) -> None:
    parts.intake._committer.error = "eventsd: spool.dir: disk full"


def run_out_of_threads(parts: Parts) -> None:
    parts.dispatcher.problem = "no new thread"


def fill_the_spool(parts: Parts) -> None:
    parts.quota.full = True
    parts.lanes["history"].backlog.bytes = int(parts.quota.config.max_bytes)


def orphan(parts: Parts) -> None:
    lane = lane_of(parts.spool, None, "old")
    lane.retired, lane.backlog.events = True, 12
    cast("dict[str, Lane]", parts.lanes)["old"] = lane


def hold(parts: Parts) -> None:
    parts.lanes["history"].state, parts.lanes["history"].last_error = "held", "no such table"


def hang(parts: Parts) -> None:
    parts.lanes["history"].flights.running_since[7] = time.monotonic() - 90


def bury(parts: Parts) -> None:
    events = numbered(4)
    (kept,) = parts.spool.put([chunk(events)])
    parts.spool.bury("history", [kept.id], [Burial(kept.id, at, event, "bad") for at, event in enumerate(events)])
    parts.spool.settle([kept.id])


def break_it(parts: Parts) -> None:
    keep(parts.lanes["history"], parts.spool, chunk(6))
    parts.lanes["history"].backlog.spool_broke(parts.spool.newest_id() + 1)


def stall(parts: Parts) -> None:
    parts.watch.add("intake", lambda: 7)
    parts.watch._seen["intake"] = (7, time.monotonic() - 4.2)


def end(parts: Parts) -> None:
    parts.watch.add("dispatch", lambda: None)


def miss(parts: Parts) -> None:
    now = time.time()
    tell(parts.link, gaps=[Gap(now - 70, now - 2, "too slow", missing=27_000)])


def pile_up(parts: Parts) -> None:
    keep(parts.lanes["history"], parts.spool, chunk(3, oldest=time.time() - 40))
    parts.growth._queues["history"] = (time.monotonic() - 11, 2)


def drop(parts: Parts) -> None:
    parts.lanes["history"].backlog.dropped = 5
    parts.lanes["history"].backlog.last_drop = time.time() - 3600


@pytest.mark.parametrize(
    ("ail", "note"),
    [
        pytest.param(lose_the_bus, "the event bus is not connected", id="no bus"),
        pytest.param(lose_events, "5 events were lost before they could be spooled", id="lost events"),
        pytest.param(run_out_of_threads, "batches cannot be given out: no new thread", id="no threads"),
        pytest.param(stall, "thread intake has stood still for 4 s", id="a thread that stands still"),
        pytest.param(end, "thread dispatch has ended", id="a thread that ended"),
        pytest.param(
            miss,
            "a gap in what was read of the event bus, 68 s in all: about 27,000 events may be missing"
            " (salt-run eventsd.status seen=True when you have looked)",
            id="a gap",
        ),
        pytest.param(
            pile_up,
            "the queue of worker history has only grown for 11 s: 3 events, the oldest 40 s old",
            id="a queue that only grows",
        ),
        pytest.param(break_the_spool, "eventsd: spool.dir: disk full", id="a spool that cannot be written"),
        pytest.param(fill_the_spool, "the spool is full; events are dropped", id="a full spool"),
        pytest.param(
            orphan,
            "12 events wait for worker old, which is no longer under workers; see eventsd.drop_orphaned",
            id="events of a worker now gone",
        ),
        pytest.param(hold, "worker history is held: no such table", id="a held worker"),
        pytest.param(hang, "worker history has been writing one batch for 90 s", id="a worker that hangs"),
        pytest.param(bury, "worker history: 4 refused events are buried; see eventsd.dead", id="buried events"),
        pytest.param(break_it, "worker history: 6 events were in a spool that broke", id="a spool that broke"),
        pytest.param(drop, "worker history: 5 events were dropped because the spool was full", id="dropped events"),
    ],
)
def test_what_ails_an_engine_is_named(told: Told, parts: Parts, ail: Callable[[Parts], None], note: str) -> None:
    ail(parts)

    found = told()

    assert (found["state"], found["retcode"], found["notes"]) == ("degraded", 1, [note])


@pytest.mark.parametrize(
    "ail", [pytest.param(lose_events, id="lost"), pytest.param(drop, id="dropped"), pytest.param(miss, id="missed")]
)
def test_what_has_been_looked_at_degrades_no_more_and_what_comes_after_does(
    told: Told, parts: Parts, ail: Callable[[Parts], None]
) -> None:
    # Given
    ail(parts)
    assert told()["retcode"] == 1

    # When
    parts.ledger.look(parts.link.gaps)

    # Then
    seen = told()
    assert (seen["state"], seen["retcode"], seen["notes"]) == ("well", 0, [])
    assert seen["seen"].endswith(" UTC")
    parts.intake.left_out += 7
    assert told()["notes"] == ["7 events were lost before they could be spooled"]


@pytest.mark.parametrize("ail", [pytest.param(lose_events, id="lost"), pytest.param(miss, id="missed")])
def test_what_nobody_has_looked_at_is_told_by_the_next_engine_for_a_day(
    told: Told, parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ail: Callable[[Parts], None]
) -> None:
    # Given
    ail(parts)
    before = told()
    found = predecessor(tmp_path / "status.json", parts.spool.folder)
    assert found

    # When
    tell(parts.link, gaps=[])
    parts.intake.left_out = parts.inbox.dropped = 0
    again = replace(parts, ledger=Ledger(found))

    # Then
    assert told(report(again))["notes"] == before["notes"]
    assert told(report(again))["retcode"] == 1
    later = time.time() + REMEMBERED_SECONDS
    monkeypatch.setattr(time, "time", lambda: later)
    assert told(report(again))["notes"] == []


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        pytest.param({}, "the engine before this one was killed, or crashed", id="no last word"),
        pytest.param({"ended": True}, "the engine was stopped, and started again", id="a last word"),
        pytest.param({"spool": {"dir": "/elsewhere"}}, "", id="another spool"),
        pytest.param({"written": "x"}, "", id="nonsense"),
    ],
)
def test_the_gap_begins_with_the_last_frame_of_the_engine_before(
    parts: Parts, tmp_path: Path, changes: dict[str, Any], why: str
) -> None:
    # Given
    path = tmp_path / "status.json"
    tell(parts.link, last=1767323045.0, rate=400.0)
    then = Clock(boot(), time.monotonic() - 68)
    made = {**to_data(report(parts)), "ended": False, "written": time.time() + 3600, "clock": then, **changes}
    path.write_bytes(msgspec.json.encode(made))

    # When
    found = predecessor(path, parts.spool.folder)
    gap = found.gap() if found else None

    # Then
    assert (gap.why if gap else "") == why
    if gap:
        assert gap.since == 1767323045.0
        assert gap.guess() == pytest.approx(400 * 68, rel=0.01)
    assert predecessor(tmp_path / "none.json", parts.spool.folder) is None


def test_an_idle_engine_hands_on_what_it_has_found(parts: Parts, tmp_path: Path) -> None:
    # Given
    path = tmp_path / "status.json"
    tell(parts.link, last=1767323045.0)
    path.write_bytes(encode(msgspec.structs.replace(report(parts), ended=True)))

    # When
    for _ in range(2):
        found = left(path)
        before = found.before if found and not found.bus else found
        path.write_bytes(encode(idle_report(time.time(), ["eventsd: x"], before)))

    # Then
    last = predecessor(path, parts.spool.folder)
    assert last
    gap = last.gap()
    assert gap
    assert gap.since == 1767323045.0


def test_the_queue_is_told(told: Told, parts: Parts) -> None:
    # Given
    keep(parts.lanes["history"], parts.spool, chunk(3, oldest=time.time() - 40))
    parts.lanes["history"].last_write = 1767323045.0

    # When
    found = told()

    # Then
    queue = found["workers"]["history"]
    assert (queue["queued_events"], found["spool"]["events"]) == (3, 3)
    assert queue["queued_bytes"] == found["spool"]["bytes"] > 0
    assert 39 < queue["oldest_age"] < 60
    assert queue["last_write"] == "2026-01-02 03:04:05 UTC"


def between(since: str, until: str) -> dict[str, str]:
    return {"from": since, "to": until}


def test_gaps_are_told_as_times(told: Told, parts: Parts) -> None:
    tell(
        parts.link, gaps=[Gap(1767323045.0, 1767323046.0, "too slow", missing=4), Gap(1767323050.0, None, "restarted")]
    )

    assert told()["bus"]["gaps"] == [
        {
            "from": "2026-01-02 03:04:05 UTC",
            "to": "2026-01-02 03:04:06 UTC",
            "why": "too slow",
            "missing": 4,
            "seen": False,
        },
        {"from": "2026-01-02 03:04:10 UTC", "to": "now", "why": "restarted", "missing": 0, "seen": False},
    ]


def test_the_reporter_writes_again_and_again_and_a_last_time(tmp_path: Path, parts: Parts) -> None:
    # Given
    path = tmp_path / "new" / "status.json"
    reporter = Reporter(path, lambda: 0.01, lambda: report(parts))

    # When
    reporter.start()
    eventually(lambda: read(path)["retcode"] == 0)
    tell(parts.link, received=1000, rate=5.0)
    eventually(lambda: json.loads(path.read_bytes())["bus"]["events_per_second"] > 0)
    tell(parts.link, connected=False)
    eventually(lambda: read(path)["retcode"] == 1)
    reporter.stop()

    # Then
    assert json.loads(path.read_bytes())["ended"] is True
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_a_report_that_cannot_be_written_is_logged_once_and_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # Given
    (tmp_path / "file").write_text("")
    made: list[float] = []

    def make() -> IdleReport:
        made.append(time.time())
        return idle_report(0.0, [])

    reporter = Reporter(tmp_path / "file" / "status.json", lambda: 0.01, make)

    # When
    reporter.start()
    eventually(lambda: len(made) > 3)
    reporter.stop()

    # Then
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "state_file" in caplog.text


def test_a_bug_in_the_report_is_told_as_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    # Given
    made: list[float] = []

    def make() -> Report:
        made.append(time.time())
        raise KeyError("x")

    reporter = Reporter(tmp_path / "status.json", lambda: 0.01, make)

    # When
    reporter.start()
    eventually(lambda: len(made) > 3)
    reporter.stop()

    # Then
    (record,) = caplog.records
    assert "a bug: KeyError in test_status.py" in record.getMessage()
    assert "state_file" not in record.getMessage()


def test_a_spool_opened_by_nobody_is_not_running(tmp_path: Path, told: Told) -> None:
    Spool(tmp_path / "unused").close()

    assert told(spool=tmp_path / "unused")["retcode"] == 2
