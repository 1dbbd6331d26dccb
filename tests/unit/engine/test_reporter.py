"""The thread that writes the state file."""

from __future__ import annotations

import json
import stat
import time
from itertools import pairwise
from pathlib import Path

import pytest

from salt_eventsd.engine.collect import report
from salt_eventsd.engine.readings import Parts
from salt_eventsd.engine.report import Report
from salt_eventsd.engine.reporter import Reporter
from salt_eventsd.engine.state_file import IdleReport, idle_report
from salt_eventsd.operate.status import read
from salt_eventsd.spool.keep import Spool
from tests.support.lanes import eventually
from tests.support.parts import parts_of, tell


@pytest.fixture
def parts(spool: Spool) -> Parts:
    return parts_of(spool)


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


def test_the_counters_are_told_once_in_twelve_intervals(tmp_path: Path, parts: Parts) -> None:
    # Given
    told: list[float] = []
    seconds = 0.02
    reporter = Reporter(
        tmp_path / "status.json", lambda: seconds, lambda: report(parts), lambda _: told.append(time.monotonic())
    )

    # When
    reporter.start()
    eventually(lambda: len(told) >= 3)
    reporter.stop()

    # Then
    assert min(later - earlier for earlier, later in pairwise(told)) >= 12 * seconds


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
    assert "a bug: KeyError in test_reporter.py" in record.getMessage()
    assert "state_file" not in record.getMessage()
