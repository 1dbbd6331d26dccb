"""An index that cannot be made keeps no other from being made; it is told once, and made once that is possible."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from salt_eventsd.database import migrate
from salt_eventsd.database.dialects import dialect_of
from salt_eventsd.database.engines import SqlOptions, make_engine
from salt_eventsd.database.migrations import builder
from tests.support.old_tables import make_old_tables
from tests.support.stores import Database
from tests.support.versions import differences

_BAD = "eventsd_jobs_by_user"


@pytest.fixture
def large(served: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """A history of an older version, whose tables count as large."""
    monkeypatch.setattr("salt_eventsd.database.migrations.indexes.SMALL", -1)
    monkeypatch.setattr(builder, "_AGAIN_SECONDS", 0.05)
    monkeypatch.setattr(builder, "_AGAIN_AT_MOST", 0.1)
    make_old_tables(served, "0004")
    return served


def _until(condition: Callable[[], bool]) -> None:
    patience = time.monotonic() + 60
    while not condition() and time.monotonic() < patience:
        time.sleep(0.05)
    assert condition()


def test_the_others_are_made_and_it_is_tried_again(
    large: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # Given
    engine = make_engine(SqlOptions(url=large.url))
    dialect = dialect_of(engine)
    assert not migrate.ensure(engine, dialect)
    tries: Counter[str] = Counter()
    is_broken = True
    make_index = type(dialect.ddl).make_index

    def make(ddl: Any, connection: sa.Connection, index: sa.Index, *, beside: bool) -> None:
        tries[str(index.name)] += 1
        if index.name == _BAD and is_broken:
            connection.exec_driver_sql("CREATE INDEX eventsd_x ON eventsd_nowhere (a)")
        make_index(ddl, connection, index, beside=beside)

    monkeypatch.setattr(type(dialect.ddl), "make_index", make)
    caplog.set_level(logging.WARNING, builder.__name__)
    thread = builder.Builder(lambda: make_engine(SqlOptions(url=large.url)))

    # When
    thread.start()
    _until(lambda: tries[_BAD] > 3)

    # Then
    with large.engine.connect() as connection:
        # One that is of no use any more stays until all are made.
        left = [index.name for kind, index in differences(connection) if kind != "remove_index"]
    assert left == [_BAD]
    assert not migrate.ensure(engine, dialect)
    [told] = [one.getMessage() for one in caplog.records if one.name == builder.__name__]
    assert f"{_BAD}: " in told
    assert "eventsd_nowhere" in told

    # When
    is_broken = False

    # Then
    _until(lambda: migrate.ensure(engine, dialect))
    with large.engine.connect() as connection:
        assert differences(connection) == []
    assert {count for name, count in tries.items() if name != _BAD} == {1}
    thread.stop()
    engine.dispose()


def test_tables_of_another_kind_keep_no_other_from_getting_theirs(large: Database) -> None:
    # Given
    if large.kind != "mysql":
        pytest.skip("only there, tables are of several kinds")
    engine = make_engine(SqlOptions(url=large.url))
    migrate.ensure(engine, dialect_of(engine))
    large.execute("ALTER TABLE eventsd_returns ENGINE = Aria")

    # When
    with pytest.raises(builder.indexes.NotMade) as caught:
        builder.build(engine)

    # Then
    assert all(name.startswith("eventsd_returns_") for name in caught.value.failed)
    with large.engine.connect() as connection:
        assert {index.table.name for _, index in differences(connection)} == {"eventsd_returns"}
    engine.dispose()
