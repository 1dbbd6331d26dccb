"""The indexes of a large history: made beside whoever writes, and gone on with after an interruption."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
import sqlalchemy as sa

from salt_eventsd.database import migrate, schema
from salt_eventsd.database.dialects import dialect_of
from salt_eventsd.database.engines import SqlOptions, make_engine
from salt_eventsd.database.migrations.builder import build
from salt_eventsd.exceptions import Transient
from tests.support.events import returned, state_result
from tests.support.old_tables import make_old_tables
from tests.support.stores import Database, batch_of
from tests.support.versions import differences

#: Nobody who writes waits longer, in seconds.
LONGEST = 2.0
RUN = {
    "file_|-a_|-a_|-managed": state_result(number=0, changes={"a": "b"}),
    "cmd_|-b_|-b_|-run": state_result(number=1, changes={}, result=False),
}


@pytest.fixture
def large(served: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """A history of an older version, whose tables count as large."""
    monkeypatch.setattr("salt_eventsd.database.migrations.indexes.SMALL", -1)
    monkeypatch.setattr("salt_eventsd.database.migrations.builder._AGAIN_SECONDS", 0.1)
    make_old_tables(served, "0004")
    stamp = "'2026-01-01 00:00:00'"
    served.execute(
        "INSERT INTO eventsd_minions (minion_id, first_seen, last_seen, master_id) "
        f"VALUES ('a', {stamp}, {stamp}, 'm')",
        "INSERT INTO eventsd_returns (jid, minion_id, fun, retcode, success, test, stamp, received, master_id, digest) "
        f"VALUES ('1', 'a', 'state.apply', 2, false, false, {stamp}, {stamp}, 'm', 7)",
        *(
            "INSERT INTO eventsd_states (jid, minion_id, run_num, changed, result, stamp) "
            f"VALUES ('1', 'a', {number}, {number == 1}, {number != 0}, {stamp})"
            for number in range(3)
        ),
        # Older releases had them.
        "CREATE INDEX eventsd_returns_of_states ON eventsd_returns (minion_id, fun, stamp)",
        "CREATE INDEX eventsd_returns_of_minion ON eventsd_returns (minion_id, stamp, id, fun)",
    )
    return served


def _until_made(database: Database) -> None:
    patience = time.monotonic() + 60
    while time.monotonic() < patience:
        with database.engine.connect() as connection:
            if differences(connection) == []:
                return
        time.sleep(0.05)
    with database.engine.connect() as connection:
        assert differences(connection) == []


class Writer(threading.Thread):
    """Writes one row after the other, and notes how long each took."""

    def __init__(self, database: Database) -> None:
        super().__init__(daemon=True)
        self.database = database
        self.waits: list[float] = []
        self.done = threading.Event()

    def run(self) -> None:
        statement = sa.text(
            "INSERT INTO eventsd_returns (jid, minion_id, fun, stamp, received, master_id, digest)"
            " VALUES (:jid, 'w', 'test.ping', '2026-01-01', '2026-01-01', 'm', 1)"
        )
        with self.database.engine.connect() as connection:
            while not self.done.wait(0.002):
                begun = time.monotonic()
                connection.execute(statement, {"jid": f"w{len(self.waits)}"})
                connection.commit()
                self.waits.append(time.monotonic() - begun)


@contextmanager
def writing(database: Database) -> Iterator[Writer]:
    writer = Writer(database)
    writer.start()
    try:
        yield writer
    finally:
        writer.done.set()
        writer.join(30)


def test_writers_go_on_while_indexes_are_made(large: Database) -> None:
    # Given
    worker = large.worker()

    # When: the worker of a new release writes, beside one that has written all the time
    with writing(large) as writer:
        worker.write(batch_of([returned(RUN, jid="2", minion_id="b", fun="state.apply")]))
        _until_made(large)
        written = len(writer.waits)
        worker.write(batch_of([returned(jid="3")], first=2))

    # Then
    assert written > 0
    assert max(writer.waits) < LONGEST
    counts = {row["jid"]: (row["states"], row["states_changed"], row["states_failed"]) for row in large.rows("returns")}
    assert {counts[jid] for jid in ("1", "2", "3")} == {(3, 1, 1), (2, 1, 1), (None, None, None)}


def test_it_is_noted_that_all_are_made_and_one_that_somebody_drops_stays_dropped(large: Database) -> None:
    # Given
    engine = make_engine(SqlOptions(url=large.url))
    dialect = dialect_of(engine)
    assert not migrate.ensure(engine, dialect)
    assert build(engine)
    assert migrate.ensure(engine, dialect)

    # When
    table = large.by_kind("", "", " ON eventsd_jobs")
    large.execute(f"DROP INDEX eventsd_jobs_by_user{table}")

    # Then
    assert build(engine)
    assert migrate.ensure(engine, dialect)
    with large.engine.connect() as connection:
        assert [one[0] for one in differences(connection)] == ["add_index"]
    engine.dispose()


def test_an_index_that_was_interrupted_is_made_anew(large: Database) -> None:
    # Given: the server has one that it does not use and has to keep up to date
    if large.kind != "postgresql":
        pytest.skip("only PostgreSQL leaves half an index behind")
    engine = make_engine(SqlOptions(url=large.url))
    migrate.ensure(engine, dialect_of(engine))
    large.execute(
        "CREATE INDEX eventsd_jobs_by_user ON eventsd_jobs (tgt)",
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'eventsd_jobs_by_user'::regclass",
    )

    # When
    assert build(engine)

    # Then
    with large.engine.connect() as connection:
        assert differences(connection) == []
    assert large.query("SELECT 1 FROM pg_index WHERE NOT indisvalid") == []
    engine.dispose()


def test_a_table_in_parts_gets_its_indexes_beside_what_is_written_too(large: Database) -> None:
    # Given: the table of states has parts
    if large.kind != "postgresql":
        pytest.skip("elsewhere a table in parts is a table like any other")
    engine = make_engine(SqlOptions(url=large.url))
    migrate.ensure(engine, dialect_of(engine))
    large.execute(
        "DROP VIEW eventsd_v_changes",
        "DROP VIEW eventsd_v_conformity",
        "DROP INDEX eventsd_states_by_minion, eventsd_states_by_result",
        "ALTER TABLE eventsd_states RENAME TO eventsd_states_before",
        "ALTER TABLE eventsd_states_before RENAME CONSTRAINT eventsd_states_pkey TO eventsd_states_before_pkey",
        "CREATE TABLE eventsd_states (LIKE eventsd_states_before INCLUDING DEFAULTS,"
        " PRIMARY KEY (jid, minion_id, run_num)) PARTITION BY RANGE (jid)",
        "ALTER TABLE eventsd_states ATTACH PARTITION eventsd_states_before FOR VALUES FROM (MINVALUE) TO ('2')",
        "CREATE TABLE eventsd_states_rest PARTITION OF eventsd_states FOR VALUES FROM ('2') TO (MAXVALUE)",
    )

    # When
    with writing(large) as writer:
        assert build(engine)

    # Then
    assert max(writer.waits) < LONGEST
    with large.engine.connect() as connection:
        names = {one["name"] for one in sa.inspect(connection).get_indexes("eventsd_states")}
    assert {"eventsd_states_changed", "eventsd_states_marked", "eventsd_states_by_minion"} <= names
    assert large.query("SELECT 1 FROM pg_index WHERE NOT indisvalid") == []
    engine.dispose()


def test_two_masters_may_upgrade_at_the_same_moment(large: Database) -> None:
    # Given
    engines = [make_engine(SqlOptions(url=large.url)) for _ in range(2)]

    def upgrade(engine: sa.Engine) -> None:
        migrate.ensure(engine, dialect_of(engine))
        while not build(engine):
            time.sleep(0.05)

    # When
    with ThreadPoolExecutor(2) as pool:
        errors = [one.exception(60) for one in [pool.submit(upgrade, engine) for engine in engines]]

    # Then
    assert errors == [None, None]
    with large.engine.connect() as connection:
        assert differences(connection) == []
    for engine in engines:
        engine.dispose()


def test_an_upgrade_does_not_have_writers_wait_for_somebody_who_reads_for_long(large: Database) -> None:
    # Given: somebody reads a table that gets columns, and nobody may change it until they have done
    engine = make_engine(SqlOptions(url=large.url))
    with large.engine.connect() as reader:
        reader.execute(sa.select(sa.func.count()).select_from(sa.table(schema.returns.name)))

        # When
        with writing(large) as writer, pytest.raises(Exception, match=r"(?i)lock") as caught:
            migrate.ensure(engine, dialect_of(engine))

        # Then
        assert isinstance(dialect_of(engine).faults.classify(caught.value), Transient)
        assert max(writer.waits) < LONGEST
        reader.rollback()

    # When: they have done
    migrate.ensure(engine, dialect_of(engine))

    # Then
    with large.engine.connect() as connection:
        assert migrate.version(connection) == migrate.HEAD
    engine.dispose()
