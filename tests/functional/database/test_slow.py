"""What took longest: found by an index over what took long, which MariaDB has over marks that it makes by itself."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import sqlalchemy as sa

from salt_eventsd.database import migrate, schema
from salt_eventsd.database.dialects import dialect_of
from salt_eventsd.database.engines import SqlOptions, make_engine, make_reader
from salt_eventsd.database.migrations import fill
from salt_eventsd.database.migrations.builder import build
from salt_eventsd.database.questions import states
from salt_eventsd.database.questions.read import Reader, reading
from tests.support.events import returned, state_result
from tests.support.old_tables import LAST_OLD, make_old_tables
from tests.support.stores import Database, batch_of

MARKS = "SELECT duration_ms, slow_ms FROM eventsd_states"
NOW = datetime(2026, 1, 20, tzinfo=timezone.utc)
#: What takes a second to the millisecond, and what nearly does, are on either side of the border.
TIMES: list[Any] = [None, 0.0, 12.345, 999.999, 1000.0, 1000.001, 65_432.1]


def _rows(count: int) -> list[dict[str, Any]]:
    chance = random.Random(5)
    return [
        {
            "jid": f"2026{at // 50:06}",
            "minion_id": f"m{at // 10 % 5}",
            "run_num": at % 10,
            "result": chance.choice([True, True, False, None]),
            "changed": False,
            "duration_ms": chance.choice([*TIMES, chance.lognormvariate(3, 3)]),
            "stamp": NOW - timedelta(minutes=chance.randrange(14_400)),
        }
        for at in range(count)
    ]


def _fill(engine: sa.Engine, rows: list[dict[str, Any]]) -> None:
    with engine.begin() as connection:
        zone = None if connection.dialect.name == "mysql" else timezone.utc
        connection.execute(
            sa.insert(schema.states), [{**row, "stamp": row["stamp"].replace(tzinfo=zone)} for row in rows]
        )


@pytest.fixture
def old(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """A large history on MariaDB with the index that releases before had, and nothing marked."""
    monkeypatch.setattr("salt_eventsd.database.migrations.indexes.SMALL", -1)
    made = Database(request.getfixturevalue("mariadb").new_database())
    make_old_tables(made, LAST_OLD)
    made.execute("CREATE INDEX eventsd_states_slow ON eventsd_states (duration_ms, stamp)")
    _fill(made.engine, _rows(3000))
    yield made
    made.close()


def _all_marked(database: Database) -> bool:
    marks = database.query(MARKS)
    assert sum(mark is not None for _, mark in marks) > 1000
    return all(mark == (took if took is not None and took >= schema.SLOW_MS else None) for took, mark in marks)


def _names(database: Database) -> set[Any]:
    return {one["name"] for one in sa.inspect(database.engine).get_indexes("eventsd_states")}


def test_old_states_are_marked_before_the_index_that_knew_them_goes(
    old: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given: what makes the indexes is stopped, each time a step later
    monkeypatch.setattr(fill, "_AT_ONCE", 30)
    engine = make_engine(SqlOptions(url=old.url))
    migrate.ensure(engine, dialect_of(engine))
    expected = _told(old.url, 50, None)
    steps, marked = 0, set()
    while not build(engine, iter([True] * steps + [False]).__next__):
        # Then: until then, the old index stays, and the answer with it
        assert {"eventsd_states_slow"} <= _names(old) or _all_marked(old)
        assert _told(old.url, 50, None) == expected
        is_there = "slow_ms" in {one["name"] for one in sa.inspect(old.engine).get_columns("eventsd_states")}
        marked.add(old.query(f"SELECT COUNT(slow_ms) FROM ({MARKS}) AS marks")[0][0] if is_there else 0)
        steps += 1

    # Then
    assert len(marked) > 5
    assert _all_marked(old)
    names = _names(old)
    assert "eventsd_states_marked" in names
    assert "eventsd_states_slow" not in names
    assert _told(old.url, 50, None) == expected
    engine.dispose()


def test_each_step_goes_on_where_the_last_one_ended(old: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given: minions of one job, and states of one minion, are in different steps
    monkeypatch.setattr(fill, "_AT_ONCE", 3)
    engine = make_engine(SqlOptions(url=old.url))
    migrate.ensure(engine, dialect_of(engine))

    # When
    assert build(engine)

    # Then
    assert _all_marked(old)
    engine.dispose()


def test_each_way_of_writing_marks_what_took_long(request: pytest.FixtureRequest) -> None:
    # Given
    database = Database(request.getfixturevalue("mariadb").new_database())
    worker = database.worker()

    def run(first: int, count: int, text: str) -> Any:
        return {
            f"file_|-{at}_|-{at}_|-managed": state_result(
                number=at, duration=TIMES[at % len(TIMES)], comment=text, changes={}
            )
            for at in range(first, first + count)
        }

    # When: few are inserted, many are loaded, large ones have statements of their own, an odd one takes the long way
    worker.write(batch_of([returned(run(0, 7, "few"), jid="1", fun="state.apply")]))
    many = [returned(run(0, 70, "many"), jid=str(number), fun="state.apply") for number in range(2, 30)]
    worker.write(batch_of(many, first=2))
    worker.write(batch_of([returned(run(0, 7, "l" * 300_000), jid="40", fun="state.apply")], first=50))
    odd = run(0, 7, "odd")
    odd["x_|-a_|-b_|-c"] = state_result(number=3, duration="2000 ms", comment=["odd"])
    worker.write(batch_of([returned(odd, jid="41", fun="state.apply")], first=60))

    # Then
    marks = database.query(MARKS)
    assert len(marks) == 7 + 28 * 70 + 7 + 8
    assert [mark for _, mark in marks] == [took if took and took >= schema.SLOW_MS else None for took, _ in marks]
    assert {mark for _, mark in marks} == {None, 1000.0, 1000.001, 2000.0, 65_432.1}
    database.close()


def _told(url: str, limit: int, start: datetime | None) -> list[float]:
    engine = make_reader(SqlOptions(url=url))
    with reading(engine) as reader:
        found = [row["duration_ms"] for row in states.slow(reader, limit, start)]
    engine.dispose()
    return found


@pytest.mark.parametrize("reach", [8, 10_000_000])
def test_the_slowest_are_the_same_in_each_database(
    database: Database, monkeypatch: pytest.MonkeyPatch, reach: int
) -> None:
    # Given
    rows = _rows(1200)
    database.make_tables()
    _fill(database.engine, rows)
    with database.engine.connect() as connection:
        monkeypatch.setattr(type(dialect_of(connection).questions), "reach", reach)
        has_marks = Reader(connection).has_marks()
    assert has_marks == (database.kind == "mysql")
    for start in (None, NOW - timedelta(days=9), NOW - timedelta(hours=2), NOW):
        of_time = [row["duration_ms"] for row in rows if start is None or row["stamp"] >= start]
        slowest = sorted((took for took in of_time if took is not None), reverse=True)
        for limit in (1, 20, 900, 2000):
            # When
            found = _told(database.url, limit, start)

            # Then: as many as there are, what took no second among them
            assert found == pytest.approx(slowest[:limit])
