"""The spool of a running engine comes back from the past, or twice: nothing it still holds is lost or doubled."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from tests.faults.conftest import StartRig
from tests.support.kinds import MARIADB, POSTGRESQL, SQLITE
from tests.support.rig import Rig, Stream
from tests.support.salt import wait_until
from tests.support.targets import Target


def _snapshot(rig: Rig, to: Path) -> Path:
    """Copy the spool as it is at one moment."""
    os.kill(rig.engine.pid, signal.SIGSTOP)
    try:
        shutil.copytree(rig.engine.spool, to)
    finally:
        os.kill(rig.engine.pid, signal.SIGCONT)
    (to / "spool.db-shm").unlink(missing_ok=True)
    return to


def _wait_for_all(rig: Rig, stream: Stream) -> None:
    rig.history.wait_for(len(stream.moments), "eventsd_returns", "jid = :jid", timeout_seconds=60, jid=stream.jid)


def _put_back(rig: Rig, copy: Path) -> None:
    shutil.rmtree(rig.engine.spool)
    shutil.copytree(copy, rig.engine.spool)


@pytest.mark.parametrize("target", [SQLITE, POSTGRESQL, MARIADB], indirect=True)
def test_a_spool_is_put_back_twice(rig: Rig, tmp_path: Path) -> None:
    # Given
    stream = rig.stream(per_second=400)
    with stream.firing():
        time.sleep(1)
        copy = _snapshot(rig, tmp_path / "copy")
        time.sleep(1)
    _wait_for_all(rig, stream)

    # When
    later = []
    for _ in range(2):
        rig.engine.kill()
        _put_back(rig, copy)
        rig.engine.start()
        later.append(rig.stream())
        later[-1].burst(1000)
        _wait_for_all(rig, later[-1])

    # Then
    for one in (stream, *later):
        wait_until(lambda: not rig.engine.worker()["queued_events"], "empty queue")
        assert rig.conserved(one) == 0
    report = rig.engine.worker()
    assert (report["renamed"], report["elsewhere"], report["lost"]) == (0, 0, 0)


@pytest.mark.parametrize("target", [POSTGRESQL, MARIADB], indirect=True)
def test_a_clone_runs_beside_the_original(target: Target, start_rig: StartRig, tmp_path: Path) -> None:
    # Given: a backlog, for the database is away, of which a second engine gets a copy
    rig = start_rig(target)
    rig.lives(30)
    assert target.server
    target.server.stop()
    stream = rig.stream()
    stream.burst(2000)
    wait_until(lambda: rig.engine.worker().get("queued_events") == 2000, "backlog", 60)
    spool = _snapshot(rig, tmp_path / "clone" / "spool")

    # When
    clone = start_rig(target, name="clone", spool={"dir": str(spool)})
    target.server.start()

    # Then
    for one in (rig, clone):
        wait_until(lambda one=one: one.engine.worker().get("queued_events") == 0, "empty queue", 60)
    assert rig.conserved(stream) == 0
