"""
The database is killed, frozen, locked, read-only or full of connections, its tables are gone: events wait, and are
written once when it is well again.

A server is killed three times under load by default; ``EVENTSD_SERVER_KILLS=50`` for the full run.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable

import pytest
import sqlalchemy as sa

from tests.faults.conftest import StartRig
from tests.support import moods
from tests.support.kinds import MARIADB, POSTGRESQL, long
from tests.support.proxy import CommitCutter
from tests.support.rig import Rig
from tests.support.salt import wait_until
from tests.support.targets import Target

#: The backoff's cap is 30 s.
RECOVERY_SECONDS = 40.0
FROZEN_SECONDS = 8.0
#: How often a server is killed under load.
SERVER_KILLS = int(os.environ.get("EVENTSD_SERVER_KILLS", "3"))


def restarted(target: Target) -> None:
    assert target.server
    target.server.restart()


def killed(target: Target) -> None:
    assert target.server
    target.server.kill()
    time.sleep(1)
    target.server.start()


def frozen(target: Target) -> None:
    assert target.server
    target.server.pause()
    time.sleep(FROZEN_SECONDS)
    target.server.resume()


@pytest.mark.parametrize("fault", [restarted, killed, frozen])
@pytest.mark.parametrize("target", [POSTGRESQL, MARIADB], indirect=True)
def test_a_server_that_goes_away_under_load_costs_nothing(
    rig: Rig, target: Target, fault: Callable[[Target], None]
) -> None:
    # Given
    stream = rig.stream()

    # When
    with stream.firing():
        time.sleep(1)
        fault(target)
        time.sleep(0.5)

    # Then
    rig.lives(RECOVERY_SECONDS)
    assert rig.conserved(stream) == 0
    assert rig.engine.worker()["dead_letters"] == 0
    assert rig.engine.report()["bus"]["lost"] == 0


@pytest.mark.timeout(120 + 12 * SERVER_KILLS)
@pytest.mark.parametrize("target", [POSTGRESQL, MARIADB], indirect=True)
def test_a_server_that_is_killed_again_and_again_doubles_nothing(rig: Rig, target: Target) -> None:
    # Given
    assert target.server
    stream = rig.stream(per_second=300)
    draw = random.Random(SERVER_KILLS)

    # When
    with stream.firing():
        for _ in range(SERVER_KILLS):
            written = rig.engine.worker()["written"]
            wait_until(lambda written=written: rig.engine.worker()["written"] > written, "batch that is written", 60)
            time.sleep(draw.uniform(0.0, 0.5))
            target.server.kill()
            target.server.start()

    # Then
    rig.lives(RECOVERY_SECONDS)
    assert rig.conserved(stream) == 0
    assert rig.engine.worker()["dead_letters"] == 0


@pytest.mark.parametrize("target", [POSTGRESQL, MARIADB], indirect=True)
def test_a_commit_whose_answer_is_lost_is_not_done_twice(target: Target, start_rig: StartRig) -> None:
    with CommitCutter(sa.make_url(target.url).port) as proxy:
        # Given
        through = sa.make_url(target.url).set(port=proxy.port).render_as_string(hide_password=False)
        worker = target.worker(url=through)
        rig = start_rig(target, workers={"history": worker})
        stream = rig.stream()
        rig.lives(20)

        # When
        with stream.firing():
            for cuts in range(1, 4):
                proxy.cut_next()
                wait_until(lambda cuts=cuts: proxy.cuts == cuts, "lost answer")

        # Then
        rig.lives(RECOVERY_SECONDS)
        assert rig.conserved(stream) == 0
        assert rig.engine.worker()["dead_letters"] == 0


@pytest.mark.parametrize(
    ("fault", "state"),
    [
        pytest.param(moods.table_locked, "ok", id="table locked"),
        pytest.param(moods.table_missing, "held", id="table missing"),
        pytest.param(moods.no_permission, "held", id="no permission"),
        pytest.param(moods.read_only, "retrying", id="read-only"),
        pytest.param(moods.out_of_connections, "retrying", id="out of connections"),
    ],
)
@pytest.mark.parametrize("target", [POSTGRESQL, long(MARIADB)], indirect=True)
def test_a_fault_that_refuses_everything_buries_nothing(
    target: Target, start_rig: StartRig, fault: moods.Mood, state: str
) -> None:
    # Given
    rig = start_rig(target, workers={"history": target.worker(url=moods.clerk(target))})
    stream = rig.stream(per_second=200)
    rig.lives(20)

    # When
    with stream.firing():
        time.sleep(0.3)
        with fault(target):
            wait_until(lambda: rig.engine.worker()["state"] == state, f"worker that is {state}")
            time.sleep(4)
            during = rig.engine.worker()

    # Then
    rig.lives(RECOVERY_SECONDS)
    assert rig.conserved(stream) == 0
    assert during["queued_events"] > 0
    assert during["dead_letters"] == 0
    assert rig.engine.worker()["dead_letters"] == 0
    wait_until(lambda: rig.engine.worker()["state"] == "ok", "worker that is well")
    assert rig.engine.log.count(" ERROR ") == (0 if state == "ok" else 1)
