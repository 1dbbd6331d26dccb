"""
Fresh databases for whatever layer wants them.

A server is started when the first test asks for it and serves all of them. One that is not installed skips its tests,
and the last lines of the run say so; where CI=true, it fails them.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import NoReturn, TypeVar
from unittest import mock

import pytest
from pymysql.connections import Connection

from salt_eventsd.database import sightings
from tests.support.browser import Browser, chromium
from tests.support.servers import MariaDB, PostgreSQL, Server, ServerMissing
from tests.support.ways import forced_everywhere

AnyServer = TypeVar("AnyServer", bound=Server)

_MISSING = pytest.StashKey[dict[str, str]]()


@pytest.fixture(scope="session", autouse=True)
def _at_once() -> Iterator[None]:
    """Nothing that is known of minions is put off, but where a test says so."""
    with mock.patch.object(sightings, "EVERY_SECONDS", 0.0):
        yield


@pytest.fixture(scope="session", autouse=True)
def _way() -> Iterator[None]:
    """How rows get into databases, if the environment forces it."""
    with forced_everywhere(os.environ.get("EVENTSD_WAY", "")):
        yield


@pytest.fixture(scope="session", autouse=True)
def _certificates_read_once() -> Iterator[None]:
    """PyMySQL reads those of the system for each connection, though it asks servers for none: 25 ms of CPU time."""
    make = Connection._create_ssl_ctx
    shared = cache(lambda: make(mock.Mock(), {}))
    with mock.patch.object(Connection, "_create_ssl_ctx", lambda self, given: make(self, given) if given else shared()):
        yield


@pytest.fixture(scope="session")
def postgresql(request: pytest.FixtureRequest) -> Iterator[PostgreSQL]:
    """A PostgreSQL server; a test that stops it starts it again."""
    with _installed(PostgreSQL, request.config) as server:
        yield server


@pytest.fixture(scope="session")
def mariadb(request: pytest.FixtureRequest) -> Iterator[MariaDB]:
    """A MariaDB server; a test that stops it starts it again."""
    with _installed(MariaDB, request.config) as server:
        yield server


@pytest.fixture(
    params=[
        pytest.param("sqlite", id="sqlite"),
        pytest.param("postgresql", id="postgresql", marks=pytest.mark.database("postgresql")),
        pytest.param("mariadb", id="mariadb", marks=pytest.mark.database("mariadb")),
    ]
)
def database_kind(request: pytest.FixtureRequest) -> str:
    """Each kind of database in turn."""
    kind: str = request.param
    return kind


@pytest.fixture
def database_url(database_kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, of each kind in turn."""
    if database_kind == "sqlite":
        return f"sqlite:///{tmp_path / 'history.db'}"
    server: Server = request.getfixturevalue(database_kind)
    return server.new_database()


@pytest.fixture(scope="session")
def installed(request: pytest.FixtureRequest) -> Callable[[type[AnyServer]], AnyServer]:
    """Makes a server of a kind, to be started as a context manager; skips or fails if it is not installed."""
    return partial(_installed, config=request.config)


def _installed(kind: Callable[..., AnyServer], config: pytest.Config, **settings: str) -> AnyServer:
    try:
        return kind(**settings)
    except ServerMissing as exc:
        config.stash.setdefault(_MISSING, {})[exc.server] = str(exc)
        if os.environ.get("CI") == "true":
            pytest.fail(str(exc), pytrace=False)
        pytest.skip(str(exc))


def _do_without(program: str, lacking: str, config: pytest.Config) -> NoReturn:
    told = f"{lacking}: {program} is not installed"
    config.stash.setdefault(_MISSING, {})[program] = told
    pytest.skip(told)


@pytest.fixture(scope="session")
def program(request: pytest.FixtureRequest) -> Callable[[str, str], str]:
    """Finds a program that no package index has; tests are skipped, and the last lines say so, where it is missing."""
    return lambda name, lacking: shutil.which(name) or _do_without(name, lacking, request.config)


@pytest.fixture(scope="session")
def browser(request: pytest.FixtureRequest) -> Iterator[Browser]:
    """A browser, the same for all tests; no package index has one, so tests are skipped where none is installed."""
    path = chromium()
    if path is None:
        _do_without("chromium", "no page was looked at", request.config)
    made = Browser(path)
    yield made
    made.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say at the very end which databases nothing is known about."""
    for reason in config.stash.get(_MISSING, {}).values():
        terminalreporter.write_line(f"NOT TESTED: {reason}", red=True, bold=True)
