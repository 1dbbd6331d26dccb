"""Options of the sql worker that are wrong: one line that names the key, and no password in it."""

from __future__ import annotations

import builtins
import os
from pathlib import Path
from typing import Any

import pytest
import salt.config

from salt_eventsd.exceptions import ConfigError, Held, Transient
from salt_eventsd.workers.load import load_modules, make
from salt_eventsd.workers.write import Context, Worker
from tests.support.events import numbered
from tests.support.servers import PASSWORD, USER, MariaDB, PostgreSQL, Server
from tests.support.stores import Database, batch_of

_SECRET = "pa55-of-somebody"
_AT = f"somebody:{_SECRET}@db.example.com"


def _worker(options: dict[str, Any]) -> Worker:
    opts = {**salt.config.DEFAULT_MASTER_OPTS, "extension_modules": ""}
    return make(load_modules(opts), "sql", Context("history", options, "master-1", 1, opts))


def _problem(options: dict[str, Any]) -> str:
    with pytest.raises(ConfigError) as caught:
        _worker(options)
    [problem] = caught.value.problems
    return problem


@pytest.mark.parametrize(
    ("options", "key", "says"),
    [
        pytest.param({}, "url", "missing", id="nothing"),
        pytest.param({"url": f"nosuch://{_AT}/salt"}, "url", "no SQLAlchemy dialect for 'nosuch'", id="dialect"),
        pytest.param({"url": f"oracle+oracledb://{_AT}/salt"}, "url", "oracle is not supported; expected", id="oracle"),
        pytest.param({"url": f"mysql+nosuch://{_AT}/salt"}, "url", "mysql+nosuch", id="driver-of-no-one"),
        pytest.param({"driver": "nosuch", "password": _SECRET}, "driver", "'nosuch'", id="dialect-in-parts"),
        pytest.param({"url": f"{_AT}/salt"}, "url", "not a SQLAlchemy URL", id="url-without-dialect"),
        pytest.param({"url": f"mysql://{_AT}:port/salt"}, "url", "not a SQLAlchemy URL", id="port-in-words"),
        pytest.param({"url": f"mysql://u:a@{_SECRET}@db/salt"}, "url", "written as %40", id="unescaped-at"),
        pytest.param({"url": "sqlite://"}, "url", "a database in memory ends with the engine", id="in-memory"),
        pytest.param({"url": f"mysql://{_AT}/salt", "port": -1}, "port", "from 1 to 65535, got -1", id="port-below-0"),
        pytest.param({"url": f"mysql://{_AT}/x", "connect_seconds": 0}, "connect_seconds", "above 0", id="no-time"),
        pytest.param({"url": 7}, "url", "expected", id="url-that-is-a-number"),
        pytest.param({"driver": "mysql", "port": "many", "password": _SECRET}, "port", "expected", id="odd-port"),
        pytest.param({"driver": "mysql", "password": [_SECRET]}, "password", "expected", id="odd-password"),
        pytest.param({"url": "sqlite://", "passwd": _SECRET}, "passwd", "unknown key", id="unknown-key"),
        pytest.param({"url": "sqlite://", "connect_seconds": "x"}, "connect_seconds", "expected", id="odd-seconds"),
    ],
)
def test_a_wrong_option_is_one_line_that_names_the_key(options: dict[str, Any], key: str, says: str) -> None:
    # When
    problem = _problem(options)

    # Then
    assert problem.startswith(f"eventsd: workers.history.{key}: ")
    assert says in problem
    assert "\n" not in problem
    assert _SECRET not in problem


@pytest.mark.parametrize(
    ("url", "module", "package"),
    [
        pytest.param(f"mysql+mysqldb://{_AT}/salt", "MySQLdb", "mysqlclient", id="mysqldb"),
        pytest.param(f"postgresql+psycopg://{_AT}/salt", "psycopg", "psycopg", id="psycopg"),
        pytest.param(f"postgresql+pg8000://{_AT}/salt", "pg8000", "pg8000", id="pg8000"),
        pytest.param(f"postgresql://{_AT}/salt", "psycopg2", "psycopg2", id="one-of-our-own"),
    ],
)
def test_a_missing_driver_is_named_with_what_to_install(
    url: str, module: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given: a machine without it, whatever this one has
    original = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.split(".")[0] == module:
            raise ModuleNotFoundError(f"No module named {module!r}", name=module)
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)

    # When
    problem = _problem({"url": url})

    # Then
    assert problem.startswith("eventsd: workers.history.url: driver ")
    assert f"install {package}" in problem
    assert "\n" not in problem
    assert _SECRET not in problem


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("postgresql", id="postgresql", marks=pytest.mark.database("postgresql")),
        pytest.param("mariadb", id="mariadb", marks=pytest.mark.database("mariadb")),
    ],
)
@pytest.mark.parametrize(
    "shape", [pytest.param("parts", id="parts"), pytest.param("url-and-parts", id="url-and-parts")]
)
def test_a_database_may_be_named_in_parts(kind: str, shape: str, request: pytest.FixtureRequest) -> None:
    # Given
    server: PostgreSQL | MariaDB = request.getfixturevalue(kind)
    database = Database(server.new_database())
    name = database.url.rsplit("/", 1)[1]
    parts = {"user": USER, "password": PASSWORD, "database": name}
    if shape == "parts":
        options = {"driver": kind, "host": "127.0.0.1", "port": server.port, **parts}
    else:
        options = {"url": f"{kind}://127.0.0.1:{server.port}", **parts}

    # When
    worker = _worker(options)
    worker.write(batch_of(numbered(1)))

    # Then
    assert database.column("returns", "jid") == ["0"]
    worker.close()


