"""Rules that replace rows by a key, on each database: the last event wins, in one batch and in several."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from salt_eventsd.config.structs import EventRule
from tests.support.own import carrying, raid, to_table
from tests.support.stores import Buried, Database, batch_of

_RULE = {"columns": {"servername": "minion_id", "raid_state": "data.return"}, "upsert": ["servername"]}


@pytest.fixture
def database(mine: Database) -> Database:
    """A database that the tests share; each makes its own tables."""
    return mine


@pytest.fixture
def raid_state(database: Database) -> Database:
    """A database with a table of the user's own."""
    database.execute("CREATE TABLE raid_state (servername VARCHAR(255) PRIMARY KEY, raid_state TEXT)")
    return database


def _states(database: Database) -> list[tuple[Any, ...]]:
    return database.query("SELECT servername, raid_state FROM raid_state ORDER BY servername")


@pytest.mark.parametrize("sizes", [pytest.param([5], id="one-batch"), pytest.param([2, 1, 2], id="three-batches")])
def test_the_last_event_wins(raid_state: Database, sizes: list[int]) -> None:
    # Given
    events = iter([raid("web1", 1), raid("web2", 2), raid("web1", 3), raid("web1", 4), raid("web2", 5)])
    worker = raid_state.worker(to_table(**_RULE))

    # When
    for number, size in enumerate(sizes):
        worker.write(batch_of(list(itertools.islice(events, size)), first=number + 1))

    # Then
    assert _states(raid_state) == [("web1", "4"), ("web2", "5")]


def test_columns_the_rule_does_not_fill_stay(database: Database) -> None:
    # Given
    database.execute(
        "CREATE TABLE raid_state (servername VARCHAR(255) PRIMARY KEY, raid_state TEXT, note VARCHAR(20))",
        "INSERT INTO raid_state VALUES ('web1', 'old', 'by hand')",
    )

    # When
    database.worker(to_table(**_RULE)).write(batch_of([raid("web1", "new")]))

    # Then
    assert database.query("SELECT * FROM raid_state") == [("web1", "new", "by hand")]


def test_a_table_that_is_all_key(database: Database) -> None:
    # Given
    database.execute("CREATE TABLE seen (a VARCHAR(20), b VARCHAR(20), PRIMARY KEY (a, b))")
    rules = to_table("seen", columns={"b": "data.b", "a": "data.a"}, upsert=["a", "b"])
    worker = database.worker(rules)

    # When
    for chunk in (1, 2):
        worker.write(batch_of([carrying({"a": a, "b": b}) for a in "xy" for b in "xy"] * 2, first=chunk))

    # Then
    assert database.query("SELECT a, b FROM seen ORDER BY a, b") == list(itertools.product("xy", "xy"))


@pytest.mark.parametrize(
    "key",
    [
        pytest.param("UNIQUE (a, b)", id="constraint"),
        pytest.param("", id="index"),
    ],
)
def test_a_unique_key_beside_the_primary_one(database: Database, key: str) -> None:
    # Given
    number = database.by_kind("INTEGER PRIMARY KEY", "SERIAL PRIMARY KEY", "INTEGER PRIMARY KEY AUTO_INCREMENT")
    database.execute(
        f"CREATE TABLE t (id {number}, a VARCHAR(9), b VARCHAR(9), v VARCHAR(9){', ' if key else ''}{key})"
    )
    if not key:
        database.execute("CREATE UNIQUE INDEX t_ab ON t (b, a)")
    rules = to_table("t", columns={"a": "data.a", "b": "data.b", "v": "data.v"}, upsert=["a", "b"])

    # When
    events = [carrying({"a": "1", "b": b, "v": v}) for b, v in (("x", "old"), ("y", "old"), ("x", "new"))]
    database.worker(rules).write(batch_of(events[:2], events[2:]))

    # Then
    assert database.query("SELECT a, b, v FROM t ORDER BY b") == [("1", "x", "new"), ("1", "y", "old")]


