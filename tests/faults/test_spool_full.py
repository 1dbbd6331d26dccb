"""The spool is full, or its folder is taken away: what cannot be kept is counted, and all else is written."""

from __future__ import annotations

import time

import pytest

from tests.faults.conftest import StartRig
from tests.support.kinds import POSTGRESQL, SQLITE
from tests.support.rig import Rig
from tests.support.salt import wait_until
from tests.support.targets import Target

MOST_BYTES = 500_000


@pytest.mark.parametrize("when_full", ["drop_oldest", "drop_newest"])
@pytest.mark.parametrize("target", [POSTGRESQL], indirect=True)
def test_a_full_spool_drops_as_asked_and_counts(target: Target, start_rig: StartRig, when_full: str) -> None:
    # Given
    rig = start_rig(target, spool={"max_bytes": MOST_BYTES, "when_full": when_full})
    stream = rig.stream(per_second=300, **{"return": "x" * 1000})
    rig.lives(20)
    assert target.server

    # When
    target.server.stop()
    try:
        with stream.firing():
            wait_until(lambda: rig.engine.worker()["dropped"] > 200, "events that are dropped", 60)
        time.sleep(1)
        during = rig.engine.report()
    finally:
        target.server.start()

    # Then, once there is room again for what comes
    wait_until(lambda: rig.engine.worker()["queued_events"] == 0, "an empty spool", 60)
    rig.lives(45)
    dropped = rig.engine.worker()["dropped"]
    assert rig.conserved(stream, counted=dropped) == dropped
    assert during["spool"]["bytes"] <= MOST_BYTES
    kept = {
        row["minion_id"]
        for row in rig.history.rows("SELECT minion_id FROM eventsd_returns WHERE jid = :jid", jid=stream.jid)
    }
    assert (next(iter(stream.moments)) in kept) == (when_full == "drop_newest")
    assert rig.engine.report()["bus"]["lost"] == 0


@pytest.mark.parametrize("target", [SQLITE], indirect=True)
def test_events_wait_in_memory_while_the_spools_folder_is_away(rig: Rig) -> None:
    # Given
    stream = rig.stream(per_second=300)
    rig.lives(20)
    elsewhere = rig.engine.spool.with_name("elsewhere")

    # When
    with stream.firing():
        time.sleep(0.5)
        rig.engine.spool.rename(elsewhere)
        error = wait_until(lambda: rig.engine.report()["spool"]["error"], "report of the folder that is away")
        time.sleep(2)
        elsewhere.rename(rig.engine.spool)
        wait_until(lambda: not rig.engine.report()["spool"]["error"], "spool that is well again")
        time.sleep(0.5)

    # Then
    assert "No such file or directory" in error or "unable to open" in error
    rig.lives(40)
    assert rig.conserved(stream) == 0
    assert rig.engine.report()["bus"]["lost"] == 0
