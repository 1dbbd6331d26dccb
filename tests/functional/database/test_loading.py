"""MariaDB is tables by ``LOAD DATA LOCAL`` where that leaves what an insert would, and no server gets a file for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from unittest import mock

import pytest
import sqlalchemy as sa

from salt_eventsd.database import schema
from salt_eventsd.database.dialects import MySQL
from salt_eventsd.database.dialects.base.quickly import LARGE_VALUE
from salt_eventsd.database.dialects.mysql import connection as connections
from salt_eventsd.database.dialects.mysql.loading import by_load, takes_bytes
from salt_eventsd.database.engines import SqlOptions, make_engine, make_reader
from salt_eventsd.database.rows import RowBuilder
from salt_eventsd.exceptions import WorkerError
from tests.support.events import numbered, returned
from tests.support.hijack import Hijack
from tests.support.kinds import MARIADB
from tests.support.stores import Database, batch_of
from tests.support.ways import forced

pytestmark = [pytest.mark.database("mariadb"), pytest.mark.parametrize("database_kind", [MARIADB], indirect=True)]

_COLUMNS = [column.name for column in schema.returns.columns if column.name != "id"]
_BAD = [
    ("jid", "x" * 300),
    ("retcode", "zz"),
    ("retcode", 2**80),
    ("retcode", ""),
    ("stamp", "2026-13-45 00:00:00"),
    ("minion_id", None),
    ("return", "{"),
    ("fun", "\ud800"),
]
#: A file that is on every machine.
_FILE = "/etc/passwd"


@pytest.fixture
def altered(database_url: str) -> Iterator[Database]:
    """A database that a test may change."""
    made = Database(database_url)
    made.make_tables()
    yield made
    made.close()


def loads(database: Database) -> int:
    """How many statements have loaded rows, on the whole server."""
    return int(database.query("SHOW GLOBAL STATUS LIKE 'Com_load'")[0][1])


def rows_of(number: int) -> list[dict[str, Any]]:
    """Rows of as many returns."""
    builder = RowBuilder("master-1", MySQL())
    return [row for event in numbered(number) for table, row in builder.rows(event) if table == "returns"]


def test_many_rows_are_loaded_by_a_user_without_further_rights(tables: Database) -> None:
    # Given
    schema_name = sa.make_url(tables.url).database
    url = tables.new_user(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {schema_name}.* TO {{user}}")
    before = loads(tables)

    # When
    Database(url).worker().write(batch_of(numbered(50)))

    # Then
    assert len(tables.rows("returns")) == 50
    assert loads(tables) == before + 1


@pytest.mark.parametrize("as_bytes", [False, True])
def test_nothing_that_was_changed_on_its_way_is_kept(altered: Database, as_bytes: bool) -> None:
    # Given
    altered.execute("ALTER TABLE eventsd_returns ADD CHECK (json_valid(`return`))")
    load = by_load(schema.returns, _COLUMNS, 2**20, as_bytes)
    with make_engine(SqlOptions(url=altered.url)).connect() as connection:
        for column, value in _BAD:
            for modes in ("STRICT_ALL_TABLES", ""):
                connection.exec_driver_sql("SET SESSION sql_mode = %s", (modes,))
                rows = rows_of(40)
                rows[17][column] = value

                # When
                taken = load(connection, rows)

                # Then
                left = connection.exec_driver_sql("SELECT count(*) FROM eventsd_returns").scalar()
                assert (taken, left) == (None, 0), (column, value, modes)
        assert load(connection, rows_of(40)) == 40


def test_texts_go_as_bytes_unless_the_table_has_other_signs(altered: Database) -> None:
    # Given
    altered.execute("ALTER TABLE eventsd_returns CONVERT TO CHARACTER SET latin1 COLLATE latin1_bin")
    with make_engine(SqlOptions(url=altered.url)).connect() as connection:
        assert [takes_bytes(connection, table) for table in (schema.states, schema.returns)] == [True, False]
        # MySQL has other ways with bytes.
        with mock.patch.object(connection.dialect, "is_mariadb", False):
            assert not takes_bytes(connection, schema.states)
    texts = [f"\N{LATIN SMALL LETTER U WITH DIAERESIS} {number}" for number in range(30)]
    texts.append("\N{LATIN SMALL LETTER U WITH DIAERESIS}" * LARGE_VALUE)
    before = loads(altered)

    # When
    with forced("quickly"):
        altered.worker().write(batch_of([returned(text, jid=str(at)) for at, text in enumerate(texts)]))

    # Then
    assert sorted(altered.column("returns", "return")) == sorted(texts)
    assert loads(altered) == before + 1


def test_texts_stay_what_they_are_when_a_table_is_changed_meanwhile(altered: Database) -> None:
    # Given: a connection to a table that takes bytes
    texts = [f"\N{LATIN SMALL LETTER U WITH DIAERESIS} {number}" for number in range(80)]
    events = [returned(text, jid=str(at)) for at, text in enumerate(texts)]
    worker = altered.worker()
    with forced("quickly"):
        worker.write(batch_of(events[:40]))
    altered.execute("ALTER TABLE eventsd_returns CONVERT TO CHARACTER SET latin1 COLLATE latin1_bin")

    # When
    worker.write(batch_of(events[40:], first=2))

    # Then
    assert sorted(altered.column("returns", "return")) == sorted(texts)


def test_a_table_is_looked_at_again_once_somebody_may_have_changed_it(altered: Database) -> None:
    # Given
    load = by_load(schema.returns, _COLUMNS, 2**20, as_bytes=True)
    some, others, more = rows_of(90)[:30], rows_of(90)[30:60], rows_of(90)[60:]
    with make_engine(SqlOptions(url=altered.url)).connect() as connection:
        said: list[str] = []
        sa.event.listen(connection, "before_cursor_execute", lambda *args: said.append(args[2]))
        with connection.begin():
            assert [load(connection, some), load(connection, others)] == [30, 30]
        assert [one.split()[0] for one in said] == ["SAVEPOINT", "LOAD", "SELECT", "SAVEPOINT", "LOAD"]

        with connection.begin() as transaction:
            with connection.begin_nested() as savepoint:
                assert load(connection, more) == 30
                savepoint.rollback()
            # Nothing holds the table any more.
            altered.execute("ALTER TABLE eventsd_returns CONVERT TO CHARACTER SET latin1 COLLATE latin1_bin")

            # When
            with suppress(sa.exc.DBAPIError):
                assert load(connection, more) is None
            transaction.rollback()

    # Then
    assert len(altered.rows("returns")) == 60


def test_what_was_written_before_stays_where_rows_are_not_loaded(altered: Database) -> None:
    # Given
    load = by_load(schema.returns, _COLUMNS, 2**20, as_bytes=True)
    some, bad, others = rows_of(90)[:30], rows_of(90)[30:60], rows_of(90)[60:]
    bad[-1]["retcode"] = "zz"

    # When
    with make_engine(SqlOptions(url=altered.url)).connect() as connection, connection.begin():
        taken = [load(connection, rows) for rows in (some, bad, others)]

    # Then
    assert taken == [30, None, 30]
    assert sorted(altered.column("returns", "minion_id")) == sorted(row["minion_id"] for row in (*some, *others))


def test_copies_are_left_out_and_the_rest_is_written(tables: Database) -> None:
    # Given
    worker = tables.worker()
    worker.write(batch_of(numbered(100)))

    # When
    worker.write(batch_of(numbered(100, 50), first=2))

    # Then
    assert sorted(row["return"] for row in tables.rows("returns")) == [*range(150)]


def test_a_value_beyond_a_packet_is_loaded_in_pieces(tables: Database) -> None:
    # Given: a packet of the protocol has up to 16 MiB
    value = "\N{PILE OF POO}\n" * 2_900_000
    before = loads(tables)

    # When
    with forced("quickly"):
        tables.worker(load=False).write(batch_of([returned(value)]))

    # Then
    assert tables.column("returns", "return") == [value]
    assert loads(tables) == before + 1


def test_a_server_that_lets_nobody_load_is_not_asked_again(tables: Database) -> None:
    # Given: it did when the connection was made
    worker, other = tables.worker(), tables.worker()
    worker.write(batch_of(numbered(30)))
    before = loads(tables)
    tables.execute("SET GLOBAL local_infile = OFF")

    # When
    try:
        for turn in range(1, 5):
            worker.write(batch_of(numbered(30, 30 * turn), first=1 + turn))
        other.write(batch_of(numbered(30, 200), first=10))
    finally:
        tables.execute("SET GLOBAL local_infile = ON")

    # Then
    assert len(tables.rows("returns")) == 180
    assert loads(tables) <= before + 1


def test_a_table_without_transactions_is_filled_carefully(altered: Database) -> None:
    # Given: what was loaded could not be undone
    altered.execute("ALTER TABLE eventsd_returns DROP INDEX eventsd_returns_jobs_of_minion, ENGINE = Aria")
    before = loads(altered)

    # When
    altered.worker().write(batch_of(numbered(40)))

    # Then
    assert len(altered.rows("returns")) == 40
    assert loads(altered) == before


def test_a_driver_with_other_insides_is_not_meddled_with(tables: Database) -> None:
    # Given
    assert connections.knows_driver()
    before = loads(tables)

    # When
    with mock.patch.object(connections, "_USED", {connections.LoadingConnection: ("_read_packet", "_gone")}):
        tables.worker().write(batch_of(numbered(40)))

    # Then
    assert len(tables.rows("returns")) == 40
    assert loads(tables) == before


def test_who_only_reads_says_that_it_sends_nothing(tables: Database) -> None:
    for make, can_send in ((make_engine, True), (make_reader, False)):
        with make(SqlOptions(url=f"{tables.url}?local_infile=1")).connect() as connection:
            link: Any = connection.connection.dbapi_connection
            assert (link.can_send, link._local_infile) == (can_send, False)


@pytest.mark.parametrize(
    "beginning",
    ["SET NAMES", "SET SESSION sql_mode", "SELECT @@max", "SAVEPOINT", "LOAD DATA", "RELEASE", "INSERT", "COMMIT"],
)
def test_a_server_that_asks_for_a_file_gets_nothing(
    tables: Database, beginning: str, caplog: pytest.LogCaptureFixture
) -> None:
    # Given
    port = sa.make_url(tables.url).port
    assert port
    with forced("quickly"), Hijack(port, beginning, _FILE) as hijack:
        worker = Database(tables.url.replace(f":{port}/", f":{hijack.port}/")).worker()

        # When
        with suppress(WorkerError):
            worker.write(batch_of(numbered(30)))
        worker.close()

        # Then: an empty packet says that there is nothing
        assert hijack.received.result(10) == b"\0\0\0\x02"
        assert f"asked for the file b'{_FILE}'" in caplog.text
