"""What waits for nobody any more is removed when an operator wants it, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from salt_eventsd.config import load as config_load
from salt_eventsd.config.structs import Config
from salt_eventsd.dispatch.lane import Lane
from salt_eventsd.engine.control import orphans
from salt_eventsd.engine.control.server import answering
from salt_eventsd.exceptions import EventsdError
from salt_eventsd.spool.keep import Spool
from tests.support.lanes import chunk, keep, lane_of
from tests.support.workers import Recorder

CONFIGURED = {
    "workers": {"history": {"module": "sql", "url": "sqlite:////nowhere/history.db"}},
    "events": {
        "returns": {
            "tag": "salt/job/",
            "worker": "history",
            "into": "returns",
            "subs": {"raid": {"fun": "raid", "worker": "history", "table": "raid", "columns": {"a": "jid"}}},
        }
    },
}
OWN = "history:returns.subs.raid"


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """A configuration with a worker, and a rule of it that has a queue of its own."""
    places = {"spool": {"dir": str(tmp_path / "spool")}, "state_file": str(tmp_path / "status.json")}
    return config_load.load({"id": "m", "cachedir": str(tmp_path), "eventsd": {**CONFIGURED, **places}})


def fill(spool: Spool) -> None:
    for name, sizes in {"history": [2], OWN: [3], "graphs": [5, 6], "history:gone": [7]}.items():
        spool.put([chunk(size, name) for size in sizes])


def waiting(spool: Spool) -> dict[str, int]:
    return {name: left.events for name, left in spool.totals().items()}


@pytest.mark.parametrize(
    ("worker", "dropped", "retcode"),
    [
        pytest.param(None, {"graphs": 11, "history:gone": 7}, 0, id="all"),
        pytest.param("graphs", {"graphs": 11}, 0, id="a-worker"),
        pytest.param("history", {"history:gone": 7}, 0, id="rules-of-a-worker-that-is-there"),
        pytest.param("history:gone", {"history:gone": 7}, 0, id="a-rule"),
        pytest.param("nobody", {}, 0, id="nobody"),
        pytest.param(OWN, {}, 2, id="a-rule-that-is-there"),
    ],
)
def test_what_is_dropped_without_an_engine(
    spool: Spool, config: Config, worker: str | None, dropped: dict[str, int], retcode: int
) -> None:
    # Given
    fill(spool)
    before = waiting(spool)
    spool.close()

    # When
    answer = orphans.drop(config, worker)

    # Then
    assert (answer["dropped"], answer["retcode"]) == (dropped, retcode)
    again = Spool(spool.folder)
    assert waiting(again) == {name: count for name, count in before.items() if name not in dropped}
    again.close()


@pytest.fixture
def lanes(spool: Spool) -> dict[str, Lane]:
    """The lanes of an engine, of which two are retired."""
    made = {name: lane_of(spool, Recorder(), name) for name in ("history", "graphs", "history:gone")}
    for name, lane in made.items():
        keep(lane, spool, *[chunk(3, name) for _ in range(4)])
        lane.retired = name != "history"
    return made


@pytest.fixture
def engine(lanes: dict[str, Lane]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """What answers a request."""
    return lambda request: orphans.drop_from(lanes.values(), request["worker"])


def test_a_running_engine_drops_and_counts(
    spool: Spool, config: Config, lanes: dict[str, Lane], engine: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    # When
    with answering(config.general.state_file, engine):
        answer = orphans.drop(config)

    # Then
    assert answer == {"dropped": {"graphs": 12, "history:gone": 12}, "retcode": 0}
    assert waiting(spool) == {"history": 12}
    assert [(lane.backlog.events, lane.backlog.dropped, lane.backlog.removed) for lane in lanes.values()] == [
        (12, 0, 0),
        (0, 12, 12),
        (0, 12, 12),
    ]


def test_what_is_being_written_is_spared(lanes: dict[str, Lane]) -> None:
    # Given
    lane = lanes["graphs"]
    taken, _ = lane.claim(1e9)
    keep(lane, lane._spool, chunk(5, "graphs"))

    # When / Then
    assert lane.backlog.remove_all() == 5
    assert lane.backlog.events == sum(one.events for one in taken)


def test_a_configured_worker_is_never_emptied(
    config: Config, spool: Spool, engine: Callable[[dict[str, Any]], dict[str, Any]], lanes: dict[str, Lane]
) -> None:
    # Given
    lanes["history:gone"].backlog.remove_all()
    del lanes["history:gone"]

    # When
    with answering(config.general.state_file, engine):
        answer = orphans.drop(config, "history")

    # Then
    assert (answer["dropped"], answer["retcode"]) == ({}, 2)
    assert "history is configured" in answer["problem"]
    assert lanes["history"].backlog.events == 12


def test_an_engine_that_does_not_answer_is_told(spool: Spool, config: Config) -> None:
    with pytest.raises(EventsdError, match="no engine answers"):
        orphans.drop(config)


def test_a_folder_without_a_spool_is_told(config: Config) -> None:
    with pytest.raises(EventsdError, match="there is no spool"):
        orphans.drop(config)
