"""What ``python -m benchmarks.fleet --measure`` measures of writers, with few events: it runs, and all are written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from benchmarks.fleet import delay, measure, place, writers
from tests.support.nats_cluster import NatsCluster
from tests.support.servers import PostgreSQL


@pytest.fixture(autouse=True)
def servers(installed: Callable[[type[Any]], Any]) -> None:
    """Look whether there are servers to start."""
    for kind in (NatsCluster, PostgreSQL):
        installed(kind)


@pytest.mark.slow
def test_writers_are_measured_beside_writing_directly() -> None:
    # When
    with place.place() as there:
        found = writers.rates(there, measure.returns(1000), print, most=1, rounds=1)

    # Then
    assert [row["who writes"] for row in found] == ["a master, directly", "writers: 1"]
    assert found[0]["as a ratio"] == 1.0
    assert all(float(value) > 0 for row in found for key, value in row.items() if key != "who writes")


@pytest.mark.slow
def test_the_delay_until_the_commit_is_measured() -> None:
    # When
    [found] = delay.delays(measure.returns(600), 100, print)

    # Then: nothing is written before it is read, and a batch waits for a second at most.
    assert found["events"] == 400
    assert 0 < float(found["median, s"]) <= float(found["p99, s"]) <= float(found["longest, s"]) < 60