@pytest.mark.parametrize(
    "url",
    [
        pytest.param(f"mysql://{_AT}/salt?no_such_option=1", id="unknown-option-mysql"),
        pytest.param(f"postgresql://{_AT}/salt?no_such_option=1", id="unknown-option-postgresql"),
        pytest.param(f"mysql://somebody:{_SECRET}@127.0.0.1:99999999/salt", id="no-such-port-mysql"),
        pytest.param(f"postgresql://somebody:{_SECRET}@127.0.0.1:99999999/salt", id="no-such-port-postgresql"),
    ],
)
def test_what_only_the_driver_finds_wrong_is_no_events_fault(url: str) -> None:
    # Given
    worker = _worker({"url": url})

    # When / Then: anything but Refused, which would bury every event there is
    for act in (lambda: worker.write(batch_of(numbered(2))), worker.check):
        with pytest.raises((Held, Transient)) as caught:
            act()
        assert _SECRET not in str(caught.value)


def test_a_password_may_hold_any_character(postgresql: Server) -> None:
    # Given
    password = "p@ss:w/ord %41?#&é"
    postgresql.execute(f"CREATE USER odd SUPERUSER PASSWORD '{password}'")
    name = postgresql.new_database().rsplit("/", 1)[1]

    # When
    parts = {"host": "127.0.0.1", "port": postgresql.port, "user": "odd", "database": name}
    worker = _worker({"driver": "postgresql", "password": password, **parts})

    # Then
    assert worker.check() == "reachable, tables not made yet"
    worker.close()


def test_the_folder_of_a_sqlite_file_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    # When
    worker = _worker({"url": f"sqlite:///{tmp_path / 'a' / 'b' / 'history.db'}"})
    worker.write(batch_of(numbered(1)))

    # Then
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700
    worker.close()


@pytest.mark.parametrize(
    "url",
    ["sqlite:///{}/a/h.db", "sqlite:///file:{}/a/h.db?uri=true", "sqlite:///file:{}/a/h.db?mode=rwc&uri=true"],
)
def test_a_sqlite_file_is_made_for_its_owner_alone(tmp_path: Path, url: str) -> None:
    # Given
    umask = os.umask(0o022)
    worker = _worker({"url": url.format(tmp_path)})

    # When
    try:
        worker.write(batch_of(numbered(1)))
        modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")}
    finally:
        os.umask(umask)
    worker.close()

    # Then: what commands have returned is in all of them
    assert modes == {"a": 0o700, "h.db": 0o600, "h.db-wal": 0o600, "h.db-shm": 0o600}


def test_a_folder_that_cannot_be_made_is_named_beforehand(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(ConfigError, match=r"workers\.history\.url: .*/file is not a folder"):
        _worker({"url": f"sqlite:///{tmp_path}/file/history.db"})


def test_a_file_that_must_be_there_is_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    worker = _worker({"url": f"sqlite:///file:{tmp_path}/history.db?mode=rw&uri=true"})

    with pytest.raises((Held, Transient), match="unable to open"):
        worker.check()


def test_a_sqlite_file_that_is_there_already_stays_as_it_is(tmp_path: Path) -> None:
    # Given
    path = tmp_path / "history.db"
    path.touch()
    path.chmod(0o640)

    # When
    worker = _worker({"url": f"sqlite:///{path}"})
    worker.write(batch_of(numbered(1)))
    worker.close()

    # Then
    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("url", ["sqlite:///history.db", "sqlite:///file:history.db?uri=true"])
def test_a_relative_path_of_a_sqlite_file_is_wrong(url: str) -> None:
    with pytest.raises(ConfigError, match=r"url: 'history\.db' is a relative path; expected an absolute one"):
        _worker({"url": url})


def test_a_sqlite_file_given_as_a_uri_makes_no_folder_of_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given
    monkeypatch.chdir(tmp_path)

    # When
    worker = _worker({"url": f"sqlite:///file:{tmp_path / 'history.db'}?uri=true"})
    worker.write(batch_of(numbered(1)))

    # Then
    assert {path.name for path in tmp_path.iterdir()} <= {"history.db", "history.db-wal", "history.db-shm"}
    worker.close()
