"""Large rows get into MariaDB by prepared statements, which leave what an insert would."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from pymysql.err import OperationalError
from sqlalchemy.engine import Connection

from salt_eventsd.database import schema
from salt_eventsd.database.dialects.base.quickly import LARGE_VALUE
from salt_eventsd.database.dialects.mysql.connection import LoadingConnection
from salt_eventsd.database.dialects.mysql.loading import by_load
from salt_eventsd.database.dialects.mysql.prepared import MOST_ROWS, NO_STATEMENTS, Prepared
from salt_eventsd.database.engines import SqlOptions, make_engine
from salt_eventsd.event.parse import Event
from salt_eventsd.exceptions import WorkerError
from tests.support.events import numbered, returned
from tests.support.hijack import Hijack
from tests.support.kinds import MARIADB
from tests.support.stores import Buried, Database, batch_of

pytestmark = [pytest.mark.database("mariadb"), pytest.mark.parametrize("database_kind", [MARIADB], indirect=True)]

_COLUMNS = [column.name for column in schema.jobs.columns]
_LARGE = "x" * LARGE_VALUE
_BAD = [
    ("jid", "x" * 300),
    ("minion_count", "zz"),
    ("minion_count", 2**80),
    ("minion_count", ""),
    ("stamp", "2026-13-45 00:00:00"),
    ("master_id", None),
    ("load", "{"),
    ("load", msgspec.Raw(b'"\xff"')),
    ("fun", "\ud800"),
]


def done(connection: Connection, what: str) -> int:
    """How often a connection has had something done."""
    return int(connection.exec_driver_sql(f"SHOW SESSION STATUS LIKE 'Com_{what}'").one()[1])


def large(count: int, start: int = 0) -> list[Event]:
    """So many returns, each large."""
    return [returned(_LARGE, jid=str(number)) for number in range(start, start + count)]


def jobs(texts: Sequence[str | None], **values: Any) -> list[dict[str, Any]]:
    """Rows of jobs."""
    usual = dict.fromkeys(_COLUMNS) | {"apart": "", "kind": "job", "stamp": "2026-01-02 03:04:05.678901"}
    usual |= {"master_id": "m", "load": msgspec.Raw(b"{}")}
    return [{**usual, "jid": str(number), "tgt": text, **values} for number, text in enumerate(texts)]


def connect(database: Database) -> Connection:
    return make_engine(SqlOptions(url=database.url)).connect()


def test_each_way_takes_the_rows_it_is_best_at(made: Database) -> None:
    # Given
    load = by_load(schema.jobs, _COLUMNS, 2**20)
    texts = ["small", _LARGE + "x"] * (MOST_ROWS + 1) + ["y" * 2**20]
    with connect(made) as connection:
        # When
        taken = load(connection, jobs(texts)), load(connection, jobs(texts, apart="again"))

        # Then: a statement of each number of rows is prepared once
        counts = [done(connection, what) for what in ("stmt_prepare", "stmt_execute", "load")]
        found = connection.execute(sa.select(schema.jobs.c.jid, schema.jobs.c.tgt)).all()
        assert (taken, counts) == ((len(texts), len(texts)), [2, 4, 2])
        assert sorted(tuple(row) for row in found) == sorted(2 * [(str(at), text) for at, text in enumerate(texts)])


@pytest.mark.parametrize("as_bytes", [False, True])
def test_values_of_all_lengths_arrive_whole(made: Database, as_bytes: bool) -> None:
    texts = ["", None, *("z" * size for size in (1, 250, 251, 2**16 - 1, 2**16)), "\N{PILE OF POO}\0'\\" * 30_000]
    with connect(made) as connection:
        # When
        rows = [tuple(row[name] for name in _COLUMNS) for row in jobs(texts)]
        assert Prepared(schema.jobs, _COLUMNS, 2**24, as_bytes).insert(connection, rows)

        # Then
        found = connection.execute(sa.select(schema.jobs.c.jid, schema.jobs.c.tgt)).all()
        assert {int(jid): tgt for jid, tgt in found} == dict(enumerate(texts))


@pytest.mark.parametrize("as_bytes", [False, True])
@pytest.mark.parametrize("modes", ["STRICT_ALL_TABLES", ""])
@pytest.mark.parametrize(("column", "value"), _BAD)
def test_nothing_that_was_changed_on_its_way_is_kept(
    made: Database, column: str, value: Any, modes: str, as_bytes: bool
) -> None:
    # Given
    made.execute("ALTER TABLE eventsd_jobs ADD CHECK (json_valid(`load`))")
    load = by_load(schema.jobs, _COLUMNS, 2**20, as_bytes)
    with connect(made) as connection:
        connection.exec_driver_sql("SET SESSION sql_mode = %s", (modes,))
        rows = jobs([_LARGE + "x"] * 10)
        rows[3][column] = value

        # When
        taken = load(connection, rows)

        # Then
        left = connection.exec_driver_sql("SELECT count(*) FROM eventsd_jobs").scalar()
        assert (taken, left, done(connection, "load")) == (None, 0, 0)
        assert load(connection, jobs([_LARGE + "x"] * 10)) == 10


def test_large_returns_are_sent_so_and_small_ones_are_not(made: Database) -> None:
    # Given
    worker = made.worker()
    before = [int(made.query(f"SHOW GLOBAL STATUS LIKE 'Com_{what}'")[0][1]) for what in ("stmt_execute", "load")]

    # When
    worker.write(batch_of([*numbered(30), *large(MOST_ROWS, 30)]))

    # Then
    after = [int(made.query(f"SHOW GLOBAL STATUS LIKE 'Com_{what}'")[0][1]) for what in ("stmt_execute", "load")]
    assert [now - then for now, then in zip(after, before, strict=True)] == [1, 1]
    assert sorted(map(int, made.column("returns", "jid"))) == [*range(30 + MOST_ROWS)]


def test_copies_are_left_out_and_bad_ones_set_aside(made: Database) -> None:
    # Given
    worker = made.worker()
    worker.write(batch_of(large(20)))
    made.refuse("returns", "minion_id = 'bad'")
    buried = Buried()

    # When
    worker.write(batch_of([*large(20, 10), returned(_LARGE, minion_id="bad")], first=2, buried=buried))

    # Then
    assert buried.positions == [20]
    assert sorted(map(int, made.column("returns", "jid"))) == [*range(30)]


def test_a_server_without_statements_has_all_rows_loaded(tables: Database) -> None:
    # Given
    load = by_load(schema.jobs, _COLUMNS, 2**20)
    most = tables.query("SELECT @@GLOBAL.max_prepared_stmt_count")[0][0]
    tables.execute("SET GLOBAL max_prepared_stmt_count = 0")
    try:
        with connect(tables) as connection:
            # When: the rows of the first try go the careful way
            taken = [load(connection, jobs([_LARGE + "x"] * 3)) for _ in range(2)]

            # Then
            assert (taken, done(connection, "load")) == ([None, 3], 1)
    finally:
        tables.execute(f"SET GLOBAL max_prepared_stmt_count = {most}")


@pytest.mark.parametrize("number", sorted(NO_STATEMENTS))
def test_whatever_error_says_so_the_next_try_is_another(
    tables: Database, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given
    def prepare(_connection: LoadingConnection, _sql: str) -> int:
        raise OperationalError(number, "no")

    monkeypatch.setattr(LoadingConnection, "_prepare", prepare)
    load = by_load(schema.jobs, _COLUMNS, 2**20)
    with connect(tables) as connection:
        # When
        taken = [load(connection, jobs([_LARGE + "x"] * 3)) for _ in range(2)]

        # Then
        assert taken == [None, 3]


def test_a_statement_outlives_a_change_of_the_table(made: Database) -> None:
    load = by_load(schema.jobs, _COLUMNS, 2**20)
    with connect(made) as connection:
        assert load(connection, jobs([_LARGE + "x"])) == 1
        connection.commit()
        made.execute("ALTER TABLE eventsd_jobs ADD COLUMN more INTEGER")

        assert load(connection, jobs([_LARGE + "x"], apart="again")) == 1


def test_a_server_that_asks_for_a_file_gets_nothing(tables: Database, caplog: pytest.LogCaptureFixture) -> None:
    # Given
    port = sa.make_url(tables.url).port
    assert port
    with Hijack(port, "INSERT INTO eventsd_returns (`jid`", "/etc/passwd") as hijack:
        worker = Database(tables.url.replace(f":{port}/", f":{hijack.port}/")).worker()

        # When
        with suppress(WorkerError):
            worker.write(batch_of([*numbered(3), *large(1, 3)]))
        worker.close()

        # Then: an empty packet says that there is nothing
        assert hijack.received.result(10) == b"\0\0\0\x02"
        assert "asked for the file b'/etc/passwd'" in caplog.text
