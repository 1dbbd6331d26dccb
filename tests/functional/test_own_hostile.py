"""Whatever an event holds lands as data, and whatever a table or column is called is a name, on each database."""

from __future__ import annotations

from typing import Any

import pytest

from salt_eventsd.config import EventRule
from tests.support.own import by_statement, carrying, to_table
from tests.support.stores import Buried, Database, batch_of

_HOSTILE = [
    pytest.param("'); DROP TABLE t; --", id="ends-the-statement"),
    pytest.param("\\'); DROP TABLE t; -- ", id="escaped-quote"),
    pytest.param("\\", id="backslash"),
    pytest.param("ends with a backslash\\", id="backslash-at-the-end"),
    pytest.param('"; DROP TABLE t; -- ', id="double-quotes"),
    pytest.param("`; DROP TABLE t; -- ", id="backticks"),
    pytest.param("%s %(v)s %(n)s %d %", id="percent"),
    pytest.param("%%", id="two-percent"),
    pytest.param(":v :n \\:v ::int", id="colons"),
    pytest.param("{0} {v} {", id="braces"),
    pytest.param("? ?1 $1 $v$ $$", id="other-markers"),
    pytest.param("/* */ -- # \r\n;", id="comments"),
    pytest.param("\x00\x1a\x08\x7f", id="control-characters"),
    pytest.param("\u2019 \uff07 \u02bc \N{PILE OF POO}", id="other-quotes"),
    pytest.param("NULL", id="null"),
    pytest.param("\\N", id="null-of-copy"),
    pytest.param("[1, 2]", id="json"),
    pytest.param("a','b", id="list"),
    pytest.param("0x41 E'\\x41' x'41'", id="hexadecimal"),
    pytest.param("\n;\nEND; DROP TABLE t;\nBEGIN NOT ATOMIC\n", id="end-of-a-block"),
]
_INSERT = "INSERT INTO t (k, v) VALUES (:k, :v)"
_FIELDS = {"k": "data.k", "v": "data.v"}


def _update(database: Database) -> str:
    return database.by_kind(
        *[f"{_INSERT} ON CONFLICT (k) DO UPDATE SET v = :v"] * 2, f"{_INSERT} ON DUPLICATE KEY UPDATE v = :v"
    )


def _ways(database: Database) -> dict[str, dict[str, EventRule]]:
    select = "INSERT INTO t (k, v) SELECT :k, :v WHERE '100%' <> :v AND ' \\:v' <> :v"
    return {
        "table": to_table("t", columns=_FIELDS),
        "upsert": to_table("t", columns=_FIELDS, upsert=["k"]),
        "statement": by_statement(_INSERT, fields=_FIELDS),
        "statement that updates": by_statement(_update(database), fields=_FIELDS),
        "statement row by row": by_statement(select, fields=_FIELDS),
    }


@pytest.fixture
def table(database: Database) -> Database:
    """A database with a table whose key tells all texts apart."""
    exact = database.by_kind("", "", "CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin")
    database.execute(f"CREATE TABLE t (k VARCHAR(200) PRIMARY KEY, v TEXT) {exact}")
    return database


@pytest.mark.parametrize("text", _HOSTILE)
def test_hostile_text_lands_as_data(table: Database, text: str) -> None:
    kept = text.replace("\0", "\N{SYMBOL FOR NULL}") if table.kind == "postgresql" else text
    for number, (way, rules) in enumerate(_ways(table).items(), start=1):
        # Given
        table.execute("DELETE FROM t")
        buried = Buried()

        # When: several rows, in text, as a key, and inside a structure
        pairs: list[tuple[str, Any]] = [
            (text, text),
            ("a", text),
            (text + "b", "b"),
            ("c", {text: [text]}),
            (text, text),
        ]
        pairs = pairs if "up" in way else pairs[:-1]
        events = [carrying({"k": key, "v": value}) for key, value in pairs]
        table.worker(rules).write(batch_of(events, first=number, buried=buried))

        # Then
        found = dict(table.query("SELECT k, v FROM t"))
        assert buried.refusals == [], way
        assert (found[kept], found["a"], found[kept + "b"]) == (kept, kept, "b"), way
        assert len(found) == 4, way


