"""The master is restarted under a stream, with the engine in it: what its engine has read is kept, and written once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any

import psutil
import pytest

from tests.support.kinds import POSTGRESQL, SQLITE, long
from tests.support.nodes import Master, master_config
from tests.support.resident import Resident
from tests.support.rig import COMMIT_SECONDS, UNDER_WAY_SECONDS, Rig
from tests.support.targets import Target

StartMaster = Callable[[Target], AbstractContextManager[Master]]


@pytest.fixture
def start_master(salt_factories: Any) -> StartMaster:
    """Return a context manager that runs a master with an engine that writes into a target."""

    @contextmanager
    def start(target: Target) -> Iterator[Master]:
        eventsd = {"workers": {"history": target.worker()}, "state_timer": 0.2}
        daemon = salt_factories.salt_master_daemon("restarted", overrides=master_config(eventsd=eventsd))
        with daemon.started():
            master = Master(daemon)
            master.wait_until_listening()
            yield master

    return start


def stopped(master: Master) -> None:
    master.daemon.terminate()


def killed(master: Master) -> None:
    """As by a machine that runs out of memory: the master and all its processes at once."""
    processes = [psutil.Process(master.daemon.pid), *psutil.Process(master.daemon.pid).children(recursive=True)]
    for one in processes:
        with suppress(psutil.NoSuchProcess):
            one.kill()
    psutil.wait_procs(processes, 10)
    master.daemon.terminate()


@pytest.mark.timeout(240)
@pytest.mark.parametrize("end", [stopped, killed])
@pytest.mark.parametrize("target", [SQLITE, long(POSTGRESQL)], indirect=True)
def test_a_master_that_is_restarted_loses_nothing_its_engine_has_read(
    target: Target, start_master: StartMaster, end: Callable[[Master], None]
) -> None:
    with start_master(target) as master:
        # Given
        engine = Resident(master)
        rig = Rig(engine, master.bus, target.history)
        stream = rig.stream(per_second=300)
        before = engine.pid

        # When
        with stream.firing():
            time.sleep(2)
            gone = time.time()
            end(master)
            master.daemon.start()
            master.wait_until_listening(other_than=before, timeout_seconds=60)
            time.sleep(1)

        # Then
        since = engine.report()["bus"]["since"]
        engine.away.append((gone - COMMIT_SECONDS - UNDER_WAY_SECONDS, since + UNDER_WAY_SECONDS))
        rig.lives(40)
        missing = rig.conserved(stream)
        assert missing < len(stream.moments)
        assert max(stream.moments.values()) > since + UNDER_WAY_SECONDS
        assert engine.report()["bus"]["lost"] == 0
        assert engine.worker()["dead_letters"] == 0
