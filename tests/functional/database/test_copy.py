"""Copying a history into another database, from each kind of database into each."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from salt_eventsd.database import migrate, schema
from salt_eventsd.database.transfer.copy import TABLES
from salt_eventsd.operate.schema import schema as act
from tests.support.events import fired, job, returned, state_result
from tests.support.history import Story
from tests.support.kinds import MARIADB, POSTGRESQL, SQLITE
from tests.support.server import Server
from tests.support.stores import Database, batch_of
from tests.support.ways import forced

Make = Callable[[str], Database]


@pytest.fixture
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    """Makes an empty database of a kind."""
    made: list[Database] = []

    def one(kind: str) -> Database:
        if kind == "sqlite":
            url = f"sqlite:///{tmp_path / f'{len(made)}.db'}"
        else:
            server: Server = request.getfixturevalue(kind)
            url = server.new_database()
        made.append(Database(url))
        return made[-1]

    yield one
    for database in made:
        database.close()


def _fill(database: Database) -> None:
    story = Story(seed=7)
    story.by_chance(30)
    odd = [
        job(jid="20260102030405000001", arg=[{"b": 1, "a": 1e-7, "n": 12345678901234567890}], minions=["\u00e4", "b"]),
        returned({"z": [1.0, 0.1, None, True], "a": "\U0001f600 'quoted' \\ \n"}, jid="1", duration=0.1 + 0.2),
        returned("x" * 300_000, jid="2", retcode=3221225477),
        returned({"pkg_|-a_|-a_|-installed": state_result("a", 0, comment="%s :x {}")}, jid="3", fun="state.apply"),
        fired("company/alarm/1", {"level": 7, "_stamp": "2026-01-02T03:04:05.000001"}),
    ]
    database.worker().write(batch_of([*story.events, *odd]))
    database.execute(
        "INSERT INTO eventsd_stats (master_id, stamp, name, value) VALUES ('m', '2026-01-01 00:00:00.000001', 'n', 0.1)"
    )
    # A row was deleted, so that the ids have a gap.
    database.execute("DELETE FROM eventsd_returns WHERE id = 2")


def _opts(source: Database, target: Database) -> dict[str, Any]:
    workers = {"old": {"module": "sql", "url": source.url}, "new": {"module": "sql", "url": target.url}}
    events = {"all": {"tag": "salt/", "worker": "old"}}
    return {"id": "master-1", "cachedir": "/nowhere", "eventsd": {"workers": workers, "events": events}}


def _copy(source: Database, target: Database, **more: Any) -> dict[str, Any]:
    return act(_opts(source, target), "copy", {"worker": "old", "to": "new", **more}, lambda _line: None)


def _all(database: Database) -> dict[str, Any]:
    """Return all rows, by table."""
    names = [table.name.removeprefix("eventsd_") for table in TABLES]
    return {name: sorted(database.rows(name), key=_text) for name in names}


def _text(row: dict[str, Any]) -> str:
    return json.dumps(row, default=str, sort_keys=True)


@pytest.mark.parametrize("into", [SQLITE, POSTGRESQL, MARIADB])
@pytest.mark.parametrize("kind", [SQLITE, POSTGRESQL, MARIADB])
def test_all_rows_are_there_as_they_were(kind: str, into: str, make: Make) -> None:
    # Given
    source, target = make(kind), make(into)
    _fill(source)
    before = _all(source)

    # When
    counted = _copy(source, target, dry_run=True)
    told = _copy(source, target)

    # Then
    assert told["retcode"] == counted["retcode"] == 0, told
    assert "notes" not in told
    assert _all(target) == before == _all(source)
    assert [(one["rows"], one["missing"]) for one in counted["copied"]] == [
        (one["copied"], one["copied"]) for one in told["copied"]
    ]
    assert {one["missing"] for one in told["copied"]} == {0}

    # When: once more
    again = _copy(source, target)

    # Then
    assert {one["copied"] for one in again["copied"]} == {0}
    assert _all(target) == before


@pytest.mark.parametrize("into", [SQLITE, POSTGRESQL, MARIADB])
def test_an_engine_may_write_into_the_other_database_meanwhile(into: str, make: Make) -> None:
    # Given: some rows of its own, which have the first ids; one event came to both
    source, target = make("sqlite"), make(into)
    _fill(source)
    shared = returned("both", jid="20260102030405000009")
    source.worker().write(batch_of([shared], first=2))
    target.worker().write(batch_of([shared, returned("new", jid="20270101000000000000")], spool="another"))

    # When
    told = _copy(source, target)
    target.worker().write(batch_of([returned("later", jid="20270101000000000001")], spool="another", first=9))

    # Then
    assert told["retcode"] == 0, told
    rows = target.rows("returns")
    assert len(rows) == len(source.rows("returns")) + 2
    assert len({row["id"] for row in rows}) == len(rows)
    key = ("jid", "minion_id", "digest", "return", "stamp")
    wanted = {_text({name: row[name] for name in key}) for row in source.rows("returns")}
    assert wanted <= {_text({name: row[name] for name in key}) for row in rows}


@pytest.mark.parametrize("into", [SQLITE, POSTGRESQL, MARIADB])
def test_a_copy_that_was_stopped_goes_on(into: str, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given: it is cut off after the third group of rows
    source, target = make("sqlite"), make(into)
    _fill(source)
    monkeypatch.setattr("salt_eventsd.database.transfer.pages.AT_ONCE", 10)
    statements = 0

    class _CutError(Exception):
        pass

    def count(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        nonlocal statements
        statements += statement.startswith("INSERT ") and "INTO eventsd_returns" in statement
        if statements == 3:
            raise _CutError

    sa.event.listen(sa.Engine, "before_cursor_execute", count)
    try:
        # Lines that are copied are none of these statements.
        with forced("carefully"):
            stopped = _copy(source, target)
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", count)
    assert stopped["retcode"] == 2
    there = len(target.rows("returns"))

    # When
    told = _copy(source, target)

    # Then
    [returns] = [one for one in told["copied"] if one["table"] == "eventsd_returns"]
    assert (returns["there"], returns["copied"]) == (there, len(source.rows("returns")) - there)
    assert _all(target) == _all(source)


@pytest.mark.parametrize("kind", ["sqlite", "mariadb"])
def test_states_get_the_marks_that_the_history_does_not_have_yet(kind: str, make: Make) -> None:
    # Given: none is marked yet, but for one by the default that PostgreSQL has for what an older release writes
    source, target = make("sqlite"), make(kind)
    _fill(source)
    expected = sorted(str(row["slow_ms"]) for row in source.rows("states"))
    source.execute("UPDATE eventsd_states SET slow_ms = CASE WHEN jid = '3' THEN 0.0 END")

    # When
    _copy(source, target)

    # Then
    assert len(set(expected)) > 1
    assert sorted(str(row["slow_ms"]) for row in target.rows("states")) == expected


def test_jobs_and_minions_that_have_grown_since_are_brought_up_to_date(make: Make) -> None:
    # Given
    source, target = make("sqlite"), make("sqlite")
    worker = source.worker()
    worker.write(batch_of([job(jid="20260102030405000001", minions=["a"])]))
    _copy(source, target)
    worker.write(batch_of([job(jid="20260102030405000001", minions=["b"], _stamp="2026-01-02T03:04:06")], first=2))
    worker.write(batch_of([returned(jid="20260102030405000001", minion_id="a")], first=3))

    # When
    _copy(source, target)

    # Then
    assert _all(target) == _all(source)
    assert target.column("jobs", "minions") == [["a", "b"]]


def test_a_row_that_the_other_database_refuses_is_told_and_the_rest_is_copied(make: Make) -> None:
    # Given
    source, target = make("sqlite"), make("sqlite")
    source.worker().write(batch_of([returned(jid=str(number)) for number in range(20)]))
    target.make_tables()
    target.refuse("returns", "jid = '7'")

    # When
    told = _copy(source, target)

    # Then
    assert told["retcode"] == 1
    assert len(target.rows("returns")) == 19
    assert told["notes"] == [
        "eventsd_returns: 1 rows were refused: IntegrityError: poison",
        "1 rows are not there; the same command again copies them",
    ]


@pytest.mark.parametrize("dry_run", [True, False])
def test_tables_of_a_newer_release_are_left_alone(make: Make, dry_run: bool) -> None:
    # Given
    source, target = make("sqlite"), make("sqlite")
    _fill(source)
    target.make_tables()
    target.execute(f"UPDATE {schema.VERSION_TABLE} SET version_num = '9999'")

    # When
    told = _copy(source, target, dry_run=dry_run)

    # Then
    assert told["retcode"] == 2
    assert "9999" in told["problem"]
    assert migrate.HEAD in told["problem"]
    assert "\n" not in told["problem"]
    assert target.rows("returns") == []


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        pytest.param({"worker": "old"}, "to: missing; copy takes worker=FROM to=INTO", id="no target"),
        pytest.param({"to": "new"}, "worker: missing; copy takes worker=FROM to=INTO", id="no source"),
        pytest.param(
            {"worker": "old", "to": "mew"},
            "to: expected a sql worker, one of old, new, got 'mew'; did you mean 'new'?",
            id="no such worker",
        ),
        pytest.param({"worker": "old", "to": "old"}, "to: old has the same database as old", id="into itself"),
    ],
)
def test_a_wrong_argument(make: Make, arguments: dict[str, Any], problem: str) -> None:
    told = act(_opts(make("sqlite"), make("sqlite")), "copy", arguments, lambda _line: None)

    assert told["retcode"] == 2
    assert problem in told["problem"]
