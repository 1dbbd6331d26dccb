"""A try that fails is not repeated in the same way: the connection is made anew, what was learned is learned again."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from salt_eventsd.exceptions import Transient, WorkerError
from tests.support.events import numbered, returned
from tests.support.own import raid, to_table
from tests.support.proxy import Switch
from tests.support.servers import MariaDB, PostgreSQL, Server
from tests.support.stores import Buried, Database, batch_of


@pytest.fixture
def switch(server: Server) -> Iterator[Switch]:
    """An address of its own of the server."""
    with Switch(server.port) as made:
        yield made


def _behind(switch: Switch, database: Database) -> Database:
    url = sa.make_url(database.url).set(port=switch.port)
    return Database(url.render_as_string(hide_password=False))


@pytest.mark.database("postgresql")
def test_a_database_that_may_be_written_again_is(postgresql: PostgreSQL) -> None:
    # Given: an open connection, on which it stays as it was
    database = Database(postgresql.new_database())
    name, buried = sa.make_url(database.url).database, Buried()
    postgresql.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = off")
    database.make_tables()
    postgresql.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    worker = database.worker()
    with pytest.raises(Transient, match="read-only"):
        worker.write(batch_of(numbered(3), buried=buried))

    # When
    postgresql.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
    worker.write(batch_of(numbered(3), replay=True, buried=buried))

    # Then
    assert len(database.rows("returns")) == 3
    assert buried.refusals == []
    database.close()


@pytest.mark.database("mariadb")
@pytest.mark.parametrize(
    ("on", "off"),
    [
        pytest.param("read_only = 1", "read_only = 0", id="1290"),
        pytest.param("tx_read_only = 1", "tx_read_only = 0", id="1792"),
    ],
)
def test_a_server_that_may_be_written_again_is(mariadb: MariaDB, on: str, off: str) -> None:
    # Given: a user whom it applies to
    database = Database(mariadb.new_database())
    name, buried = sa.make_url(database.url).database, Buried()
    database.make_tables()
    mariadb.execute(f"CREATE USER plain_{name} IDENTIFIED BY 'secret'", f"GRANT ALL ON {name}.* TO plain_{name}")
    url = sa.make_url(database.url).set(username=f"plain_{name}", password="secret")
    worker = Database(url.render_as_string(hide_password=False)).worker()
    mariadb.execute(f"SET GLOBAL {on}")
    try:
        with pytest.raises(Transient, match=r"(?i)read.only"):
            worker.write(batch_of(numbered(3), buried=buried))
    finally:
        mariadb.execute(f"SET GLOBAL {off}")

    # When
    worker.write(batch_of(numbered(3), replay=True, buried=buried))

    # Then
    assert len(database.rows("returns")) == 3
    assert buried.refusals == []
    worker.close()
    database.close()


def test_an_address_that_is_moved_leads_to_another_server(
    server: Server, installed: Callable[[type[Server]], Server], switch: Switch
) -> None:
    # Given: the first has become read-only, and is still there
    database = Database(server.new_database())
    name = sa.make_url(database.url).database
    worker, buried = _behind(switch, database).worker(), Buried()
    with installed(type(server)) as other:
        other.execute(f"CREATE DATABASE {name}")
        worker.write(batch_of(numbered(1)))
        database.execute("ALTER TABLE eventsd_returns RENAME TO elsewhere")
        with pytest.raises(WorkerError):
            worker.write(batch_of(numbered(3, start=1), first=2, buried=buried))

        # When: the old connections stay open
        switch.move(other.port)
        worker.write(batch_of(numbered(3, start=1), first=2, replay=True, buried=buried))

        # Then
        moved = Database(other.url(name))
        assert moved.column("returns", "jid") == ["1", "2", "3"]
        assert buried.refusals == []
        moved.close()
    worker.close()
    database.close()


@pytest.mark.database("mariadb")
@pytest.mark.parametrize("most", [2**20, 2**16])
@pytest.mark.parametrize("own", [False, True], ids=["built-in", "own"])
def test_packets_that_must_be_smaller_all_at_once(mariadb: MariaDB, own: bool, most: int) -> None:
    # Given
    database = Database(mariadb.new_database())
    worker, buried = (
        database.worker(to_table(columns={"servername": "minion_id", "raid_state": "data.return"})),
        Buried(),
    )
    database.execute("CREATE TABLE raid_state (servername VARCHAR(20), raid_state LONGTEXT)")
    worker.write(batch_of([raid("w0"), returned(jid="0")]))
    large = raid("w1", "x" * 3_000_000) if own else returned("x" * 3_000_000, jid="1")
    batch = batch_of([large, raid("w2"), returned(jid="2")], first=2, replay=True, buried=buried)
    errors = 0
    mariadb.execute(f"SET GLOBAL max_allowed_packet = {most}")
    for (number,) in database.query(
        "SELECT id FROM information_schema.processlist WHERE db = database() AND id <> connection_id()"
    ):
        mariadb.execute(f"KILL {number}")

    # When
    try:
        while errors < 3:
            try:
                worker.write(batch)
                break
            except Transient:
                errors += 1
    finally:
        mariadb.execute("SET GLOBAL max_allowed_packet = 67108864")

    # Then
    assert errors <= 2
    assert buried.refusals == []
    assert len(database.rows("returns")) == (2 if own else 3)
    [(kept,)] = database.query(
        "SELECT raid_state FROM raid_state WHERE servername = 'w1'"
        if own
        else "SELECT `return` FROM eventsd_returns WHERE jid = '1'"
    )
    assert "eventsd_truncated" in kept or len(kept) < most
    worker.close()


@pytest.mark.parametrize("tables", [True, False], ids=["with-tables", "empty"])
def test_a_sqlite_file_that_is_replaced_is_looked_at_again(tmp_path: Path, tables: bool) -> None:
    # Given
    path, other = tmp_path / "history.db", tmp_path / "other.db"
    database = Database(f"sqlite:///{path}")
    worker = database.worker()
    worker.write(batch_of(numbered(3)))
    if tables:
        replacement = Database(f"sqlite:///{other}")
        replacement.make_tables()
        replacement.close()
    else:
        other.touch()

    # When
    for suffix in ("-wal", "-shm"):
        path.with_name(f"history.db{suffix}").unlink(missing_ok=True)
    shutil.move(other, path)
    worker.write(batch_of(numbered(2, start=3), first=2))

    # Then
    assert database.column("returns", "jid") == ["3", "4"]
    worker.close()


@pytest.mark.parametrize("when", ["idle", "within"])
def test_a_server_that_is_silent_is_given_up_in_time(served: Database, switch: Switch, when: str) -> None:
    # Given: all that is sent is acknowledged, and nothing comes back
    worker, buried = _behind(switch, served).worker(timeout=1, connect_seconds=1), Buried()
    worker.write(batch_of(numbered(1)))
    batch = batch_of(numbered(3, start=1), first=2, replay=True, buried=buried)
    if when == "within":
        engine = worker.worker._engine
        sa.event.listen(engine, "commit", lambda _: switch.be_silent(), once=True)
    else:
        switch.be_silent()

    # When
    began = time.monotonic()
    with pytest.raises(Transient) as caught:
        worker.write(batch)
    spent = time.monotonic() - began

    # Then: a connection is asked for, and made, in some seconds
    assert spent < 8
    if when == "within":
        assert "not answered within 1 s (timeout)" in str(caught.value)

    # When
    switch.be_silent(False)
    worker.write(batch)

    # Then: the answer was lost, the commit perhaps not
    assert sorted(served.column("returns", "jid")) == ["0", "1", "2", "3"]
    assert buried.refusals == []
    worker.close()


def test_a_lock_on_a_table_is_waited_for_no_longer_than_timeout(served: Database) -> None:
    # Given
    worker, buried = served.worker(timeout=1), Buried()
    worker.write(batch_of(numbered(1)))
    batch = batch_of(numbered(3, start=1), first=2, replay=True, buried=buried)
    lock = served.by_kind(
        "", "LOCK TABLE eventsd_returns IN ACCESS EXCLUSIVE MODE", "LOCK TABLES eventsd_returns WRITE"
    )

    # When
    with served.engine.connect() as other:
        other.exec_driver_sql(lock)
        began = time.monotonic()
        with pytest.raises(Transient):
            worker.write(batch)
        assert time.monotonic() - began < 6
    worker.write(batch)

    # Then
    assert len(served.rows("returns")) == 4
    assert buried.refusals == []


def test_a_statement_of_sqlite_ends_in_time(tmp_path: Path) -> None:
    # Given
    database = Database(f"sqlite:///{tmp_path / 'history.db'}")
    database.make_tables()
    database.execute(
        "CREATE TRIGGER slow BEFORE INSERT ON eventsd_returns BEGIN SELECT count(*) FROM"
        " (WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n LIMIT 1000000000); END"
    )

    # When
    began = time.monotonic()
    with pytest.raises(Transient, match=r"within 1 s \(timeout\)"):
        database.worker(timeout=1).write(batch_of(numbered(1)))

    # Then
    assert time.monotonic() - began < 5
    database.close()