def test_null_keys_are_like_no_other(database: Database) -> None:
    # Given
    database.execute("CREATE TABLE t (a VARCHAR(9) UNIQUE, v VARCHAR(9))")
    rules = to_table("t", columns={"a": "data.a", "v": "data.v"}, upsert=["a"])

    # When
    events = [carrying({"a": a, "v": v}) for a, v in ((None, "1"), ("x", "2"), (None, "3"), ("x", "4"))]
    database.worker(rules).write(batch_of(events))

    # Then
    assert database.query("SELECT a, v FROM t ORDER BY v") == [(None, "1"), (None, "3"), ("x", "4")]


def test_keys_the_database_takes_for_one(database: Database) -> None:
    # Given: what is one key to the database looks like several here
    database.execute("CREATE TABLE t (a DECIMAL(9, 2) UNIQUE, v VARCHAR(9))")
    rules = to_table("t", columns={"a": "data.a", "v": "data.v"}, upsert=["a"])
    buried = Buried()

    # When
    events = [carrying({"a": a, "v": str(v)}) for v, a in enumerate([1, "1", "1.0", "01.00", 2])]
    database.worker(rules).write(batch_of(events, buried=buried))

    # Then
    assert buried.refusals == []
    assert database.query("SELECT v FROM t ORDER BY v") == [("3",), ("4",)]


def test_keys_of_time(database: Database) -> None:
    # Given
    database.execute(
        f"CREATE TABLE t (a {database.by_kind('DATETIME', 'TIMESTAMPTZ', 'DATETIME(6)')} UNIQUE, v VARCHAR(9))"
    )
    rules = to_table("t", columns={"a": "data.a", "v": "data.v"}, upsert=["a"])

    # When
    stamps = ["2026-01-02T03:04:05", "2026-01-02T03:04:05Z", "2026-01-02T05:04:05+02:00"]
    events = [carrying({"a": a, "v": str(v)}) for v, a in enumerate(stamps)]
    database.worker(rules).write(batch_of(events[:2], events[2:]))

    # Then
    assert database.query("SELECT v FROM t") == [("2",)]


def test_only_the_bad_events_are_buried(database: Database) -> None:
    # Given: a check of the user's, and one server's events in between each other
    database.execute(
        "CREATE TABLE raid_state (servername VARCHAR(255) PRIMARY KEY, raid_state VARCHAR(20), "
        "CHECK (raid_state <> 'poison'))"
    )
    buried = Buried()

    # When
    states = ["1", "poison", "2", "poison", "poison", "3"]
    events = [raid(f"web{number % 2}", state) for number, state in enumerate(states)]
    database.worker(to_table(**_RULE)).write(batch_of(events, buried=buried))

    # Then
    assert {"poison"} == {states[position] for position in buried.positions}
    assert _states(database) == [("web0", "2"), ("web1", "3")]


def test_rules_of_one_table_keep_the_order_of_events(raid_state: Database) -> None:
    # Given: one rule says a server is up, the other that it is down
    rules: dict[str, EventRule] = {}
    for name in ("up", "down"):
        rules |= to_table(
            name=name, columns={"servername": "minion_id", "raid_state": f"'{name}'"}, upsert=["servername"]
        )

    # When
    events = [raid(f"web{number % 3}", rule="up" if number % 2 else "down") for number in range(11)]
    raid_state.worker(rules).write(batch_of(events))

    # Then
    assert _states(raid_state) == [("web0", "up"), ("web1", "down"), ("web2", "down")]


def test_rules_of_one_table_and_different_columns_keep_the_order_of_events(database: Database) -> None:
    # Given
    database.execute("CREATE TABLE t (a VARCHAR(9) PRIMARY KEY, v VARCHAR(9), w VARCHAR(9))")
    rules = {
        **to_table("t", "one", columns={"a": "minion_id", "v": "data.return", "w": "'one'"}, upsert=["a"]),
        **to_table("t", "two", columns={"a": "minion_id", "w": "data.return"}, upsert=["a"]),
    }

    # When
    events = [raid("web1", 1, "one"), raid("web1", 2, "two"), raid("web2", 3, "two"), raid("web2", 4, "one")]
    database.worker(rules).write(batch_of(events))

    # Then
    assert database.query("SELECT a, v, w FROM t ORDER BY a") == [("web1", "1", "2"), ("web2", "4", "one")]
