"""Tables of the user's own: a row that something in them keeps out is not written, and no other row is written over."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.own import raid, to_table
from tests.support.servers import PostgreSQL
from tests.support.stores import Database, settled

_COLUMNS = {"servername": "minion_id", "raid_state": "data.return"}
_UPSERT = {"columns": _COLUMNS, "upsert": ["servername"]}


@pytest.fixture
def database(mine: Database) -> Database:
    """A database that the tests share; each makes its own tables."""
    return mine


def rows(database: Database) -> list[tuple[Any, ...]]:
    return database.query("SELECT servername, raid_state FROM raid_state ORDER BY servername")


@pytest.mark.parametrize("upsert", [pytest.param({}, id="added"), pytest.param(_UPSERT, id="replaced")])
def test_a_second_unique_key_refuses_rather_than_overwrites(database: Database, upsert: dict[str, Any]) -> None:
    # Given
    database.execute(
        "CREATE TABLE raid_state (servername VARCHAR(255) PRIMARY KEY, raid_state VARCHAR(99) UNIQUE, note VARCHAR(9))",
        "INSERT INTO raid_state VALUES ('web1', 'taken', 'mine'), ('web2', 'free', '')",
    )
    rule = to_table(**{"columns": _COLUMNS, **upsert})

    # When
    events = [raid("web3", "taken"), raid("web4", "new"), raid("web5", "new"), raid("web6", "last")]
    buried = settled(database.worker(rule), events)

    # Then
    assert buried.positions == [0, 2]
    expected = [("web1", "taken"), ("web2", "free"), ("web4", "new"), ("web6", "last")]
    assert rows(database) == expected


def test_rows_are_replaced_beside_a_second_unique_key(database: Database) -> None:
    # Given
    database.execute(
        "CREATE TABLE raid_state (servername VARCHAR(255) PRIMARY KEY, raid_state VARCHAR(255), number INTEGER UNIQUE)",
        "INSERT INTO raid_state VALUES ('web1', 'old', 7)",
    )
    columns = {**_COLUMNS, "number": "data.number"}

    # When: one is as it was, one changes, one is new, one is told of twice
    events = [("web1", "new", 7), ("web2", "a", 8), ("web3", "b", 9), ("web2", "c", 8)]
    for batch in (events, events[2:]):
        made = [raid(server, state, number=number) for server, state, number in batch]
        assert settled(database.worker(to_table(columns=columns, upsert=["servername"])), made).refusals == []
        database.execute("DELETE FROM eventsd_receipts")

    # Then
    found = database.query("SELECT servername, raid_state, number FROM raid_state ORDER BY servername")
    assert found == [("web1", "new", 7), ("web2", "c", 8), ("web3", "b", 9)]


def test_a_number_the_database_makes_is_no_second_key(database: Database) -> None:
    # Given
    number = database.by_kind("INTEGER PRIMARY KEY", "SERIAL PRIMARY KEY", "INTEGER AUTO_INCREMENT PRIMARY KEY")
    database.execute(f"CREATE TABLE raid_state (id {number}, servername VARCHAR(255) UNIQUE, raid_state TEXT)")

    # When
    events = [raid("web1", "a"), raid("web2", "b"), raid("web1", "c")]
    buried = settled(database.worker(to_table(**_UPSERT)), events)

    # Then
    assert (buried.refusals, rows(database)) == ([], [("web1", "c"), ("web2", "b")])


def test_what_sqlite_ignores_is_not_written(tmp_path: Any) -> None:
    # Given
    database = Database(f"sqlite:///{tmp_path / 'own.db'}")
    database.execute("CREATE TABLE raid_state (servername TEXT, raid_state TEXT UNIQUE ON CONFLICT IGNORE)")

    # When
    buried = settled(
        database.worker(to_table(columns=_COLUMNS)), [raid("web1", "a"), raid("web2", "a"), raid("web3", "b")]
    )

    # Then
    assert buried.positions == [1]
    assert "the table did not take 1 of 1 rows" in buried.refusals[0][1]
    assert rows(database) == [("web1", "a"), ("web3", "b")]
    database.close()


@pytest.mark.parametrize(
    "rule", [pytest.param({"columns": _COLUMNS}, id="added"), pytest.param(_UPSERT, id="replaced")]
)
def test_what_a_trigger_keeps_out_is_not_written_and_what_it_sends_below_is(
    postgresql: PostgreSQL, rule: dict[str, Any]
) -> None:
    # Given
    database = Database(postgresql.new_database())
    database.execute(
        "CREATE TABLE raid_state (servername TEXT PRIMARY KEY, raid_state TEXT)",
        "CREATE FUNCTION silent() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$",
        "CREATE TRIGGER silent BEFORE INSERT ON raid_state FOR EACH ROW "
        "WHEN (NEW.raid_state = 'bad') EXECUTE FUNCTION silent()",
    )

    # When
    buried = settled(database.worker(to_table(**rule)), [raid("web1"), raid("web2", "bad"), raid("web3")])

    # Then
    assert (buried.positions, rows(database)) == ([1], [("web1", "ok"), ("web3", "ok")])

    # When: partitions as there were before there were partitions
    database.execute(
        "CREATE TABLE below () INHERITS (raid_state)",
        "CREATE OR REPLACE FUNCTION silent() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN INSERT INTO below SELECT NEW.*; RETURN NULL; END $$",
        "DELETE FROM eventsd_receipts",
    )

    # Then
    assert settled(database.worker(to_table(**rule)), [raid("web2", "bad")]).refusals == []
    assert ("web2", "bad") in rows(database)
    database.close()


def test_rows_may_go_through_a_view(database: Database) -> None:
    # Given
    database.execute(
        "CREATE TABLE below (servername VARCHAR(255), raid_state VARCHAR(255))",
        "CREATE VIEW raid_state AS SELECT servername, raid_state FROM below",
    )
    if database.kind == "sqlite":
        database.execute(
            "CREATE TRIGGER through INSTEAD OF INSERT ON raid_state "
            "BEGIN INSERT INTO below VALUES (NEW.servername, NEW.raid_state); END"
        )

    # When
    buried = settled(database.worker(to_table(columns=_COLUMNS)), [raid("web1"), raid("web2")])
    found = rows(database)
    database.close()
    database.execute("DROP VIEW raid_state")

    # Then
    assert (buried.refusals, found) == ([], [("web1", "ok"), ("web2", "ok")])
