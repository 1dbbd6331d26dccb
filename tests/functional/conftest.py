"""What the contract suite shares: every test of it runs on each database."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest
import salt._logging

from tests.support.carbon import CarbonCache
from tests.support.memory import prefer_memory
from tests.support.places import Site
from tests.support.servers import MariaDB, PostgreSQL, Server
from tests.support.stores import Database
from tests.support.templates import Template, template_of

# Salt keeps what is logged early for a terminal that pytest has taken over, and complains of that at exit.
salt._logging.shutdown_temp_handler()

#: Servers that have a fixture of their own.
_SHARED = {PostgreSQL: "postgresql", MariaDB: "mariadb", CarbonCache: "carbon"}


def pytest_configure() -> None:
    """Wait for no disk."""
    prefer_memory()


def pytest_xdist_auto_num_workers() -> int:
    """Most of these tests wait for servers half of the time, so two share a processor."""
    return 2 * (os.cpu_count() or 1)


@pytest.fixture
def fresh(database_url: str) -> Iterator[Database]:
    """An empty database, of each kind in turn."""
    made = Database(database_url)
    yield made
    made.close()


@pytest.fixture
def database(fresh: Database) -> Database:
    """An empty database; modules whose tests can share one put that in its place."""
    return fresh


@pytest.fixture(scope="session")
def carbon(installed: Callable[[type[CarbonCache]], CarbonCache]) -> Iterator[CarbonCache]:
    """Graphite's carbon-cache; a test that stops it starts it again."""
    with installed(CarbonCache) as server:
        yield server


@pytest.fixture(scope="session")
def _shared() -> Iterator[dict[str, Database]]:
    """The databases whose tables are emptied rather than made anew, by kind."""
    databases: dict[str, Database] = {}
    yield databases
    for database in databases.values():
        database.close()


@pytest.fixture(scope="session")
def lasting(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Database]:
    """Makes an empty database of a kind that outlasts the test."""

    def make(kind: str) -> Database:
        if kind == "sqlite":
            return Database(f"sqlite:///{tmp_path_factory.mktemp('lasting') / 'history.db'}")
        server: Server = request.getfixturevalue(kind)
        return Database(server.new_database())

    return make


@pytest.fixture(scope="session")
def template(request: pytest.FixtureRequest, lasting: Callable[[str], Database]) -> Callable[[str], Template]:
    """Gives a database of a kind that can be copied."""

    @cache
    def give(kind: str) -> Template:
        return Template(lasting(kind), None) if kind == "sqlite" else template_of(request.getfixturevalue(kind))

    return give


@pytest.fixture
def made(database_kind: str, template: Callable[[str], Template], tmp_path: Path) -> Iterator[Database]:
    """A database of the test's own with our tables, for tests that change these."""
    database = Database(template(database_kind).copy(tmp_path))
    yield database
    database.close()


@pytest.fixture
def tables(database_kind: str, lasting: Callable[[str], Database], _shared: dict[str, Database]) -> Database:
    """A database with our tables, nothing in them; much cheaper than one without, for tests that leave them whole."""
    if database_kind not in _shared:
        _shared[database_kind] = lasting(database_kind)
        _shared[database_kind].make_tables()
    _shared[database_kind].empty()
    return _shared[database_kind]


@pytest.fixture(
    params=[
        pytest.param("postgresql", marks=pytest.mark.database("postgresql")),
        pytest.param("mariadb", marks=pytest.mark.database("mariadb")),
    ]
)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server, of each kind in turn, that runs again when a test that stopped it ends."""
    server: Server = request.getfixturevalue(request.param)
    yield server
    if not server.running:
        server.start()


@pytest.fixture
def served(server: Server) -> Iterator[Database]:
    """An empty database of the server's."""
    made = Database(server.new_database())
    yield made
    made.close()


@pytest.fixture
def mine(tables: Database) -> Iterator[Database]:
    """A database with our tables, nothing in them, that may have tables of the user's own until the test ends."""
    yield tables
    tables.close()
    tables.drop_own_tables()


@pytest.fixture(scope="session")
def servers(
    installed: Callable[[type[Server]], Server], request: pytest.FixtureRequest
) -> Iterator[Callable[[type[Server]], Server]]:
    """Starts a server when the first place asks for it, and again if a test has left it stopped."""
    with ExitStack() as stack:
        started: dict[type[Server], Server] = {}

        def running(kind: type[Server]) -> Server:
            if kind not in started:
                shared = _SHARED.get(kind)
                started[kind] = request.getfixturevalue(shared) if shared else stack.enter_context(installed(kind))
            if not started[kind].running:
                started[kind].start()
            return started[kind]

        yield running


@pytest.fixture
def place(request: pytest.FixtureRequest, servers: Callable[[type[Server]], Server], tmp_path: Path) -> Iterator[Site]:
    """A place with nothing in it."""
    made = Site(request.param(servers, tmp_path))
    yield made
    made.close()
