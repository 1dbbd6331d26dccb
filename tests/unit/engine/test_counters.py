"""Numbers are registered once, and are told wherever numbers are told."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from salt_eventsd.engine.collect import report
from salt_eventsd.engine.counters import BUS, LANE, METRIC_PREFIX, SPOOL, WORKER, Counter, Gauge, Kind, Section
from salt_eventsd.engine.own_events.stats import stats_frame
from salt_eventsd.engine.readings import Parts
from salt_eventsd.engine.state_file import encode, to_data
from salt_eventsd.operate.status import read
from salt_eventsd.spool.keep import Spool
from tests.support.lanes import lane_of
from tests.support.parts import parts_of
from tests.support.workers import Recorder

SECTIONS: dict[str, Section[Any]] = {"BUS": BUS, "SPOOL": SPOOL, "LANE": LANE, "WORKER": WORKER}
#: The engine's metrics, as users know them. How long writes take is no single number.
METRICS = {
    "events_received_total": Kind.COUNTER,
    "events_matched_total": Kind.COUNTER,
    "events_lost_total": Kind.COUNTER,
    "bus_gaps_total": Kind.COUNTER,
    "spool_bytes": Kind.GAUGE,
    "spool_oldest_seconds": Kind.GAUGE,
    "queue_events": Kind.GAUGE,
    "worker_paused_seconds": Kind.GAUGE,
    "written_total": Kind.COUNTER,
    "buried_total": Kind.COUNTER,
    "dropped_total": Kind.COUNTER,
    "retries_total": Kind.COUNTER,
    "worker_up": Kind.GAUGE,
}


@pytest.fixture
def parts(spool: Spool) -> Parts:
    return parts_of(spool)


def every() -> Iterator[tuple[str, Counter[Any]]]:
    """Yield each counter with its section's name."""
    for name, section in SECTIONS.items():
        yield from ((name, counter) for counter in section)


def register(monkeypatch: pytest.MonkeyPatch, section: str, counter: Counter[Any]) -> None:
    """Register a counter for as long as the test lasts."""
    known = SECTIONS[section]
    monkeypatch.setattr(known, "_counters", dict(known._counters))
    known.register(counter)


def told(parts: Parts, path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the status an operator sees, and the payload of the event with the engine's counters."""
    made = report(parts)
    path.write_bytes(encode(made))
    return read(path), msgspec.msgpack.decode(stats_frame(to_data(made)).partition(b"\n\n")[2])


@pytest.mark.parametrize("section", ["BUS", "SPOOL"])
def test_a_counter_registered_in_one_place_is_told_everywhere(
    section: str, parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given something that counts, and a counter that reads it
    parts.intake.taking.forged = 3
    register(
        monkeypatch, section, Counter("curious", "Twice the forged.", lambda it: 2 * it.parts.intake.taking.forged)
    )

    # When
    status, stats = told(parts, tmp_path / "status.json")

    # Then
    assert status[section.lower()]["curious"] == 6
    assert stats[section.lower()]["curious"] == 6
    assert status["retcode"] == 0


def test_a_counter_of_a_lane_is_told_of_each_lane_and_of_its_worker(
    parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given
    parts.lanes["history"].written = 4
    raid = lane_of(parts.spool, Recorder(), "history:raid", owner="history")
    raid.written = 1
    lanes = {**parts.lanes, raid.name: raid}
    register(monkeypatch, "LANE", Gauge("curious", "Half of the written.", lambda it: it.lane.written / 2, over=max))

    # When
    for one in told(replace(parts, lanes=lanes), tmp_path / "s.json"):
        # Then
        worker = one["workers"]["history"]
        assert worker["curious"] == 2.0
        assert {name: lane["curious"] for name, lane in worker["rules"].items()} == {"all others": 2.0, "raid": 0.5}


def test_a_counter_of_a_worker_is_told_of_the_worker(
    parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(monkeypatch, "WORKER", Gauge("curious", "Dead letters and one more.", lambda it: it.dead_letters + 1))

    for one in told(parts, tmp_path / "status.json"):
        assert one["workers"]["history"]["curious"] == 1


def test_a_name_is_taken_once() -> None:
    with pytest.raises(ValueError, match="there is a counter received already"):
        BUS.register(Counter("received", "Again.", lambda it: 0))


def test_every_metric_is_beside_its_counter() -> None:
    found = {counter.metric: counter.kind for _, counter in every() if counter.metric}

    assert found == METRICS
    assert METRIC_PREFIX == "salt_eventsd_"


@pytest.mark.parametrize(("section", "counter"), [pytest.param(*one, id=f"{one[0]}-{one[1].name}") for one in every()])
def test_every_counter_says_what_it_counts(section: str, counter: Counter[Any]) -> None:
    assert counter.about.endswith(".")
    assert isinstance(counter, Gauge) is (counter.kind is Kind.GAUGE)
    assert counter.name.isidentifier()
    assert counter.metric.endswith("_total") is (counter.kind is Kind.COUNTER and bool(counter.metric)), section


def test_the_age_of_the_oldest_event_is_that_of_a_configured_worker(parts: Parts) -> None:
    # Given an older one of a worker that is gone
    now = time.time()
    gone = lane_of(parts.spool, None, "gone")
    gone.retired = True
    parts = replace(parts, lanes={**parts.lanes, "gone": gone})
    parts.told.update({"oldest.gone": now - 500, "oldest.history": now - 50})
    parts.spool.close()

    # When: the spool does not answer
    found = report(parts).spool

    # Then
    assert found["oldest_seconds"] == pytest.approx(50, abs=5)
