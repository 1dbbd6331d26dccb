"""The bus breaks, or the disk or the database stalls: the engine reads on, and tells what it cannot have seen."""

from __future__ import annotations

import itertools
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psutil
import pytest

from tests.faults.conftest import StartRig
from tests.support.kinds import POSTGRESQL, SQLITE
from tests.support.nodes import Master, master_config
from tests.support.rig import Rig
from tests.support.salt import wait_until
from tests.support.targets import Target

STALL_SECONDS = 5.0


def publisher_of(master: Master) -> psutil.Process | None:
    for process in psutil.Process(master.daemon.pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if "EventPublisher" in " ".join(process.cmdline()):
                return process
    return None


@pytest.fixture
def own_master(salt_factories: Any) -> Iterator[Master]:
    """A master whose bus may be broken."""
    daemon = salt_factories.salt_master_daemon("broken", overrides=master_config(engines=[]))
    with daemon.started():
        yield Master(daemon)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("target", [SQLITE], indirect=True)
def test_a_publisher_that_is_killed_is_read_again_and_the_gap_is_told(
    target: Target, start_rig: StartRig, own_master: Master
) -> None:
    # Given
    rig = start_rig(target, master=own_master)
    publisher = wait_until(lambda: publisher_of(own_master), "publisher of the bus")
    stream = rig.stream()

    # When
    with stream.firing():
        time.sleep(1)
        killed = time.time()
        publisher.kill()
        wait_until(lambda: not rig.engine.report()["bus"]["connected"], "engine that has noticed")
        try:
            wait_until(lambda: rig.engine.report()["bus"]["connected"], "publisher that was started again", 15)
        except AssertionError:
            # Salt 3008 starts it again in a process in which it cannot run; that master has to be restarted.
            own_master.daemon.terminate()
            own_master.daemon.start()
            wait_until(lambda: rig.engine.report()["bus"]["connected"], "engine that reads the bus again", 60)
        time.sleep(1)

    # Then
    report = rig.engine.report()["bus"]
    gap = report["gaps"][0]
    assert gap["why"]
    assert killed - 0.1 <= gap["from"] <= killed + 2
    assert report["reconnects"] == len(report["gaps"])
    assert report["gaps"][-1]["to"] == report["since"]
    # What the publisher had taken and not sent on died with it.
    rig.engine.away.append((killed - 0.3, report["since"] + 0.3))
    rig.lives(10)
    assert max(stream.moments.values()) > report["since"] + 0.3
    rig.conserved(stream)


@contextmanager
def database_frozen(rig: Rig, target: Target) -> Iterator[None]:
    assert target.server
    target.server.pause()
    yield
    target.server.resume()


@contextmanager
def disk_stalls(rig: Rig, target: Target) -> Iterator[None]:
    """The spool waits for this transaction as it would for a disk that does not answer."""
    with sqlite3.connect(rig.engine.spool / "spool.db", isolation_level=None) as db:
        db.execute("BEGIN EXCLUSIVE")
        yield
        db.execute("ROLLBACK")
    db.close()


@pytest.mark.parametrize(
    ("target", "stall"),
    [
        pytest.param(*POSTGRESQL.values, database_frozen, id="database frozen"),
        pytest.param(*SQLITE.values, disk_stalls, id="disk stalls"),
    ],
    indirect=["target"],
)
def test_the_reader_waits_for_nothing(rig: Rig, target: Target, stall: Callable[[Rig, Target], Iterator[None]]) -> None:
    # Given
    stream = rig.stream(per_second=1000)
    rig.lives(20)

    # When
    received = []
    with stream.firing():
        time.sleep(0.5)
        with stall(rig, target):
            for _ in range(int(STALL_SECONDS)):
                received.append(rig.engine.report()["bus"]["received"])
                time.sleep(1)

    # Then
    rig.lives(40)
    assert rig.conserved(stream) == 0
    assert rig.engine.report()["bus"]["gaps"] == []
    assert rig.engine.report()["bus"]["lost"] == 0
    assert all(later > before for before, later in itertools.pairwise(received)), received