_NAMES = [
    pytest.param("order", "group", id="reserved-words"),
    pytest.param("RaidState", "ServerName", id="mixed-case"),
    pytest.param("with blank", "a-b", id="blank-and-dash"),
    pytest.param("it's", 'double"quote', id="quotes"),
    pytest.param("back`tick", "back\\slash", id="backtick-and-backslash"),
    pytest.param("100%", "%s", id="percent"),
    pytest.param("a:b", ":v", id="colons"),
    pytest.param("%(v)s", "(a)", id="parentheses"),
    pytest.param("größe", "\u540d", id="letters-of-other-alphabets"),
    pytest.param("c0", "r", id="names-we-use-ourselves"),
    pytest.param("document", "excluded", id="more-names-we-use-ourselves"),
    pytest.param("a.b", "c.d", id="dots"),
]


@pytest.mark.parametrize("upsert", [pytest.param(False, id="added"), pytest.param(True, id="replaced")])
@pytest.mark.parametrize(("table", "column"), _NAMES)
def test_odd_names_of_tables_and_columns(database: Database, table: str, column: str, upsert: bool) -> None:
    # Given
    quote = database.quote
    # A percent sign is doubled for drivers that fill values in, and there are none here.
    name, key = (quote(one).replace("%%", "%") for one in (table, column))
    database.execute(f"CREATE TABLE {name} ({key} VARCHAR(20) PRIMARY KEY, {quote('End')} VARCHAR(20))")
    rules = to_table(table, columns={column: "data.k", "End": "data.v"}, upsert=[column] if upsert else [])

    # When
    database.worker(rules).check()
    worker = database.worker(rules)
    worker.write(batch_of([carrying({"k": "1", "v": "a"}), carrying({"k": "2", "v": "b"})]))

    # Then
    assert database.query(f"SELECT * FROM {name} ORDER BY {key}") == [("1", "a"), ("2", "b")]


def test_a_table_of_a_schema(database: Database) -> None:
    # Given
    schema = database.by_kind("main", "Audit", sa_database(database))
    if database.kind == "postgresql":
        database.execute('CREATE SCHEMA "Audit"')
    database.execute(
        f"CREATE TABLE {database.quote(schema)}.{database.quote('State')} "
        f"({database.quote('Key')} VARCHAR(20) PRIMARY KEY, v VARCHAR(20))"
    )
    rules = to_table(f"{schema}.State", columns={"Key": "data.k", "v": "data.v"}, upsert=["Key"])

    # When
    database.worker(rules).check()
    database.worker(rules).write(batch_of([carrying({"k": "1", "v": "a"}), carrying({"k": "1", "v": "b"})]))

    # Then
    assert database.query(f"SELECT * FROM {database.quote(schema)}.{database.quote('State')}") == [("1", "b")]


def sa_database(database: Database) -> str:
    """Return the name of the database, which is a schema to MariaDB."""
    return str(database.engine.url.database)


def test_case_of_columns_where_it_does_not_matter(database: Database) -> None:
    # Given
    if database.kind == "postgresql":
        pytest.skip("names differ by case here")
    database.execute("CREATE TABLE t (Server VARCHAR(20) PRIMARY KEY, v VARCHAR(20))")
    rules = to_table("t", columns={"server": "data.k", "V": "data.v"}, upsert=["server"])

    # When
    database.worker(rules).write(batch_of([carrying({"k": "1", "v": "a"}), carrying({"k": "1", "v": "b"})]))

    # Then
    assert database.query("SELECT * FROM t") == [("1", "b")]


@pytest.mark.parametrize("value", [pytest.param("\ud83d", id="half-a-pair"), pytest.param("it's %s :n", id="quotes")])
def test_odd_constants(table: Database, value: str) -> None:
    # Given: PyYAML reads half of a surrogate pair
    rules = to_table("t", columns={"k": "data.k", "v": f'"{value}"'})
    buried = Buried()

    # When
    table.worker(rules).write(batch_of([carrying({"k": "1"})], buried=buried))

    # Then
    assert buried.refusals == []
    assert table.query("SELECT v FROM t") == [(value.encode("utf-8", "backslashreplace").decode(),)]
