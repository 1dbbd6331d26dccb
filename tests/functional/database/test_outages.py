"""Faults of the database, not of an event: nothing is buried, and the batch is written when they are over."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from salt_eventsd.exceptions import Held, Transient, WorkerError
from salt_eventsd.workers.write import Batch
from tests.support.events import numbered, returned
from tests.support.servers import PASSWORD, MariaDB, PostgreSQL, Server
from tests.support.stores import Buried, Database, batch_of

_SECRET = "pa55-of-somebody"


@pytest.fixture
def database(made: Database) -> Database:
    """A database with our tables, which a test may change."""
    return made


@pytest.mark.parametrize("table", [pytest.param(name, id=name) for name in ("returns", "minions", "receipts")])
def test_a_missing_table_holds_the_worker_until_it_is_back(database: Database, table: str) -> None:
    # Given
    worker = database.worker()
    worker.write(batch_of(numbered(1)))
    database.execute(f"ALTER TABLE eventsd_{table} RENAME TO elsewhere")
    buried = Buried()

    # When / Then
    for _ in range(2):
        with pytest.raises(Held, match=f"eventsd_{table}"):
            worker.write(batch_of(numbered(5, start=1), first=2, replay=True, buried=buried))
    assert buried.refusals == []

    # When
    database.execute(f"ALTER TABLE elsewhere RENAME TO eventsd_{table}")
    worker.write(batch_of(numbered(5, start=1), first=2, replay=True, buried=buried))

    # Then
    assert buried.refusals == []
    assert len(database.rows("returns")) == 6


def test_a_missing_column_holds_the_worker(database: Database) -> None:
    # Given
    worker = database.worker()
    worker.write(batch_of(numbered(1)))
    database.execute("ALTER TABLE eventsd_returns RENAME COLUMN duration_ms TO elsewhere")
    buried = Buried()

    # When / Then
    with pytest.raises(Held):
        worker.write(batch_of(numbered(5, start=1), first=2, buried=buried))
    assert buried.refusals == []


def test_a_user_who_may_not_write_is_held_until_he_may(served: Database, server: Server) -> None:
    # Given
    served.make_tables()
    name = sa.make_url(served.url).database or ""
    everything = "ALL TABLES IN SCHEMA public" if isinstance(server, PostgreSQL) else f"{name}.*"
    user = f"reader_{name}" if isinstance(server, PostgreSQL) else f"'reader_{name}'@'%'"
    identified = "PASSWORD" if isinstance(server, PostgreSQL) else "IDENTIFIED BY"
    server.execute(
        f"CREATE USER {user} {identified} '{_SECRET}'", f"GRANT SELECT ON {everything} TO {user}", database=name
    )
    reader = Database(server.url(name, f"reader_{name}", _SECRET))
    worker = reader.worker()
    buried = Buried()

    # When / Then
    with pytest.raises(Held, match="denied") as caught:
        worker.write(batch_of(numbered(3), buried=buried))
    assert _SECRET not in str(caught.value)
    assert buried.refusals == []

    # When
    more = f"GRANT INSERT, UPDATE, DELETE ON {everything} TO {user}"
    sequences = [f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {user}"] if isinstance(server, PostgreSQL) else []
    server.execute(more, *sequences, database=name)
    worker.write(batch_of(numbered(3), replay=True, buried=buried))

    # Then
    assert len(served.rows("returns")) == 3
    reader.close()


def test_a_user_who_may_make_no_tables_is_held(served: Database, server: Server) -> None:
    # Given
    name = sa.make_url(served.url).database or ""
    user = f"stranger_{name}" if isinstance(server, PostgreSQL) else f"'stranger_{name}'@'%'"
    identified = "PASSWORD" if isinstance(server, PostgreSQL) else "IDENTIFIED BY"
    server.execute(f"CREATE USER {user} {identified} '{_SECRET}'")
    if isinstance(server, MariaDB):
        server.execute(f"GRANT SELECT ON {name}.* TO {user}")
    else:
        server.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC", database=name)
    stranger = Database(server.url(name, f"stranger_{name}", _SECRET))

    # When / Then
    with pytest.raises(Held, match="denied"):
        stranger.worker().write(batch_of(numbered(1)))
    stranger.close()


def test_a_database_that_may_only_be_read_buries_nothing(database: Database) -> None:
    # Given
    path = sa.make_url(database.url).database
    urls = {
        "sqlite": f"sqlite:///file:{path}?mode=ro&uri=true",
        "postgresql": f"{database.url}?options=-c%20default_transaction_read_only%3Don",
        "mysql": f"{database.url}?init_command=SET+SESSION+TRANSACTION+READ+ONLY",
    }
    reading = Database(urls[database.kind])
    buried = Buried()

    # When / Then
    with pytest.raises(WorkerError, match=r"(?i)read.?only"):
        reading.worker().write(batch_of(numbered(3), buried=buried))
    assert buried.refusals == []
    assert database.rows("returns") == []
    reading.close()


def test_a_server_that_is_stopped_takes_the_batch_when_it_is_back(served: Database, server: Server) -> None:
    # Given: a worker with a connection of its own open
    worker = served.worker()
    worker.write(batch_of(numbered(1)))
    server.stop()
    buried = Buried()

    # When / Then
    for _ in range(2):
        with pytest.raises(Transient) as caught:
            worker.write(batch_of(numbered(3, start=1), first=2, replay=True, buried=buried))
        assert PASSWORD not in str(caught.value)
    with pytest.raises(Transient) as caught:
        worker.check()
    assert PASSWORD not in str(caught.value)
    assert buried.refusals == []

    # When
    server.start()
    worker.write(batch_of(numbered(3, start=1), first=2, replay=True, buried=buried))

    # Then
    assert sorted(served.column("returns", "jid")) == ["0", "1", "2", "3"]


def test_a_server_that_was_killed_takes_the_next_batch_when_it_is_back(served: Database, server: Server) -> None:
    # Given
    worker = served.worker()
    worker.write(batch_of(numbered(1)))

    # When: its connection is dead, and nobody has told it
    server.kill()
    server.start()
    worker.write(batch_of(numbered(3, start=1), first=2))

    # Then
    assert len(served.rows("returns")) == 4


def test_a_server_that_is_away_when_the_engine_starts(served: Database, server: Server) -> None:
    # Given
    server.stop()
    worker = served.worker()

    # When / Then
    with pytest.raises(Transient):
        worker.write(batch_of(numbered(2)))

    # When
    server.start()
    worker.write(batch_of(numbered(2)))

    # Then
    assert len(served.rows("returns")) == 2


@pytest.mark.parametrize(
    ("user", "password", "database"),
    [
        pytest.param("salt", _SECRET, "", id="wrong-password"),
        pytest.param("nobody-we-know", _SECRET, "", id="unknown-user"),
        pytest.param("salt", PASSWORD, "nowhere", id="unknown-database"),
    ],
)
def test_who_may_not_connect_is_told_why(server: Server, user: str, password: str, database: str) -> None:
    # Given
    worker = Database(server.url(database, user, password)).worker()
    buried = Buried()

    # When / Then
    for act in (lambda: worker.write(batch_of([returned()], buried=buried)), worker.check):
        with pytest.raises(WorkerError, match=rf"(?i)authentication failed|denied|{database or user}") as caught:
            act()
        assert password not in str(caught.value)
    assert buried.refusals == []


def test_values_are_not_told_with_an_error(served: Database) -> None:
    # Given
    worker = served.worker()
    worker.write(batch_of(numbered(1)))
    served.execute("ALTER TABLE eventsd_returns RENAME TO elsewhere")

    # When
    with pytest.raises(Held) as caught:
        worker.write(batch_of([returned("the-value-itself")], first=2))

    # Then
    assert "the-value-itself" not in str(caught.value)
    assert "INSERT" not in str(caught.value)


def write_at_last(worker: Any, batch: Batch) -> list[WorkerError]:
    """Try until the batch is taken, and return what was said before."""
    errors: list[WorkerError] = []
    while len(errors) < 4:
        try:
            worker.write(batch)
            break
        except WorkerError as exc:
            errors.append(exc)
    return errors


def test_a_database_that_is_made_anew_gets_its_tables_again(served: Database, server: Server) -> None:
    # Given
    name = sa.make_url(served.url).database
    worker = served.worker()
    worker.write(batch_of(numbered(3)))

    # When
    if served.kind == "postgresql":
        server.execute(f"DROP DATABASE {name} WITH (FORCE)", f"CREATE DATABASE {name}")
    else:
        server.execute(f"DROP DATABASE {name}", f"CREATE DATABASE {name}")
    errors = write_at_last(worker, batch_of(numbered(5), first=2, replay=True))

    # Then
    assert len(errors) <= 3
    assert len(served.rows("returns")) == 5


@pytest.mark.parametrize(
    "take_away",
    [
        pytest.param(lambda path: path.unlink(), id="deleted"),
        pytest.param(lambda path: path.rename(path.with_name("elsewhere")), id="renamed"),
    ],
)
def test_a_sqlite_file_that_is_taken_away_is_made_anew(tmp_path: Path, take_away: Callable[[Path], object]) -> None:
    # Given
    path = tmp_path / "history.db"
    database = Database(f"sqlite:///{path}")
    worker = database.worker()
    worker.write(batch_of(numbered(3)))

    # When
    take_away(path)
    errors = write_at_last(worker, batch_of(numbered(5), first=2, replay=True))
    worker.write(batch_of(numbered(2, start=5), first=3))
    worker.close()

    # Then
    assert errors == []
    assert len(database.rows("returns")) == 7
