"""What took longest: found among marks, which the longest state of each run has, and what took a second."""

from __future__ import annotations

import random
from collections import defaultdict
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
from salt_eventsd.database.rows.longest import mark_longest
from tests.support.events import returned, state_result
from tests.support.old_tables import LAST_OLD, make_old_tables
from tests.support.stores import Database, batch_of

NOW = datetime(2026, 1, 20, tzinfo=timezone.utc)
#: What takes a second to the millisecond, and what nearly does, are on either side of the border.
TIMES: list[Any] = [None, 0.0, 12.345, 999.999, 1000.0, 1000.001, 65_432.1]
#: Many take equally long.
FAST: list[Any] = [None, 0.0, *(number / 4 for number in range(40))]
MARKS = "SELECT jid, minion_id, stamp, duration_ms, slow_ms FROM eventsd_states"


def _rows(count: int, times: list[Any], seed: int = 5) -> list[dict[str, Any]]:
    """Return states of runs of seven; in every fourth job, a minion has run its states twice."""
    chance = random.Random(seed)
    whens = [NOW - timedelta(minutes=chance.randrange(14_400)) for _ in range(count)]
    return [
        {
            "jid": f"2026{at // 70:06}",
            "minion_id": f"m{at // 7 % 10}",
            "run_num": at % 7,
            "result": chance.choice([True, True, False, None]),
            "changed": False,
            "duration_ms": chance.choice(times),
            "stamp": whens[at // 7] + timedelta(hours=9) * (at // 70 % 4 == 0 and at % 7 > 3),
        }
        for at in range(count)
    ]


def _fill(database: Database, rows: list[dict[str, Any]]) -> None:
    zone = None if database.kind == "mysql" else timezone.utc
    with database.engine.begin() as connection:
        connection.execute(
            sa.insert(schema.states), [{**row, "stamp": row["stamp"].replace(tzinfo=zone)} for row in rows]
        )


def _lacks(database: Database) -> list[Any]:
    """Return the runs of which a state took longer than any that is marked."""
    runs: defaultdict[Any, list[Any]] = defaultdict(list)
    for *run, took, mark in database.query(MARKS):
        assert mark in (None, took)
        assert mark is not None or took is None or took < schema.SLOW_MS
        runs[tuple(run)].append((-1 if took is None else took, -1 if mark is None else mark))
    assert runs
    return [run for run, its in runs.items() if max(took for took, _ in its) > max(mark for _, mark in its)]


def _told(url: str, limit: int, start: datetime | None = None) -> list[float]:
    engine = make_reader(SqlOptions(url=url))
    with reading(engine) as reader:
        found = states.slow(reader, limit, start)
    engine.dispose()
    assert len({(row["what"], row["jid"], row["minion_id"], row["stamp"], id(row)) for row in found}) == len(found)
    return [row["duration_ms"] for row in found]


def _slowest(rows: list[dict[str, Any]], limit: int, start: datetime | None = None) -> list[Any]:
    of_time = [row["duration_ms"] for row in rows if start is None or row["stamp"] >= start]
    return sorted((took for took in of_time if took is not None), reverse=True)[:limit]


@pytest.fixture
def old(database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """A large history of an older release, with its index and nothing marked."""
    monkeypatch.setattr("salt_eventsd.database.migrations.indexes.SMALL", -1)
    make_old_tables(database, LAST_OLD)
    only = "" if database.kind == "mysql" else " WHERE duration_ms >= 1000"
    database.execute(f"CREATE INDEX eventsd_states_slow ON eventsd_states (duration_ms, stamp){only}")
    return database


def _names(database: Database) -> set[Any]:
    return {one["name"] for one in sa.inspect(database.engine).get_indexes("eventsd_states")}


@pytest.mark.parametrize("times", [TIMES, FAST])
def test_old_states_are_marked_before_anybody_asks_by_marks(
    old: Database, monkeypatch: pytest.MonkeyPatch, times: list[Any]
) -> None:
    # Given: what makes the indexes is stopped, each time a step later
    rows = _rows(2100, times)
    _fill_old(old, rows)
    monkeypatch.setattr(fill, "_ROWS", 300)
    engine = make_engine(SqlOptions(url=old.url))
    migrate.ensure(engine, dialect_of(engine))
    limits = (1, 50, 3000)
    marks = schema.MARK_INDEXES[old.kind != "mysql"]
    steps, marked = 0, set()
    while not build(engine, iter([True] * steps + [False]).__next__):
        # Then: what is told stays the same
        assert marks not in _names(old) or not _lacks(old)
        assert [_told(old.url, limit) for limit in limits] == [_slowest(rows, limit) for limit in limits]
        marked.add(old.query(f"SELECT COUNT(slow_ms) FROM ({MARKS}) AS marks")[0][0])
        steps += 1

    # Then
    assert old.kind == "sqlite" or len(marked) > 2
    assert _lacks(old) == []
    assert marks in _names(old)
    assert "eventsd_states_slow" not in _names(old)
    count = old.query(f"SELECT COUNT(slow_ms) FROM ({MARKS}) AS marks")[0][0]
    slow = sum(row["duration_ms"] is not None and row["duration_ms"] >= schema.SLOW_MS for row in rows)
    assert slow <= count <= slow + 2100 / 7 * 2
    assert [_told(old.url, limit) for limit in limits] == [_slowest(rows, limit) for limit in limits]
    engine.dispose()


def _fill_old(database: Database, rows: list[dict[str, Any]]) -> None:
    zone = None if database.kind == "mysql" else timezone.utc
    table = sa.table("eventsd_states", *(sa.column(one.name, one.type) for one in schema.states.c))
    with database.engine.begin() as connection:
        connection.execute(sa.insert(table), [{**row, "stamp": row["stamp"].replace(tzinfo=zone)} for row in rows])


@pytest.mark.parametrize("size", [1, 2, 3, 11])
def test_each_step_goes_on_where_the_last_one_ended(old: Database, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    # Given: jobs, minions and runs are in different steps
    _fill_old(old, _rows(280, FAST))
    monkeypatch.setattr(fill, "_ROWS", size)
    engine = make_engine(SqlOptions(url=old.url))

    # When
    migrate.ensure(engine, dialect_of(engine))
    assert build(engine)

    # Then
    assert _lacks(old) == []
    engine.dispose()


def test_each_way_of_writing_marks_the_longest_of_a_run(database: Database) -> None:
    # Given
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
    fast = [returned(run(1, 2, "fast"), jid=str(number), fun="state.apply") for number in range(50, 80)]
    worker.write(batch_of(fast, first=70))
    odd_fast = {**run(0, 3, "odd"), "x_|-a_|-b_|-c": state_result(number=3, duration="11 ms", comment=["odd"])}
    worker.write(batch_of([returned(odd_fast, jid="90", fun="state.apply")], first=80))

    # Then
    marks = [row[3:] for row in database.query(MARKS)]
    assert len(marks) == 7 + 28 * 70 + 7 + 8 + 60 + 4
    assert _lacks(database) == []
    slow = [took for took, _ in marks if took is not None and took >= schema.SLOW_MS]
    assert sorted(mark for _, mark in marks if mark is not None) == sorted([*slow, *[12.345] * 31])


def test_of_what_is_kept_of_a_run_the_longest_is_marked(database: Database) -> None:
    worker = database.worker(states="changed_or_failed")
    run = {
        f"file_|-{at}_|-{at}_|-managed": state_result(number=at, duration=20.0 - at, changes={"a": 1} if at > 3 else {})
        for at in range(8)
    }

    # When: one is usual, and one is not
    odd = {**run, "x_|-a_|-b_|-c": state_result(number=9, duration="1 ms", comment=["odd"])}
    worker.write(batch_of([returned(run, jid="1", fun="state.apply"), returned(odd, jid="2", fun="state.apply")]))

    # Then
    assert _lacks(database) == []
    assert sorted(mark for *_, mark in database.query(MARKS) if mark) == [16.0, 16.0]


def test_a_second_run_of_a_job_whose_longest_is_a_copy_is_marked(database: Database) -> None:
    # Given: a run of few states
    worker = database.worker()

    def run(*durations: float) -> Any:
        return {
            f"file_|-{at}_|-{at}_|-managed": state_result(number=at, duration=took, changes={})
            for at, took in enumerate(durations)
        }

    worker.write(batch_of([returned(run(5.0, 30.0), jid="1", fun="state.apply")]))

    # When: another has more, and those that are there already took longer
    worker.write(batch_of([returned(run(50.0, 45.0, *[40.0] * 30), jid="1", fun="state.apply")], first=2))

    # Then
    assert len(database.query(MARKS)) == 32
    assert _lacks(database) == []
    with reading(make_reader(SqlOptions(url=database.url))) as reader:
        found = [row["duration_ms"] for row in states.slow(reader, 60) if row["what"] == "state"]
    assert found == pytest.approx(sorted((took for *_, took, _ in database.query(MARKS)), reverse=True))


@pytest.mark.parametrize("reach", [8, 10_000_000])
@pytest.mark.parametrize("times", [TIMES, FAST])
def test_the_slowest_are_those_of_a_plain_look(
    database: Database, monkeypatch: pytest.MonkeyPatch, reach: int, times: list[Any]
) -> None:
    # Given
    rows = _rows(1400, times)
    database.make_tables()
    mark_longest(rows)
    _fill(database, rows)
    monkeypatch.setattr(states, "_RUNS_AT_ONCE", 30)
    with database.engine.connect() as connection:
        monkeypatch.setattr(type(dialect_of(connection).questions), "reach", reach)
        assert Reader(connection).has_marks()
    for start in (None, NOW - timedelta(days=9), NOW - timedelta(hours=20), NOW - timedelta(hours=2), NOW):
        for limit in (1, 20, 150, 900, 2000):
            # When
            found = _told(database.url, limit, start)

            # Then: as many as there are, what took no second among them
            assert found == pytest.approx(_slowest(rows, limit, start))


@pytest.mark.parametrize("times", [TIMES, FAST])
def test_what_an_older_release_goes_on_writing_is_found(database: Database, times: list[Any]) -> None:
    if database.kind == "sqlite":
        pytest.skip("has one engine, which is started again")
    # Given
    rows, later = _rows(700, times), _rows(700, times, seed=6)
    database.make_tables()
    mark_longest(rows)
    _fill(database, rows)

    # When: its statements do not name the column
    _fill(database, [{**row, "jid": f"new {row['jid']}"} for row in later])

    # Then
    for limit in (1, 20, 150, 900, 2000):
        assert _told(database.url, limit) == pytest.approx(_slowest(rows + later, limit))
