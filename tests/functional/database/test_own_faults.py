"""Rules that do not fit the database, on each database: nothing is lost, each key is named, and mending is enough."""

from __future__ import annotations

from typing import Any

import pytest

from salt_eventsd.exceptions import ConfigError, Held
from tests.support.events import returned
from tests.support.own import RULE, by_statement, raid, to_table
from tests.support.stores import Buried, Database, batch_of

_COLUMNS = {"servername": "minion_id", "raid_state": "data.return"}
_STATEMENT = "INSERT INTO raid_state (servername, raid_state) VALUES (:a, :b)"
_FIELDS = {"a": "minion_id", "b": "data.return"}


@pytest.fixture
def database(mine: Database) -> Database:
    """A database that the tests share; each makes its own tables."""
    return mine


def _make_table(database: Database, more: str = "") -> None:
    database.execute(f"CREATE TABLE raid_state (servername VARCHAR(20) PRIMARY KEY, raid_state VARCHAR(20){more})")


def _held(worker: Any, **more: Any) -> str:
    buried = Buried()
    with pytest.raises(Held) as caught:
        worker.write(batch_of([returned(jid="1"), raid("web1")], buried=buried, **more))
    assert buried.refusals == []
    return str(caught.value)


def _problems(worker: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        worker.check()
    return caught.value.problems


@pytest.mark.parametrize(
    ("rule", "more", "problem"),
    [
        pytest.param(
            {"table": "raid_stat", "columns": _COLUMNS},
            "",
            "table: no such table 'raid_stat' in the database; did you mean 'raid_state'?",
            id="table",
        ),
        pytest.param(
            {"table": "nowhere.raid_state", "columns": _COLUMNS},
            "",
            "table: no such table 'nowhere.raid_state' in the database; did you mean 'raid_state'?",
            id="schema",
        ),
        pytest.param(
            {"columns": {"serverame": "minion_id", "raid_state": "data.return"}},
            "",
            "columns.serverame: no such column in raid_state; did you mean 'servername'?",
            id="column",
        ),
        pytest.param(
            {"columns": {"servername": "minion_id", "x": "data.return"}},
            "",
            "columns.x: no such column in raid_state; there are servername, raid_state",
            id="column-like-no-other",
        ),
        pytest.param(
            {"columns": _COLUMNS, "upsert": ["raid_state"]},
            "",
            "upsert: [raid_state] is no primary or unique key of raid_state; there is [servername]",
            id="no-key",
        ),
        pytest.param(
            {"columns": _COLUMNS, "upsert": ["servername", "raid_state"]},
            "",
            "upsert: [servername, raid_state] is no primary or unique key of raid_state; there is [servername]",
            id="more-than-a-key",
        ),
        pytest.param(
            {"columns": _COLUMNS},
            ", checked INTEGER NOT NULL",
            "columns: raid_state.checked must have a value (NOT NULL, no default); add it",
            id="mandatory",
        ),
        pytest.param(
            {"columns": {**_COLUMNS, "double": "minion_id"}},
            ", double VARCHAR(40) GENERATED ALWAYS AS (raid_state) STORED",
            "columns.double: the database computes it; leave it out",
            id="computed",
        ),
    ],
)
def test_a_rule_that_does_not_fit_its_table(database: Database, rule: dict[str, Any], more: str, problem: str) -> None:
    # Given
    _make_table(database, more.replace("double", database.quote("double")))
    worker = database.worker(to_table(**rule))

    # When / Then
    assert _problems(worker) == [f"eventsd: events.{RULE}.{problem}"]
    assert _held(worker) == f"eventsd: events.{RULE}.{problem}"
    assert database.rows("returns") == []


def test_a_default_is_enough_for_a_column_that_must_not_be_null(database: Database) -> None:
    # Given
    key = database.by_kind("INTEGER PRIMARY KEY", "SERIAL PRIMARY KEY", "INTEGER PRIMARY KEY AUTO_INCREMENT")
    database.execute(f"CREATE TABLE raid_state (id {key}, servername VARCHAR(20), checked INTEGER DEFAULT 7 NOT NULL)")
    worker = database.worker(to_table(columns={"servername": "minion_id"}))

    # When
    worker.check()
    worker.write(batch_of([raid("web1")]))

    # Then
    assert database.query("SELECT * FROM raid_state") == [(1, "web1", 7)]


def test_all_problems_are_told_by_check_and_counted_when_held(database: Database) -> None:
    # Given
    _make_table(database)
    rules = {
        **to_table(name="a", columns={"x": "minion_id", "y": "fun"}),
        **to_table(name="b", columns=_COLUMNS),
        **to_table("gone", name="c", columns=_COLUMNS),
        **by_statement("INSERT INTO nowhere (a) VALUES (:a)", name="d", fields={"a": "jid"}),
    }
    worker = database.worker(rules)

    # When
    problems = _problems(worker)

    # Then
    assert [problem.split(": ")[1] for problem in problems] == [
        *("events.a.columns.x", "events.a.columns.y", "events.c.table", "events.d.statement")
    ]
    with pytest.raises(Held, match=r"events\.a\.columns\.x: .* \(and 1 more, see salt-run eventsd\.check\)"):
        worker.write(batch_of([raid("web1", rule="a")]))


def test_check_writes_nothing(fresh: Database) -> None:
    # Given
    _make_table(fresh)
    rules = {**to_table(name="a", columns=_COLUMNS), **by_statement(_STATEMENT, name="b", fields=_FIELDS)}

    # When
    line = fresh.worker(rules).check()

    # Then
    assert line == "reachable, tables not made yet"
    assert fresh.query("SELECT * FROM raid_state") == []


@pytest.mark.parametrize(
    "rules",
    [
        pytest.param(to_table(columns=_COLUMNS), id="table"),
        pytest.param(by_statement(_STATEMENT, fields=_FIELDS), id="statement"),
    ],
)
def test_a_table_that_is_made_later_needs_no_restart(database: Database, rules: Any) -> None:
    # Given
    worker = database.worker(rules)
    _held(worker)

    # When
    _make_table(database)
    worker.write(batch_of([returned(jid="1"), raid("web1")]))

    # Then
    assert database.query("SELECT * FROM raid_state") == [("web1", "ok")]
    assert database.column("returns", "jid") == ["1"]


@pytest.mark.parametrize(
    ("rules", "key"),
    [
        pytest.param(to_table(columns=_COLUMNS), "table: no such table", id="table"),
        pytest.param(by_statement(_STATEMENT, fields=_FIELDS), "statement: the database", id="statement"),
    ],
)
def test_a_table_that_goes_while_it_is_in_use(database: Database, rules: Any, key: str) -> None:
    # Given
    _make_table(database)
    worker = database.worker(rules)
    worker.write(batch_of([raid("web0")]))
    database.execute("DROP TABLE raid_state")

    # When
    first, second = (_held(worker, first=2) for _ in range(2))
    _make_table(database)
    worker.write(batch_of([raid("web1")], first=2))

    # Then
    assert f"eventsd: events.{RULE}.{key}" in first
    assert f"eventsd: events.{RULE}.{key}" in second
    assert database.query("SELECT servername FROM raid_state") == [("web1",)]


def test_a_column_that_goes_while_it_is_in_use(database: Database) -> None:
    # Given
    _make_table(database)
    worker = database.worker(to_table(columns=_COLUMNS))
    worker.write(batch_of([raid("web0")]))
    database.execute("DROP TABLE raid_state", "CREATE TABLE raid_state (servername VARCHAR(20) PRIMARY KEY)")

    # When / Then
    assert _held(worker, first=2) == (
        f"eventsd: events.{RULE}.columns.raid_state: no such column in raid_state; there are servername"
    )


def test_a_column_that_is_widened_takes_what_it_refused(database: Database) -> None:
    # Given
    if database.kind == "sqlite":
        pytest.skip("SQLite refuses no length")
    _make_table(database)
    worker = database.worker(to_table(columns=_COLUMNS))
    buried = Buried()
    worker.write(batch_of([raid("web1", "x" * 21)], buried=buried))
    alter = database.by_kind("", "ALTER COLUMN raid_state TYPE", "MODIFY raid_state")

    # When
    database.execute(f"ALTER TABLE raid_state {alter} VARCHAR(30)")
    worker.write(batch_of([raid("web1", "x" * 21)], first=2, buried=buried))

    # Then
    assert buried.positions == [0]
    assert database.query("SELECT raid_state FROM raid_state") == [("x" * 21,)]


def test_an_event_whose_rule_is_gone_is_refused(database: Database) -> None:
    # Given
    _make_table(database)
    buried = Buried()

    # When
    events = [raid("web1"), raid("web2", rule="gone"), returned(jid="1")]
    database.worker(to_table(columns=_COLUMNS)).write(batch_of(events, buried=buried))

    # Then
    assert buried.positions == [1]
    assert "events.gone" in buried.refusals[0][1]
    assert database.query("SELECT servername FROM raid_state") == [("web1",)]
    assert database.column("returns", "jid") == ["1"]


def test_a_rule_that_fits_is_not_held_by_one_that_does_not_until_that_one_has_an_event(database: Database) -> None:
    # Given
    _make_table(database)
    worker = database.worker({**to_table(columns=_COLUMNS), **to_table("gone", "gone", columns=_COLUMNS)})

    # When
    worker.write(batch_of([raid("web1")]))

    # Then
    assert database.query("SELECT servername FROM raid_state") == [("web1",)]


@pytest.mark.parametrize(
    "rules",
    [
        pytest.param(to_table(columns=_COLUMNS), id="table"),
        pytest.param(by_statement(_STATEMENT, fields=_FIELDS), id="statement"),
    ],
)
def test_a_table_that_must_not_be_written_buries_nothing(database: Database, rules: Any) -> None:
    # Given
    if database.kind == "sqlite":
        pytest.skip("SQLite has no permissions")
    _make_table(database)
    reader = database.new_user(
        "GRANT SELECT, INSERT, UPDATE, DELETE ON eventsd_receipts TO {user}",
        "GRANT SELECT ON eventsd_schema_version TO {user}",
        "GRANT SELECT ON raid_state TO {user}",
    )
    worker = database.worker(rules, url=reader)
    buried = Buried()

    # When
    with pytest.raises(Held) as caught:
        worker.write(batch_of([raid("web1")], buried=buried))

    # Then
    assert str(caught.value).startswith(f"eventsd: events.{RULE}.")
    assert buried.refusals == []


@pytest.mark.parametrize("upsert", [pytest.param([], id="added"), pytest.param(["servername"], id="replaced")])
def test_a_replayed_batch_writes_nothing_twice(database: Database, upsert: list[str]) -> None:
    # Given: an earlier life of the engine wrote it
    database.execute("CREATE TABLE raid_state (servername VARCHAR(20), raid_state VARCHAR(20), UNIQUE (servername))")
    rules = {
        **to_table(columns=_COLUMNS, upsert=upsert),
        **by_statement("UPDATE counted SET n = n + 1 WHERE :jid <> ''", "counted", fields={"jid": "jid"}),
    }
    database.execute("CREATE TABLE counted (n INTEGER)", "INSERT INTO counted VALUES (0)")
    chunks = [[raid(f"web{number}"), raid(f"web{number}", rule="counted")] for number in range(3)]
    database.worker(rules).write(batch_of(*chunks[:2]))
    database.execute("DELETE FROM raid_state WHERE servername = 'web0'")

    # When
    database.worker(rules).write(batch_of(*chunks, replay=True))

    # Then: it is the receipts that tell, not the rows
    assert database.query("SELECT servername FROM raid_state ORDER BY servername") == [("web1",), ("web2",)]
    assert database.query("SELECT n FROM counted") == [(3,)]


def test_a_row_that_is_there_already_is_refused_where_the_rule_does_not_replace(database: Database) -> None:
    # Given
    _make_table(database)
    buried = Buried()

    # When
    events = [raid("web1", 1), returned(jid="1"), raid("web1", 2), raid("web2", 3)]
    database.worker(to_table(columns=_COLUMNS)).write(batch_of(events, buried=buried))

    # Then
    assert buried.positions == [2]
    assert database.query("SELECT * FROM raid_state ORDER BY servername") == [("web1", "1"), ("web2", "3")]
    assert database.column("returns", "jid") == ["1"]
