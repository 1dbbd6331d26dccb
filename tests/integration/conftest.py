"""
Daemons for the integration tests. Starting a master takes seconds, so tests that can share one do.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import salt._logging

from tests.support.nodes import Master, Node, master_config, minion_config

# Salt keeps what is logged early for a terminal that pytest has taken over, and complains of that at exit.
salt._logging.shutdown_temp_handler()

StartMaster = Callable[..., AbstractContextManager[Master]]


@pytest.fixture(scope="session")
def salt_factories_config() -> Iterator[dict[str, Any]]:
    """
    Short paths: a unix socket's may have 107 bytes, and pytest's temporary folders are deep. Daemons are killed: an end
    in order takes each of them seconds, and tests of it bring it about themselves.
    """
    folder = Path(tempfile.mkdtemp(prefix="eventsd-"))
    yield {"root_dir": folder, "inject_sitecustomize": False, "start_timeout": 90, "slow_stop": False}
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def start_master(salt_factories: Any) -> StartMaster:
    """Return a context manager that runs a master of some name and options, and waits for its engine to listen."""

    @contextmanager
    def start(name: str, *, listening: bool = True, **options: Any) -> Iterator[Master]:
        daemon = salt_factories.salt_master_daemon(name, overrides=master_config(**options))
        with daemon.started():
            master = Master(daemon)
            if listening:
                master.wait_until_listening()
            yield master

    return start


@pytest.fixture(scope="session")
def master(start_master: StartMaster) -> Iterator[Master]:
    """A master with no options for the engine at all."""
    with start_master("plain") as running:
        yield running


@pytest.fixture(scope="session")
def minion(master: Master) -> Iterator[Node]:
    """A minion of the plain master, with an engine that listens to the minion's own bus and takes one sort of event."""
    alarms = {"tag": "company/alarm/", "into": "events"}
    daemon = master.daemon.salt_minion_daemon(
        "worker-1",
        overrides=minion_config(engines=["eventsd"], eventsd={"events": {"alarms": alarms}, "state_timer": 1}),
    )
    with daemon.started():
        node = Node(daemon)
        node.wait_until_listening()
        yield node
