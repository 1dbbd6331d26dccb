"""Rows get into SQLite many at a time; what is counted and what is kept does not depend on how many."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from salt_eventsd.database.dialects.sqlite.bulk import by_statements

_TABLE = sa.Table("t", sa.MetaData(), sa.Column("name", sa.Text, primary_key=True), sa.Column("value", sa.Text))
_INSERT = sqlite.insert(_TABLE)


@pytest.mark.parametrize(
    ("sizes", "statements"),
    [
        pytest.param([1], 1, id="one"),
        pytest.param([3] * 675, 4, id="small"),
        pytest.param([300_000] * 7, 3, id="large"),
        pytest.param([3_000_000] * 2, 1, id="too-large-for-a-copy-of-several"),
    ],
)
def test_rows_of_one_statement_are_bounded_in_number_and_bytes(sizes: list[int], statements: int) -> None:
    # Given
    engine = sa.create_engine("sqlite://")
    _TABLE.create(engine)
    rows = [{"name": str(number), "value": "x" * size} for number, size in enumerate(sizes)]
    insert = by_statements(_INSERT.on_conflict_do_nothing(index_elements=["name"]), ["name", "value"])
    sent: list[Any] = []
    sa.event.listen(engine, "before_cursor_execute", lambda *arguments: sent.append(arguments[2]))

    # When
    with engine.begin() as connection:
        count = insert(connection, rows)
        first = sum("INSERT" in sql for sql in sent)
        counts = (count, insert(connection, [*rows[:5], {"name": "new", "value": None}]))

    # Then
    assert counts == (len(rows), 1)
    assert first == statements
    with engine.connect() as connection:
        found = connection.execute(sa.select(sa.func.length(_TABLE.c.value)).order_by(_TABLE.c.name)).scalars().all()
    assert sorted(found[:-1]) == sorted(sizes)


_OTHERS = "CREATE TABLE told (value TEXT PRIMARY KEY)"
_TELL = "CREATE TRIGGER tell AFTER INSERT ON t BEGIN INSERT OR IGNORE INTO told VALUES (new.value); END"


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(["CREATE TABLE t (name TEXT PRIMARY KEY, value TEXT)", _OTHERS, _TELL], id="in-a-trigger"),
        pytest.param(["CREATE TABLE t (name TEXT, value TEXT, UNIQUE (value) ON CONFLICT IGNORE)"], id="in-the-table"),
    ],
)
def test_what_others_have_said_of_conflicts_counts(made: list[str]) -> None:
    # Given
    engine = sa.create_engine("sqlite://")
    insert = by_statements(_INSERT, ["name", "value"])
    with engine.begin() as connection:
        for one in made:
            connection.exec_driver_sql(one)

        # When: all rows want to tell the same
        count = insert(connection, [{"name": str(number), "value": "same"} for number in range(200)])

        # Then
        assert count == connection.exec_driver_sql("SELECT count(*) FROM t").scalar()


def test_where_nobody_has_a_conflict_is_an_error() -> None:
    # Given
    engine = sa.create_engine("sqlite://")
    _TABLE.create(engine)
    insert = by_statements(_INSERT, ["name", "value"])

    # When
    with engine.begin() as connection, pytest.raises(sa.exc.IntegrityError):
        insert(connection, [{"name": str(number % 150), "value": None} for number in range(200)])
