"""
What the fault tests share: one master whose bus they use, engines of their own on it, and servers that can be killed.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import salt._logging
from nats.js.errors import NotFoundError

from tests.conftest import _installed
from tests.support.central import Line, SmallMaster, Writer
from tests.support.nats_cluster import NatsCluster
from tests.support.nodes import Master, master_config
from tests.support.rig import Engine, Rig
from tests.support.servers import PASSWORD, USER, MariaDB, PostgreSQL, Server
from tests.support.targets import Target

# Salt keeps what is logged early for a terminal that pytest has taken over, and complains of that at exit.
salt._logging.shutdown_temp_handler()

StartRig = Callable[..., Rig]
StartLine = Callable[..., Line]

#: The stream of a line's masters and writers.
STREAM = "EVENTSD"

#: The quick ones first; what is not named here comes before them.
_ORDER = (
    *("spool_model", "spool_copies", "hostile", "canary", "poison", "workers"),
    *(
        "shutdown",
        "spool_full",
        "databases",
        "server_disk",
        "central",
        "central_apart",
        "engine_killed",
        "spool_disk",
        "master",
        "bus",
    ),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests that take long at the end."""
    ranks = {f"test_{name}": rank for rank, name in enumerate(_ORDER, 1)}
    here = Path(__file__).parent
    items.sort(key=lambda item: ranks.get(item.path.stem, 0) if item.path.parent == here else 0)


@pytest.fixture(scope="session")
def salt_factories_config() -> Iterator[dict[str, Any]]:
    """Short paths: a unix socket's may have 107 bytes, and pytest's temporary folders are deep."""
    folder = Path(tempfile.mkdtemp(prefix="eventsd-"))
    yield {"root_dir": folder, "inject_sitecustomize": False, "start_timeout": 90}
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def bus_master(salt_factories: Any) -> Iterator[Master]:
    """A master without an engine: a bus."""
    daemon = salt_factories.salt_master_daemon("bus", overrides=master_config(engines=[], worker_threads=3))
    with daemon.started():
        yield Master(daemon)


# Unlike the servers of the other tests, these keep what they have committed when they are killed.
@pytest.fixture(scope="session")
def postgresql(request: pytest.FixtureRequest) -> Iterator[PostgreSQL]:
    """A PostgreSQL server; a test that breaks it mends it."""
    with _installed(partial(PostgreSQL, synchronous_commit="on", full_page_writes="on"), request.config) as server:
        yield server


@pytest.fixture(scope="session")
def mariadb(request: pytest.FixtureRequest) -> Iterator[MariaDB]:
    """A MariaDB server; a test that breaks it mends it."""
    with _installed(partial(MariaDB, innodb_flush_log_at_trx_commit="2"), request.config) as server:
        yield server


@pytest.fixture
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Target:
    """A database with our tables, on what the test's parameter names."""
    if request.param == "sqlite":
        made = Target(f"sqlite:///{tmp_path / 'history.db'}")
    else:
        server: Server = request.getfixturevalue(request.param)
        made = Target(server.new_database(), server)
    made.make_tables()
    return made


@pytest.fixture
def start_rig(bus_master: Master, tmp_path: Path) -> Iterator[StartRig]:
    """Return a function that starts an engine which writes into a target, with further options."""
    rigs: list[Rig] = []

    def start(
        target: Target,
        *,
        name: str = "engine",
        listening: bool = True,
        master: Master = bus_master,
        **eventsd: Any,
    ) -> Rig:
        eventsd = {"workers": {"history": target.worker()}, **eventsd}
        engine = Engine(tmp_path / name, master.daemon.config["conf_file"], eventsd)
        rigs.append(Rig(engine, master.bus, target.history))
        engine.start(listening=listening)
        return rigs[-1]

    yield start
    for rig in rigs:
        rig.engine.close()


@pytest.fixture
def rig(target: Target, start_rig: StartRig) -> Rig:
    """An engine that writes into the test's target, and nothing special."""
    return start_rig(target)


@pytest.fixture(scope="session")
def cluster(installed: Callable[[type[NatsCluster]], NatsCluster]) -> Iterator[NatsCluster]:
    """Three nodes; a test that breaks one mends it."""
    with installed(NatsCluster) as made:
        yield made


@pytest.fixture
def start_line(cluster: NatsCluster, target: Target, tmp_path: Path) -> Iterator[StartLine]:
    """Return a function that starts masters and writers, over a stream of the test's own."""
    with ExitStack() as stack:

        def start(*, masters: int = 2, writers: int = 3, confirm: str = "broker", preludes: Sequence[str] = ()) -> Line:
            login: dict[str, Any] = {"url": cluster.addresses, "user": USER, "password": PASSWORD, "stream": STREAM}
            options = {**login, "replicas": 3, "confirm": confirm, "timeout": 5}
            senders = [SmallMaster(tmp_path, f"master-{number}", options).start() for number in range(1, masters + 1)]
            for sender in senders:
                stack.callback(sender.close)
            eventsd = {"source": {**login, "timeout": 5}, "workers": {"history": {"module": "sql", **target.worker()}}}
            given = [*preludes, *[""] * (writers - len(preludes))]
            takers = [Writer(tmp_path, f"writer-{at}", eventsd, prelude) for at, prelude in enumerate(given, 1)]
            for taker in takers:
                stack.callback(taker.close)
                taker.start()
            line = Line(senders, takers, target.history)
            line.lives()
            return line

        yield start
    for name in (STREAM, f"{STREAM}_DEAD"):
        with suppress(NotFoundError):
            cluster.wipe_stream(name)
