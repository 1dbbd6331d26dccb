"""What an operator is told, and the return code: a dead engine is never taken for a living one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from salt_eventsd.bus.gaps import Gap
from salt_eventsd.common.machine import Clock, boot
from salt_eventsd.engine.collect import report
from salt_eventsd.engine.readings import Parts
from salt_eventsd.engine.state_file import idle_report
from salt_eventsd.operate.status import read
from salt_eventsd.spool.keep import Spool
from tests.support.lanes import chunk, keep
from tests.support.parts import Told, parts_of, tell, told_of


@pytest.fixture
def parts(spool: Spool) -> Parts:
    return parts_of(spool)


@pytest.fixture
def told(parts: Parts, tmp_path: Path) -> Told:
    return told_of(parts, tmp_path)


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
            "repaired": None,
            "beside_jobs": None,
        },
        {
            "from": "2026-01-02 03:04:10 UTC",
            "to": "now",
            "why": "restarted",
            "missing": 0,
            "seen": False,
            "repaired": None,
            "beside_jobs": None,
        },
    ]


def test_a_spool_opened_by_nobody_is_not_running(tmp_path: Path, told: Told) -> None:
    Spool(tmp_path / "unused").close()

    assert told(spool=tmp_path / "unused")["retcode"] == 2
