"""
Workers for other places than SQL in a real master: each gets what its rule takes, and one that is away delays no other.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.conftest import StartMaster
from tests.support.carbon import CarbonCache
from tests.support.hooks import OK, Hook, Reply, Request
from tests.support.nodes import Master, sqlite_history
from tests.support.salt import wait_until

_COUNT = 50
_QUICK = {"batch": {"seconds": 0.2}}


@pytest.fixture(scope="module")
def hook() -> Iterator[Hook]:
    with Hook() as hook:
        yield hook


@pytest.fixture(scope="module")
def carbon(installed: Callable[[type[CarbonCache]], CarbonCache]) -> Iterator[CarbonCache]:
    with installed(CarbonCache) as server:
        yield server


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lines")


@pytest.fixture(scope="module")
def master(start_master: StartMaster, hook: Hook, carbon: CarbonCache, folder: Path) -> Iterator[Master]:
    """A master that writes to all of them."""
    metrics = {"minutes.beacons.{minion_id}": 1}
    workers = {
        **sqlite_history(**_QUICK),
        "lines": {"module": "file", "path": f"{folder}/{{minion_id}}.jsonl", **_QUICK},
        "hook": {"module": "http", "url": hook.url, "headers": {"X-Key": "s3cret-of-nobody"}, **_QUICK},
        "graphs": {"module": "graphite", "host": "127.0.0.1", "port": carbon.port, "metrics": metrics, **_QUICK},
        "counters": {"module": "stats", "url": sqlite_history()["history"]["url"], **_QUICK},
    }
    events = {"beacons": {"tag": "company/beacon/", "worker": ["history", "lines", "hook", "graphs"]}}
    with start_master("backends", eventsd={"workers": workers, "events": events, "state_timer": 0.5}) as running:
        yield running


def _fire(master: Master, name: str, count: int) -> None:
    with master.bus() as bus:
        for number in range(count):
            bus.fire(f"company/beacon/{name}", {"id": f"{name}.example.com", "number": number})


def test_each_worker_gets_every_event(master: Master, hook: Hook, carbon: CarbonCache, folder: Path) -> None:
    # Given
    since = int(time.time()) // 60 * 60

    # When
    _fire(master, "all", _COUNT)

    # Then
    master.history.wait_for(_COUNT, "eventsd_events", "tag = 'company/beacon/all'")
    lines = folder / "all.example.com.jsonl"
    wait_until(lambda: lines.exists() and lines.read_bytes().count(b"\n") == _COUNT, "lines")
    written = lines.read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["data"]["number"] for line in written] == list(range(_COUNT))
    wait_until(lambda: len(_sent(hook, "all")) == _COUNT, "requests")
    assert _sent(hook, "all") == list(range(_COUNT))
    points = "minutes.beacons.all_example_com"
    wait_until(lambda: sum(carbon.points(points, since).values()) == _COUNT, "points")


def test_the_engines_counters_reach_the_table(master: Master) -> None:
    # When
    _fire(master, "counted", 1)

    # Then
    # On a slow machine several reports have counted something by now.
    written = "SELECT 1 FROM eventsd_stats WHERE name = 'workers.history.written' AND value > 0"
    wait_until(lambda: master.history.rows(written), "counters in the table")
    [row] = master.history.rows("SELECT COUNT(DISTINCT master_id) AS masters FROM eventsd_stats")
    assert row["masters"] == 1


def test_one_that_is_away_delays_no_other(master: Master, hook: Hook, folder: Path) -> None:
    # Given
    def busy(request: Request) -> Reply:
        return Reply(503, {"Retry-After": "2"}, b"later")

    hook.answer = busy

    # When
    _fire(master, "away", _COUNT)

    # Then
    lines = folder / "away.example.com.jsonl"
    wait_until(lambda: lines.exists() and lines.read_bytes().count(b"\n") == _COUNT, "lines")
    wait_until(lambda: master.report()["workers"]["hook"]["state"] == "retrying", "report of the hook")
    assert "503" in master.report()["workers"]["hook"]["last_error"]
    hook.answer = lambda request: OK
    wait_until(lambda: len(_sent(hook, "away")) == _COUNT, "requests", 60)
    assert _sent(hook, "away") == list(range(_COUNT))
    assert "s3cret-of-nobody" not in master.log + json.dumps(master.report())


def test_check_tells_of_each(master: Master, hook: Hook, carbon: CarbonCache, folder: Path) -> None:
    # When
    found = master.run("eventsd.check").data

    # Then
    assert found["problems"] == []
    said = found["workers"]
    assert said["hook"] == f"{hook.url} answers"
    assert said["graphs"] == f"127.0.0.1:{carbon.port} takes connections"
    assert said["lines"] == f"{folder} can be written"
    assert said["counters"] == said["history"]


def _sent(hook: Hook, name: str) -> list[int]:
    events = [event for request in hook.accepted for event in request.events()]
    return [event["data"]["number"] for event in events if event["tag"] == f"company/beacon/{name}"]
