"""SIGTERM while the database is away, hangs, or is in mid-batch: the engine ends in time, and nothing read is lost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.faults.conftest import StartRig
from tests.support.kinds import MARIADB, POSTGRESQL, SQLITE
from tests.support.rig import Rig
from tests.support.salt import wait_until
from tests.support.targets import Target

#: Salt kills an engine 5 s after it has asked.
SHUTDOWN_SECONDS = 4.0

Fault = Callable[[Target], AbstractContextManager[None]]


@contextmanager
def stopped(target: Target) -> Iterator[None]:
    assert target.server
    target.server.stop()
    yield
    target.server.start()


@contextmanager
def frozen(target: Target) -> Iterator[None]:
    assert target.server
    target.server.pause()
    yield
    target.server.resume()


@contextmanager
def in_a_batch(target: Target) -> Iterator[None]:
    """The batch has its receipts and waits for a lock on the returns."""
    with sa.create_engine(target.url, poolclass=sa.NullPool).begin() as connection:
        connection.exec_driver_sql("LOCK TABLE eventsd_returns IN ACCESS EXCLUSIVE MODE")
        yield


@contextmanager
def file_locked(target: Target) -> Iterator[None]:
    with sa.create_engine(target.url, poolclass=sa.NullPool).connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        yield
        connection.exec_driver_sql("ROLLBACK")


def under_load(target: Target) -> AbstractContextManager[None]:
    return nullcontext()


@pytest.mark.parametrize(
    ("target", "fault"),
    [
        pytest.param(*POSTGRESQL.values, under_load, id="postgresql under load"),
        pytest.param(*POSTGRESQL.values, stopped, id="postgresql stopped"),
        pytest.param(*POSTGRESQL.values, frozen, id="postgresql frozen"),
        pytest.param(*POSTGRESQL.values, in_a_batch, id="postgresql in a batch"),
        pytest.param(*MARIADB.values, frozen, id="mariadb frozen"),
        pytest.param(*SQLITE.values, under_load, id="sqlite under load"),
        pytest.param(*SQLITE.values, file_locked, id="sqlite locked"),
    ],
    indirect=["target"],
)
def test_it_ends_in_time_and_finds_everything_again(rig: Rig, target: Target, fault: Fault) -> None:
    # Given
    stream = rig.stream()
    rig.lives(20)

    # When
    with stream.firing():
        with fault(target):
            time.sleep(1.5)
            seconds = rig.engine.terminate()
            last = rig.engine.report()
        rig.engine.start()
        time.sleep(0.3)

    # Then
    assert seconds < SHUTDOWN_SECONDS
    assert last["ended"]
    assert last["bus"]["lost"] == 0
    rig.lives(40)
    rig.conserved(stream)


@pytest.mark.parametrize("target", [SQLITE], indirect=True)
def test_a_second_engine_on_a_spool_says_so_and_keeps_out(
    rig: Rig, target: Target, start_rig: StartRig, tmp_path: Path
) -> None:
    # When
    second = start_rig(target, name="second", spool={"dir": str(rig.engine.spool)}, listening=False)
    problems = wait_until(lambda: second.engine.report().get("problems"), "report of the second engine")

    # Then
    assert problems == [f"eventsd: spool.dir: another engine has {rig.engine.spool} open; give each engine its own"]
    assert second.engine.running
    stream = rig.stream()
    stream.burst(100)
    rig.lives(20)
    assert rig.conserved(stream) == 0
    assert second.engine.terminate() < SHUTDOWN_SECONDS
