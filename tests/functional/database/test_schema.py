"""The tables: made when missing, their version kept, and the same in the models and after the migrations."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from salt_eventsd.database import migrate, schema
from salt_eventsd.database.dialects import dialect_for
from salt_eventsd.database.engines import SqlOptions, make_engine
from salt_eventsd.exceptions import Held, Transient, WorkerError
from salt_eventsd.workers.write import Batch, Worker
from tests.support.events import returned
from tests.support.old_tables import make_old_tables
from tests.support.servers import Server
from tests.support.stores import Database, batch_of
from tests.support.versions import differences


def test_tables_are_made_when_missing_and_their_version_is_kept(database: Database) -> None:
    # When
    database.worker().write(batch_of([returned()]))

    # Then
    with database.engine.connect() as connection:
        assert set(sa.inspect(connection).get_table_names()) == {*schema.metadata.tables, schema.VERSION_TABLE}
        assert migrate.version(connection) == migrate.HEAD


def test_the_migrations_make_what_the_models_say(database: Database) -> None:
    # Given
    database.worker().write(batch_of([returned()]))

    # When
    with database.engine.connect() as connection:
        found = differences(connection, compare_type=True, compare_server_default=True)

    # Then
    assert found == []


def test_engines_may_make_the_tables_at_the_same_moment(database: Database) -> None:
    # Given
    count = 4
    start = threading.Barrier(count)
    errors: list[Exception] = []

    def write(number: int) -> None:
        worker = database.worker()
        batch = batch_of([returned(jid=str(number))], spool=f"spool-{number}")
        start.wait(30)
        try:
            _write(worker, batch, busy_is_fine=database.kind == "sqlite")
        except Exception as exc:
            errors.append(exc)

    # When
    threads = [threading.Thread(target=write, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    # Then
    assert errors == []
    assert sorted(database.column("returns", "jid")) == ["0", "1", "2", "3"]


def test_several_databases_may_be_made_at_the_same_moment(tmp_path: Path, server: Server) -> None:
    # Given: the workers of one engine, each with a database of its own
    databases = [
        Database(url)
        for url in (
            server.new_database(),
            f"sqlite:///{tmp_path}/a.db",
            server.new_database(),
            f"sqlite:///{tmp_path}/b.db",
        )
    ]
    workers = [database.worker() for database in databases]
    start = threading.Barrier(len(databases))

    def write(worker: Worker) -> None:
        start.wait(30)
        worker.write(batch_of([returned()]))

    # When
    with ThreadPoolExecutor(len(databases)) as pool:
        errors = [one.exception() for one in [pool.submit(write, worker) for worker in workers]]

    # Then
    assert errors == [None] * len(databases)
    assert [len(database.rows("returns")) for database in databases] == [1] * len(databases)
    for database in databases:
        database.close()


@pytest.mark.parametrize("steps", [1, 3, 4, 9, 13])
def test_a_migration_that_was_cut_off_is_gone_on_with(database: Database, steps: int) -> None:
    # Given: the connection is lost when so many tables and indexes have been made
    made = 0

    def cut(connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        nonlocal made
        made += statement.lstrip().startswith("CREATE") and schema.VERSION_TABLE not in statement
        if made == steps:
            connection.invalidate()
            raise ConnectionError("cut off")

    engine = make_engine(SqlOptions(url=database.url))
    sa.event.listen(engine, "after_cursor_execute", cut)
    with pytest.raises(Exception, match="cut off"):
        migrate.ensure(engine, dialect_for(engine.dialect.name))
    engine.dispose()

    # When
    database.worker().write(batch_of([returned()]))

    # Then
    assert len(database.rows("returns")) == 1
    with database.engine.connect() as connection:
        assert differences(connection) == []


def test_a_table_of_somebody_elses_is_not_taken_for_ours(database: Database) -> None:
    # Given
    database.execute("CREATE TABLE eventsd_events (id INTEGER PRIMARY KEY)")

    # When
    with pytest.raises(WorkerError, match="already exists"):
        database.worker().write(batch_of([returned()]))

    # Then
    with database.engine.connect() as connection:
        assert migrate.version(connection) is None


def _write(worker: Worker, batch: Batch, busy_is_fine: bool) -> None:
    """A new SQLite file is busy for a moment while somebody turns its write-ahead log on; the engine tries again."""
    try:
        worker.write(batch)
    except Transient:
        if not busy_is_fine:
            raise
        time.sleep(0.5)
        worker.write(batch)


def _fill_old_tables(database: Database) -> None:
    stamp = "'2026-01-01 00:00:00'"
    database.execute(
        "INSERT INTO eventsd_jobs (jid, kind, fun, stamp, master_id, minions, minion_count) "
        f"VALUES ('1', 'job', 'state.apply', {stamp}, 'm', '[\"a\"]', 1)",
        "INSERT INTO eventsd_returns (jid, minion_id, fun, retcode, stamp, received, master_id, digest) "
        f"VALUES ('1', 'a', 'state.apply', 2, {stamp}, {stamp}, 'm', 7)",
        "INSERT INTO eventsd_states (jid, minion_id, run_num, changed, stamp) "
        f"VALUES ('1', 'a', 0, {database.by_kind('1', 'true', '1')}, {stamp})",
    )


def test_a_history_of_version_1_is_upgraded_and_kept(database: Database) -> None:
    # Given
    make_old_tables(database, "0001")
    _fill_old_tables(database)

    # When
    database.worker().write(batch_of([returned(jid="2", retcode=3221225477)]))

    # Then
    assert database.column("returns", "retcode") == [2, 3221225477]
    [state] = database.rows("states")
    assert (state["jid"], bool(state["changed"]), state["test"], state["fun"]) == ("1", True, None, None)
    assert database.column("jobs", "syndics") == [None]
    with database.engine.connect() as connection:
        assert differences(connection) == []


def test_a_large_history_is_not_written_anew_for_the_sake_of_codes(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given
    make_old_tables(database, "0001")
    _fill_old_tables(database)
    monkeypatch.setattr("salt_eventsd.database.migrations.steps.size_of", lambda *_: 2**40)

    # When
    database.worker().write(batch_of([returned(jid="2", retcode=3221225477)]))

    # Then: it is the same code, as Windows itself shows it
    narrow = database.kind != "sqlite"
    assert database.column("returns", "retcode") == [2, -1073741819 if narrow else 3221225477]

    # When: somebody has had the time
    if narrow:
        if database.kind == "postgresql":
            [(view,)] = database.query("SELECT pg_get_viewdef('eventsd_v_failures'::regclass)")
            database.execute(
                "DROP VIEW eventsd_v_failures",
                "ALTER TABLE eventsd_returns ALTER COLUMN retcode TYPE BIGINT",
                f"CREATE VIEW eventsd_v_failures AS {view}",
            )
        else:
            database.execute("ALTER TABLE eventsd_returns MODIFY COLUMN retcode BIGINT")
        database.worker().write(batch_of([returned(jid="3", retcode=3221225477)], first=2))
        assert database.column("returns", "retcode")[-1] == 3221225477


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_an_upgrade_that_was_cut_off_is_gone_on_with(database: Database, steps: int) -> None:
    # Given: the connection is lost when so many columns have been added or changed
    make_old_tables(database, "0001")
    _fill_old_tables(database)
    made = 0

    def cut(connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        nonlocal made
        made += statement.lstrip().startswith("ALTER")
        if made == steps:
            connection.invalidate()
            raise ConnectionError("cut off")

    engine = make_engine(SqlOptions(url=database.url))
    sa.event.listen(engine, "after_cursor_execute", cut)
    with pytest.raises(Exception, match="cut off"):
        migrate.ensure(engine, dialect_for(engine.dialect.name))
    engine.dispose()

    # When
    database.worker().write(batch_of([returned(jid="2")]))

    # Then
    assert len(database.rows("returns")) == 2
    with database.engine.connect() as connection:
        assert differences(connection) == []


def test_tables_of_a_newer_release_are_left_alone(database: Database) -> None:
    # Given
    database.worker().write(batch_of([returned(jid="1")]))
    database.execute(f"UPDATE {schema.VERSION_TABLE} SET version_num = '9999'")

    # When / Then
    with pytest.raises(Held, match="version 9999"):
        database.worker().write(batch_of([returned(jid="2")], first=2))
    assert database.column("returns", "jid") == ["1"]


def test_tables_of_others_are_left_alone(database: Database) -> None:
    # Given
    database.execute("CREATE TABLE inventory (id INTEGER)", "INSERT INTO inventory VALUES (7)")

    # When
    database.worker().write(batch_of([returned()]))

    # Then
    with database.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT id FROM inventory").scalar_one() == 7


def test_check_tells_the_version_and_makes_nothing(database: Database) -> None:
    # Given
    worker = database.worker()

    # When / Then
    assert worker.check() == "reachable, tables not made yet"
    with database.engine.connect() as connection:
        assert sa.inspect(connection).get_table_names() == []

    # When / Then
    worker.write(batch_of([returned()]))
    assert worker.check() == f"reachable, tables of version {migrate.HEAD}"
