"""Three workers, one of them dead or hanging: the two others are as quick as ever."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.conftest import StartRig
from tests.support.kinds import POSTGRESQL
from tests.support.rig import Rig
from tests.support.salt import wait_until
from tests.support.targets import Target

PROBES = 12
#: What the machine's other work may add to the median of so many probes.
NOISE_SECONDS = 0.25


def stopped(target: Target) -> Callable[[], None]:
    assert target.server
    target.server.stop()
    return target.server.start


def frozen(target: Target) -> Callable[[], None]:
    assert target.server
    target.server.pause()
    return target.server.resume


def median_latency(rigs: list[Rig]) -> list[float]:
    """Fire probes and return for each rig how long the median one took to be written."""
    took: list[list[float]] = [[] for _ in rigs]
    for _ in range(PROBES):
        probe = rigs[0].stream()
        probe.burst(1)
        started = time.monotonic()
        open_ = dict(enumerate(rigs))
        while open_:
            assert time.monotonic() < started + 20, "a worker that is well writes nothing"
            for at, rig in list(open_.items()):
                if rig.history.count("eventsd_returns", "jid = :jid", jid=probe.jid):
                    took[at].append(time.monotonic() - started)
                    del open_[at]
            time.sleep(0.01)
    return [statistics.median(one) for one in took]


@pytest.mark.parametrize("fault", [stopped, frozen])
@pytest.mark.parametrize("target", [POSTGRESQL], indirect=True)
def test_one_that_does_not_write_delays_no_other(
    target: Target, start_rig: StartRig, tmp_path: Path, fault: Callable[[Target], Callable[[], None]]
) -> None:
    # Given
    well = [Target(f"sqlite:///{tmp_path / name}.db") for name in ("second", "third")]
    for one in well:
        one.make_tables()
    names = ["history", "second", "third"]
    workers = {name: one.worker() for name, one in zip(names, [target, *well])}
    events = {"returns": {"tag": "salt/job/", "worker": names}}
    rig = start_rig(target, workers=workers, events=events, max_workers=1)
    others = [Rig(rig.engine, rig.connect, one.history) for one in well]
    before = median_latency(others)
    stream = rig.stream(per_second=100)

    # When
    mend = fault(target)
    try:
        with stream.firing():
            wait_until(lambda: rig.engine.worker()["queued_events"] > 100, "backlog of the worker that hangs")
            during = median_latency(others)
    finally:
        mend()

    # Then
    assert all(now < then + NOISE_SECONDS for now, then in zip(during, before)), f"{before} -> {during}"
    rig.lives(40)
    assert rig.conserved(stream) == 0
    assert [other.conserved(stream) for other in others] == [0, 0]
