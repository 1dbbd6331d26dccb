"""SQLite gives room back to the disk in steps, each of which has the time of a statement."""

from __future__ import annotations

import time
from pathlib import Path

import sqlalchemy as sa

from salt_eventsd.database.dialects import dialect_of
from salt_eventsd.database.engines import SqlOptions, make_engine

_ROWS = 3000
_MOST_STEPS = 10


def test_what_takes_longer_than_one_statement_may_is_given_back_all_the_same(tmp_path: Path) -> None:
    # Given: a file that is mostly free pages, and a limit of a second for each statement
    path = tmp_path / "history.db"
    engine = make_engine(SqlOptions(url=f"sqlite:///{path}", timeout=1))
    with engine.connect() as connection, connection.begin():
        connection.exec_driver_sql("CREATE TABLE many (value TEXT)")
        connection.execute(sa.text("INSERT INTO many VALUES (:value)"), [{"value": "x" * 4000}] * _ROWS)
    with engine.connect() as connection, connection.begin():
        connection.exec_driver_sql("DELETE FROM many")
    began, waits = time.monotonic(), 0

    def wait(_seconds: float) -> bool:
        nonlocal waits
        waits += 1
        time.sleep(1.5)
        return waits < _MOST_STEPS

    # When
    dialect_of(engine).upkeep.give_back(engine, wait)
    engine.dispose()

    # Then
    assert waits > 1
    assert time.monotonic() - began > 2
    assert path.stat().st_size < _ROWS * 4000 / 10
