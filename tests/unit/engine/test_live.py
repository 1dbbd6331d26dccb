"""Since when each rule has been in force, as it is noted over restarts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from salt_eventsd.config.load import load
from salt_eventsd.config.structs import Config
from salt_eventsd.engine.live import UNKNOWN, Live, live_since

RAID = {"tag": "raid/", "worker": "history", "table": "raid", "columns": {"srv": "data.id"}}


@pytest.fixture
def state_file(tmp_path: Path) -> Path:
    """An engine's, which is not there yet."""
    return tmp_path / "status.json"


def config(tmp_path: Path, **events: Any) -> Config:
    workers = {"history": {"module": "sql", "url": f"sqlite:///{tmp_path}/history.db"}}
    return load({"cachedir": str(tmp_path), "eventsd": {"workers": workers, "events": events}})


def noted(state_file: Path) -> dict[str, float]:
    return {place.split()[0]: since for place, since in (live_since(state_file) or {}).items()}


def test_a_rule_is_in_force_since_it_was_first_there_over_restarts(state_file: Path, tmp_path: Path) -> None:
    # Given
    Live(state_file).apply(config(tmp_path, raid=RAID), 10.0)

    # When the engine is started again, and its rules are changed
    second = Live(state_file)
    second.apply(config(tmp_path, raid={**RAID, "columns": {"srv": "data.name"}}, more={**RAID, "table": "b"}), 20.0)

    # Then
    assert noted(state_file) == {"raid": 10.0, "more": 20.0}

    # When one writes into another table, and one is away for a while
    second.apply(config(tmp_path, raid={**RAID, "table": "other"}), 30.0)
    second.apply(config(tmp_path, raid={**RAID, "table": "other"}, more={**RAID, "table": "b"}), 40.0)

    # Then
    assert noted(state_file) == {"raid": 30.0, "more": 40.0}


def test_of_what_was_in_force_before_that_was_noted_nobody_knows_since_when(state_file: Path, tmp_path: Path) -> None:
    # Given what an engine of an earlier release has left
    state_file.write_text('{"bus": {}}')

    # When
    live = Live(state_file)
    live.apply(config(tmp_path, raid=RAID), 10.0)
    live.apply(config(tmp_path, raid=RAID, more={**RAID, "table": "b"}), 20.0)

    # Then
    assert noted(state_file) == {"raid": UNKNOWN, "more": 20.0}


def test_what_an_idle_engine_has_left_had_no_rules(state_file: Path, tmp_path: Path) -> None:
    state_file.write_text('{"problems": ["it was wrong"]}')

    Live(state_file).apply(config(tmp_path, raid=RAID), 10.0)

    assert noted(state_file) == {"raid": 10.0}


def test_a_folder_that_cannot_be_written_stops_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Live(tmp_path / "none" / "status.json").apply(config(tmp_path, raid=RAID), 10.0)

    assert "it cannot be noted beside it which rules are in force" in caplog.text
