"""What all rows have is sent to SQLite once; what is kept of it is the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from salt_eventsd.database.dialects.sqlite.bulk import by_statements

_NAMES = ("a", "b", "c", "d", "e")
#: Without types, so that SQLite keeps a value as it comes.
_TABLE = sa.Table("t", sa.MetaData(), *[sa.Column(name, sa.types.NullType()) for name in _NAMES])
_MANY = 700

Sent = list[int]


@pytest.fixture
def keep() -> Callable[[list[tuple[Any, ...]]], tuple[list[tuple[Any, ...]], Sent]]:
    """Returns what insert rows, and return what is kept, and how many values each statement had."""
    engine = sa.create_engine("sqlite://")
    with engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE TABLE t ({', '.join(_NAMES)})")
    insert = by_statements(sqlite.insert(_TABLE), _NAMES)
    sent: Sent = []

    @sa.event.listens_for(engine, "before_cursor_execute")
    def _note(_connection: Any, _cursor: Any, sql: str, values: Any, *_: Any) -> None:
        if sql.startswith("INSERT"):
            sent.append(len(values))

    def keep(rows: list[tuple[Any, ...]]) -> tuple[list[tuple[Any, ...]], Sent]:
        with engine.begin() as connection:
            connection.exec_driver_sql("DELETE FROM t")
            sent.clear()
            assert insert(connection, [dict(zip(_NAMES, row, strict=True)) for row in rows]) == len(rows)
            counts = sent[:]
            return [tuple(row) for row in connection.exec_driver_sql("SELECT * FROM t ORDER BY rowid")], counts

    return keep


def test_what_all_rows_have_is_sent_once(keep: Any) -> None:
    # Given
    rows = [(f"x{number}", None, "same", 7, number) for number in range(_MANY)]

    # When
    found, sent = keep(rows)

    # Then
    assert found == rows
    assert sent[0] == 5 + 2 * 511
    assert sum(sent) < len(rows) * 3


@pytest.mark.parametrize("first", [pytest.param(1, id="number"), pytest.param(True, id="truth"), pytest.param(1.0)])
def test_values_that_are_equal_and_not_the_same_stay_what_they_are(keep: Any, first: Any) -> None:
    # Given
    rows = [(first, first, first, first, number) for number in range(_MANY)]
    rows[1] = (1.0, 1, True, 0, 0)

    # When
    found, _ = keep(rows)

    # Then
    kept = [tuple(int(value) if value is True else value for value in row) for row in rows]
    assert [tuple(map(repr, row)) for row in found] == [tuple(map(repr, row)) for row in kept]


def test_rows_that_are_all_the_same_are_all_kept(keep: Any) -> None:
    # Given
    rows = [("a", "b", "c", "d", "e")] * _MANY

    # When
    found, _ = keep(rows)

    # Then
    assert found == rows


def test_only_a_few_sets_of_columns_have_statements(keep: Any) -> None:
    # Given
    kinds = [[at for at in range(5) if at not in (number, (number + 1) % 5)] for number in range(5)]
    batches = [[tuple("same" if at in kind else row for at in range(5)) for row in range(_MANY)] for kind in kinds]

    # When
    sent = [keep(rows)[1][0] for rows in batches]

    # Then
    assert sent == [*[5 + 2 * 511] * 4, 5 * 512]
    assert [keep(rows)[0] for rows in batches] == batches
