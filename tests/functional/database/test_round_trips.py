"""
What a batch asks a server for. It is written boldly, and carefully only if something in it is refused; a large one as
long as that is seldom.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from salt_eventsd.database.engines import SqlOptions, make_engine
from salt_eventsd.database.store import Store
from tests.support.events import returned
from tests.support.kinds import MARIADB
from tests.support.stores import NODE, Buried, Database, batch_of

#: A batch of more events is large.
_FEW = 100


@pytest.fixture
def database(made: Database) -> Database:
    """A database with our tables, which a test may change."""
    return made


@pytest.fixture
def engine(database: Database) -> Iterator[Engine]:
    """What a worker writes with."""
    made = make_engine(SqlOptions(url=database.url))
    yield made
    made.dispose()


@pytest.fixture
def store(engine: Engine) -> Iterator[Store]:
    """A worker that knows the database."""
    made = Store(engine, NODE)
    made.write(batch_of([returned(1, jid="1")]))
    yield made
    made.close()


def _asked(engine: Engine, what: str) -> list[str]:
    """A list that grows each time an engine begins a transaction, or a savepoint."""
    times: list[str] = []
    sa.event.listen(engine, what, lambda *_: times.append(what))
    return times


@pytest.mark.parametrize("count", [pytest.param(1, id="one"), pytest.param(_FEW, id="few")])
def test_a_small_batch_has_no_savepoint(database: Database, engine: Engine, store: Store, count: int) -> None:
    # Given: to copy rows in takes one
    savepoints = _asked(engine, "savepoint")
    own = 0 if database.kind == "sqlite" or count < 20 else 1

    # When
    store.write(batch_of([returned(n, jid="2") for n in range(count)], first=2))

    # Then
    assert len(savepoints) <= own
    assert len(database.column("returns", "jid")) == count + 1


def test_a_large_batch_has_no_savepoint_but_to_copy_rows_in(database: Database, engine: Engine, store: Store) -> None:
    # Given
    savepoints = _asked(engine, "savepoint")

    # When
    store.write(batch_of([returned(n, jid="2") for n in range(_FEW + 1)], first=2, replay=True))

    # Then
    assert len(savepoints) <= (0 if database.kind == "sqlite" else 1)
    assert len(database.column("returns", "jid")) == _FEW + 2


def test_a_large_batch_is_not_tried_twice_each_time(database: Database, engine: Engine, store: Store) -> None:
    # Given: what minions send is not to make all of them be tried once more
    database.refuse("returns", "fun = 'poison'")
    tried = _asked(engine, "begin")
    buried, count = Buried(), 8

    # When
    for turn in range(count):
        events = [returned(n, jid=str(turn), fun="poison" if n == 7 else "test.ping") for n in range(_FEW + 1)]
        store.write(batch_of(events, first=2 + turn, buried=buried))

    # Then
    assert buried.positions == [7] * count
    assert len(tried) - count == 3


def test_of_a_small_batch_the_bad_event_alone_is_buried(database: Database, engine: Engine, store: Store) -> None:
    # Given
    database.refuse("returns", "fun = 'poison'")
    savepoints = _asked(engine, "savepoint")
    buried = Buried()

    # When
    store.write(batch_of([returned(2, jid="2", fun="poison"), returned(3, jid="3")], first=2, buried=buried))

    # Then
    assert savepoints
    assert buried.positions == [0]
    assert buried.calls == [{2}]
    assert database.column("returns", "jid") == ["1", "3"]
    assert database.column("receipts", "chunk") == [1, 2]


def test_a_replay_is_written_carefully_at_once(engine: Engine, store: Store) -> None:
    # Given
    savepoints = _asked(engine, "savepoint")

    # When
    store.write(batch_of([returned(2, jid="2")], first=2, replay=True))

    # Then
    assert savepoints


@pytest.mark.database("mariadb")
@pytest.mark.parametrize("database_kind", [MARIADB], indirect=True)
def test_nothing_is_rolled_back_behind_a_commit(database: Database, store: Store) -> None:
    # Given
    rolled_back = "SHOW GLOBAL STATUS LIKE 'Com_rollback'"
    before = database.query(rolled_back)

    # When
    for number in range(2, 12):
        store.write(batch_of([returned(number, jid=str(number))], first=number))

    # Then: those who look have connections of other drivers' ways
    assert int(database.query(rolled_back)[0][1]) - int(before[0][1]) < 10


@pytest.mark.database("mariadb")
@pytest.mark.parametrize("database_kind", [MARIADB], indirect=True)
def test_what_nobody_commits_is_rolled_back(database: Database, engine: Engine) -> None:
    # Given: a connection over which something was committed
    database.execute("CREATE TABLE said (what TEXT)")
    with engine.connect() as connection, connection.begin():
        connection.exec_driver_sql("INSERT INTO said VALUES ('kept')")

    # When: somebody gives it back in the middle of what he does
    with engine.connect() as connection:
        connection.connection.cursor().execute("INSERT INTO said VALUES ('stray')")

    # Then
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT @@in_transaction").scalar() == 0
    assert database.query("SELECT what FROM said") == [("kept",)]
