"""The spool's disk is full, or its file is torn: the engine goes on, says so, and deletes nothing."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from salt_eventsd.exceptions import SpoolError
from salt_eventsd.spool.keep import Spool
from tests.faults.conftest import StartRig
from tests.support.disks import fill, mounted
from tests.support.kinds import POSTGRESQL, SQLITE
from tests.support.lanes import chunk
from tests.support.salt import wait_until
from tests.support.targets import Target

DISK_BYTES = 6 * 2**20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of a few megabytes."""
    with mounted(tmp_path / "disk", DISK_BYTES) as folder:
        yield folder


@pytest.mark.parametrize("target", [SQLITE], indirect=True)
def test_a_disk_that_somebody_else_fills_costs_nothing(target: Target, start_rig: StartRig, small_disk: Path) -> None:
    # Given
    rig = start_rig(target, spool={"dir": str(small_disk / "spool")})
    stream = rig.stream(per_second=300, **{"return": "x" * 500})
    rig.lives(20)

    # When
    filler = small_disk / "filler"
    with stream.firing():
        fill(filler)
        error = wait_until(lambda: rig.engine.report()["spool"]["error"], "report of the full disk", 60)
        time.sleep(2)
        filler.unlink()
        wait_until(lambda: not rig.engine.report()["spool"]["error"], "spool that is well again")

    # Then
    assert "full" in error
    rig.lives(40)
    assert rig.conserved(stream) == 0
    assert rig.engine.report()["bus"]["lost"] == 0
    assert rig.engine.log.count("events wait in memory") == 1


@pytest.mark.parametrize("target", [POSTGRESQL], indirect=True)
def test_a_disk_that_the_backlog_fills_costs_nothing(target: Target, start_rig: StartRig, small_disk: Path) -> None:
    # Given
    rig = start_rig(target, spool={"dir": str(small_disk / "spool")})
    stream = rig.stream(per_second=300, **{"return": "x" * 5000})
    rig.lives(20)
    assert target.server

    # When
    target.server.stop()
    try:
        with stream.firing():
            error = wait_until(lambda: rig.engine.report()["spool"]["error"], "report of the full disk", 60)
            time.sleep(1)
    finally:
        target.server.start()

    # Then
    assert "full" in error
    rig.lives(45)
    assert rig.conserved(stream) == 0
    assert rig.engine.report()["bus"]["lost"] == 0
    assert rig.engine.report()["spool"]["set_aside"] == []


@pytest.mark.parametrize("target", [POSTGRESQL], indirect=True)
def test_what_comes_at_once_and_is_larger_than_the_disk_does_not_stick(
    target: Target, start_rig: StartRig, small_disk: Path
) -> None:
    # Given: a commit then makes chunks that are larger than what a disk such as this ever has free
    rig = start_rig(target, spool={"dir": str(small_disk / "spool"), "commit_seconds": 2})
    stream = rig.stream(**{"return": "x" * 6000})
    rig.lives(20)
    assert target.server

    # When
    target.server.stop()
    try:
        fired = len(stream.burst(1500))
        unkept = wait_until(lambda: rig.engine.report()["spool"]["unkept_events"], "events that wait in memory", 60)
    finally:
        target.server.start()

    # Then
    assert 0 < unkept < fired
    rig.history.wait_for(fired, "eventsd_returns", "jid = :jid", timeout_seconds=60, jid=stream.jid)
    rig.lives(20)
    assert rig.conserved(stream) == 0
    assert (rig.engine.report()["spool"]["unkept_events"], rig.engine.report()["spool"]["error"]) == (0, "")


def tear_the_middle(spool: Path) -> None:
    _empty_the_log(spool)
    _overwrite(spool / "spool.db", 4096)


def tear_all(spool: Path) -> None:
    _empty_the_log(spool)
    _overwrite(spool / "spool.db", 0)


def tear_the_log(spool: Path) -> None:
    _overwrite(spool / "spool.db-wal", 2000)


def _empty_the_log(spool: Path) -> None:
    """What the log has is as good as what the file has, and would mend it."""
    with sqlite3.connect(spool / "spool.db") as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()


def _overwrite(path: Path, start: int) -> None:
    with path.open("r+b") as file:
        size = os.fstat(file.fileno()).st_size
        file.seek(start)
        file.write(b"\xa5" * max(size - start, 50_000))


@pytest.mark.parametrize("tear", [tear_the_middle, tear_all, tear_the_log])
@pytest.mark.parametrize(
    "running",
    [pytest.param(True, id="while it runs"), pytest.param(False, id="while it is down", marks=pytest.mark.long)],
)
@pytest.mark.parametrize("target", [SQLITE], indirect=True)
def test_a_torn_file_is_set_aside(
    target: Target, start_rig: StartRig, tear: Callable[[Path], None], running: bool
) -> None:
    # Given
    patient = target.worker(batch={"seconds": 3.0})
    rig = start_rig(target, workers={"history": patient})
    stream = rig.stream(per_second=300, **{"return": "x" * 500})
    with stream.firing():
        time.sleep(1)
    wait_until(lambda: rig.engine.worker()["queued_events"] > 100, "backlog")

    # When
    if running:
        tear(rig.engine.spool)
    else:
        rig.engine.kill()
        tear(rig.engine.spool)
        rig.engine.start()
    with stream.firing():
        time.sleep(1)

    # Then
    rig.lives(30)
    report = rig.engine.report()
    assert rig.engine.running
    assert report["spool"]["error"] == ""
    aside = [Path(path) for path in report["spool"]["set_aside"]]
    # SQLite takes a torn log for one that is shorter, and an engine that runs need not look at what it remembers.
    assert aside or tear is tear_the_log
    for path in aside:
        assert b"\xa5" * 2000 in _all_bytes(path)
        assert f"was set aside as {path.name}" in rig.engine.log

    # When
    rig.engine.terminate()
    rig.engine.start()

    # Then
    rig.lives(30)
    told = running and tear is not tear_the_log
    rig.conserved(stream, counted=report["workers"]["history"]["lost"] if told else len(stream.moments))


def _all_bytes(path: Path) -> bytes:
    return b"".join(one.read_bytes() for one in path.parent.glob(f"{path.name}*"))


@pytest.mark.parametrize("there_before", [True, False])
def test_a_disk_that_is_full_when_the_spool_is_opened_is_told_and_no_lock_kept(
    small_disk: Path, there_before: bool
) -> None:
    # Given
    folder = small_disk / "spool"
    if there_before:
        before = Spool(folder)
        before.put([chunk(3)])
        before.close()
    filler = small_disk / "filler"
    fill(filler)

    # When
    with pytest.raises(SpoolError, match=r"eventsd: spool\.dir: ") as caught:
        Spool(folder)
    filler.unlink()
    spool = Spool(folder)

    # Then: though the error is still there
    assert caught.value
    spool.put([chunk(2)])
    assert sum(left.events for left in spool.totals().values()) == (5 if there_before else 2)
    assert spool.file.aside.paths == []
    spool.close()
