"""An operator works on a database: its worker waits, goes on, and writes at once what has waited."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import salt.loader

from salt_eventsd.dispatch.pauses import FILE
from salt_eventsd.engine.control import verbs
from salt_eventsd.engine.control.server import answering
from salt_eventsd.engine.problems import problems
from salt_eventsd.operate.status_page import page
from tests.functional.engine.conftest import Engine
from tests.support.lanes import eventually

SECONDS = 60.0
PAUSED = "worker history is paused by an operator; its events wait in the spool"
ROOT = Path(__file__).parents[3]


class Two(Engine):
    """An engine with two workers; what comes is due after an hour."""

    def opts(self, *workers: str, **eventsd: Any) -> dict[str, Any]:
        """Return options of an engine with both."""
        found = super().opts(*(workers or ("history", "other")), **eventsd)
        found["eventsd"]["workers"]["history"].update(eventsd.pop("history", {}))
        return found


def started(home: Path, **eventsd: Any) -> Engine:
    made = Two(home, **eventsd)
    made.service.start()
    return made


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Engine]:
    made = started(tmp_path)
    with answering(made.service.general.state_file, verbs.of_running(made.service)):
        yield made
    made.service.close()


@pytest.fixture
def run(two: Engine) -> Any:
    """Calls a verb of the runner, as Salt does."""
    opts = {**salt.config.DEFAULT_MASTER_OPTS, **two.opts(), "runner_dirs": [str(ROOT / "_runners")]}
    return lambda verb, *args, **kwargs: salt.loader.runner(opts)[f"eventsd.{verb}"](*args, **kwargs)


def rows(home: Path, worker: str = "history") -> int:
    with closing(sqlite3.connect(home / f"{worker}.db")) as db:
        try:
            return int(db.execute("SELECT count(*) FROM eventsd_returns").fetchone()[0])
        except sqlite3.OperationalError:
            return 0


def written(engine: Engine, worker: str) -> int:
    return engine.service.lanes[worker].written


def test_a_paused_worker_waits_and_no_other(two: Engine, run: Any, tmp_path: Path) -> None:
    # When
    told = run("pause", "history")

    # Then
    assert told == {"paused": "history", "in_flight": 0, "waiting": 0, "retcode": 0}
    two.put(3)
    eventually(lambda: written(two, "other") == 3, SECONDS)
    time.sleep(0.3)
    assert (rows(tmp_path), two.service.lanes["history"].backlog.events) == (0, 3)
    status = run("status")
    assert status["retcode"] == 1
    assert PAUSED in status["notes"]

    # When
    assert run("resume", "history") == {"resumed": "history", "was_paused": True, "waiting": 3, "retcode": 0}

    # Then
    began = time.monotonic()
    eventually(lambda: rows(tmp_path) == 3, SECONDS)
    assert time.monotonic() - began < 10
    assert PAUSED not in run("status")["notes"]


def test_a_pause_outlives_the_engine(tmp_path: Path) -> None:
    # Given
    first = started(tmp_path)
    verbs.of_running(first.service)({"verb": "pause", "worker": "history"})
    first.put(2)
    eventually(lambda: written(first, "other") == 2, SECONDS)
    first.service.close()

    # When
    second = started(tmp_path)
    try:
        # Then
        second.put(1)
        eventually(lambda: written(second, "other") == 1, SECONDS)
        assert second.report()["workers"]["history"]["paused_seconds"] > 0
        assert (rows(tmp_path), second.service.lanes["history"].backlog.events) == (0, 3)

        # When
        verbs.of_running(second.service)({"verb": "resume", "worker": "history"})

        # Then
        eventually(lambda: rows(tmp_path) == 3, SECONDS)
    finally:
        second.service.close()


def test_a_reload_ends_no_pause(two: Engine, run: Any, tmp_path: Path) -> None:
    run("pause", "history")

    two.service.apply(two.plan("history", "other", max_workers=7))

    two.put(1)
    eventually(lambda: written(two, "other") == 1, SECONDS)
    assert rows(tmp_path) == 0


def test_a_pause_that_cannot_be_noted_says_so(two: Engine, run: Any, tmp_path: Path) -> None:
    # Given: a folder where the file should be
    (Path(two.service.general.spool.dir) / FILE).mkdir()

    # When
    told = run("pause", "history")

    # Then
    assert told["retcode"] == 1
    assert told["problem"].startswith("eventsd: the pause will end with the engine, as it cannot be noted: ")
    two.put(1)
    eventually(lambda: written(two, "other") == 1, SECONDS)
    assert rows(tmp_path) == 0


def test_the_page_says_what_to_do_about_a_pause(two: Engine, run: Any) -> None:
    run("pause", "history")
    found = two.service.reporter.latest
    assert found is not None
    told = {"state": "degraded", "running": True, "since": "now", "notes": [one.text for one in problems(found)]}

    shown = page(told, found, 100, dict.fromkeys(("GREEN", "YELLOW", "LIGHT_RED", "ENDC"), ""))

    assert "salt-run eventsd.resume" in shown
    assert "history  paused; none wait" in shown


@pytest.mark.parametrize("verb", ["pause", "resume", "flush"])
@pytest.mark.parametrize("worker", ["nobody", 7], ids=["unknown", "number"])
def test_a_wrong_name_is_told_with_those_there_are(run: Any, verb: str, worker: Any) -> None:
    problem = f"eventsd: worker: expected the name of a worker, got {str(worker)!r}; there are history, other"

    assert run(verb, worker) == {"problem": problem, "retcode": 2}


@pytest.mark.parametrize("verb", ["pause", "resume"])
def test_a_name_is_needed(run: Any, verb: str) -> None:
    problem = "eventsd: worker: expected the name of a worker; there are history, other"

    assert run(verb) == {"problem": problem, "retcode": 2}


@pytest.mark.parametrize("verb", ["pause", "resume", "flush", "reload"])
def test_without_an_engine_it_is_told(tmp_path: Path, verb: str) -> None:
    opts = {
        **salt.config.DEFAULT_MASTER_OPTS,
        "runner_dirs": [str(ROOT / "_runners")],
        "eventsd": {"state_file": str(tmp_path / "s.json")},
    }

    told = salt.loader.runner(opts)[f"eventsd.{verb}"]()

    assert told["problem"] == f"eventsd: no engine answers at {tmp_path}/s.json.control: is it running?"
    assert told["retcode"] == 2


class TestFlush:
    """What waits for a full batch, or for the next try, is written at once."""

    @pytest.fixture
    def slow(self, two: Engine) -> Engine:
        """An engine whose batches wait for an hour."""
        for lane in two.service.lanes.values():
            lane.config = two.plan("history", "other").config.workers[lane.name]
        workers = {
            name: {"url": f"sqlite:///{two._home / name}.db", "batch": {"seconds": 3600}}
            for name in ("history", "other")
        }
        two.service.apply(two.plan("history", "other", workers=workers))
        return two

    def test_what_waits_is_written(self, slow: Engine, run: Any, tmp_path: Path) -> None:
        # Given
        slow.put(3)
        eventually(lambda: slow.service.lanes["history"].backlog.events == 3, SECONDS)

        # When
        told = run("flush")

        # Then
        assert told == {"written": {"history": 3, "other": 3}, "waiting": {}, "retcode": 0}
        assert (rows(tmp_path), rows(tmp_path, "other")) == (3, 3)

    def test_what_comes_later_has_time(self, slow: Engine, run: Any) -> None:
        # Given
        run("flush")

        # When
        slow.put(2)

        # Then
        eventually(lambda: slow.service.lanes["history"].backlog.events == 2, SECONDS)
        time.sleep(0.5)
        assert written(slow, "history") == 0

    def test_what_was_just_read_is_written_too(self, slow: Engine, run: Any, tmp_path: Path) -> None:
        slow.put(5)

        assert run("flush", "history")["written"] == {"history": 5}

        assert rows(tmp_path) == 5
        assert written(slow, "other") == 0

    def test_a_paused_worker_stays_paused(self, slow: Engine, run: Any) -> None:
        # Given
        run("pause", "history")
        slow.put(1)

        # When
        told = run("flush")

        # Then
        assert told == {"written": {"history": 0, "other": 1}, "waiting": {}, "paused": ["history"], "retcode": 0}
        assert run("flush", "history") == {
            "problem": "eventsd: history is paused; salt-run eventsd.resume history",
            "retcode": 2,
        }

    def test_a_database_that_is_away_is_tried_at_once_and_told(self, slow: Engine, run: Any, tmp_path: Path) -> None:
        # Given
        slow.put(1)
        assert run("flush")["retcode"] == 0
        with closing(sqlite3.connect(tmp_path / "history.db", isolation_level=None)) as db:
            db.execute("ALTER TABLE eventsd_returns RENAME TO elsewhere")
            slow.put(2)

            # When
            told = run("flush", seconds=3)

            # Then
            assert (told["waiting"], told["retcode"]) == ({"history": 2}, 1)
            assert "eventsd_returns" in told["errors"]["history"]

            # When
            db.execute("ALTER TABLE elsewhere RENAME TO eventsd_returns")
            told = run("flush", seconds=20)

        # Then
        assert (told["waiting"], told["retcode"]) == ({}, 0)
        assert rows(tmp_path) == 3

    @pytest.mark.parametrize("seconds", ["soon", -1, "nan"])
    def test_a_wrong_time_is_told(self, run: Any, seconds: Any) -> None:
        problem = f"eventsd: seconds: expected a number of seconds, got {seconds!r}"

        assert run("flush", seconds=seconds) == {"problem": problem, "retcode": 2}
