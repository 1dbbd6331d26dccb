"""Whatever an event holds lands as data, and whatever a table or column is called is a name, on each database."""

from __future__ import annotations

import json
from typing import Any

import pytest

from salt_eventsd.config.structs import EventRule
from tests.support.own import by_statement, carrying, to_table
from tests.support.stores import Buried, Database, batch_of

_HOSTILE = [
    "'); DROP TABLE t; --",
    "\\'); DROP TABLE t; -- ",
    "\\",
    "ends with a backslash\\",
    '"; DROP TABLE t; -- ',
    "`; DROP TABLE t; -- ",
    "%s %(v)s %(n)s %d %",
    "%%",
    ":v :n \\:v ::int",
    "{0} {v} {",
    "? ?1 $1 $v$ $$",
    "/* */ -- # \r\n;",
    "\x00\x1a\x08\x7f",
    "\u2019 \uff07 \u02bc \N{PILE OF POO}",
    "NULL",
    "\\N",
    "[1, 2]",
    "a','b",
    "0x41 E'\\x41' x'41'",
    "\n;\nEND; DROP TABLE t;\nBEGIN NOT ATOMIC\n",
]
_INSERT = "INSERT INTO t (k, v) VALUES (:k, :v)"
_FIELDS = {"k": "data.k", "v": "data.v"}


@pytest.fixture
def database(mine: Database) -> Database:
    """A database that the tests share; each makes its own tables."""
    return mine


def _update(database: Database) -> str:
    return database.by_kind(
        *[f"{_INSERT} ON CONFLICT (k) DO UPDATE SET v = :v"] * 2, f"{_INSERT} ON DUPLICATE KEY UPDATE v = :v"
    )


def _rules(database: Database, way: str) -> dict[str, EventRule]:
    if way in ("table", "upsert"):
        return to_table("t", columns=_FIELDS, upsert=["k"] if way == "upsert" else [])
    select = "INSERT INTO t (k, v) SELECT :k, :v WHERE '100%' <> :v AND ' \\:v' <> :v"
    return by_statement({"insert": _INSERT, "update": _update(database)}.get(way, select), fields=_FIELDS)


@pytest.fixture
def table(database: Database) -> Database:
    """A database with a table whose key tells all texts apart."""
    exact = database.by_kind("", "", "CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin")
    database.execute(f"CREATE TABLE t (k VARCHAR(200) PRIMARY KEY, v TEXT) {exact}")
    return database


@pytest.mark.parametrize(
    "way",
    [pytest.param(way, id=way.replace(" ", "-")) for way in ("table", "upsert", "insert", "update", "row by row")],
)
def test_hostile_text_lands_as_data(table: Database, way: str) -> None:
    # Given: each text as a text, as a key, and inside a structure
    rules = _rules(table, way)
    pairs: list[tuple[str, Any]] = [(text, text) for text in _HOSTILE]
    pairs += [(f"in {text}", {text: [text]}) for text in _HOSTILE]
    if way in ("upsert", "update"):
        pairs += [(text, f"again {text}") for text in _HOSTILE]
    buried = Buried()

    # When
    table.worker(rules).write(batch_of([carrying({"k": key, "v": value}) for key, value in pairs], buried=buried))

    # Then
    expected = {
        key: value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), ensure_ascii=False)
        for key, value in pairs
    }
    found = dict(table.query("SELECT k, v FROM t"))
    shown = "\N{SYMBOL FOR NULL}" if table.kind == "postgresql" else "\0"
    assert buried.refusals == []
    assert found.keys() == {key.replace("\0", shown) for key in expected}
    for key, value in expected.items():
        # A structure is JSON, whose own escape for NUL goes into a column of text as it is.
        kept = found[key.replace("\0", shown)]
        if key.startswith("in "):
            assert json.loads(kept.replace(shown, "\\u0000")) == json.loads(value)
        else:
            assert kept == value.replace("\0", shown)


@pytest.mark.parametrize("text", [pytest.param(text, id=str(number)) for number, text in enumerate(_HOSTILE)])
def test_hostile_text_lands_as_data_alone(table: Database, text: str) -> None:
    # Given: a batch of one event takes another way through some drivers
    shown = text.replace("\0", "\N{SYMBOL FOR NULL}") if table.kind == "postgresql" else text
    worker = table.worker(_rules(table, "update"))

    # When
    worker.write(batch_of([carrying({"k": text, "v": text})]))

    # Then
    assert table.query("SELECT k, v FROM t") == [(shown, shown)]


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
    name, key = database.quote(table), database.quote(column)
    database.execute(f"CREATE TABLE {name} ({key} VARCHAR(20) PRIMARY KEY, {database.quote('End')} VARCHAR(20))")
    rules = to_table(table, columns={column: "data.k", "End": "data.v"}, upsert=[column] if upsert else [])

    # When
    database.worker(rules).check()
    worker = database.worker(rules)
    worker.write(batch_of([carrying({"k": "1", "v": "a"}), carrying({"k": "2", "v": "b"})]))

    # Then
    assert database.query(f"SELECT * FROM {name} ORDER BY {key}") == [("1", "a"), ("2", "b")]


def test_a_table_of_a_schema(fresh: Database) -> None:
    # Given
    schema = fresh.by_kind("main", "Audit", str(fresh.engine.url.database))
    if fresh.kind == "postgresql":
        fresh.execute('CREATE SCHEMA "Audit"')
    fresh.execute(
        f"CREATE TABLE {fresh.quote(schema)}.{fresh.quote('State')} "
        f"({fresh.quote('Key')} VARCHAR(20) PRIMARY KEY, v VARCHAR(20))"
    )
    rules = to_table(f"{schema}.State", columns={"Key": "data.k", "v": "data.v"}, upsert=["Key"])

    # When
    fresh.worker(rules).check()
    fresh.worker(rules).write(batch_of([carrying({"k": "1", "v": "a"}), carrying({"k": "1", "v": "b"})]))

    # Then
    assert fresh.query(f"SELECT * FROM {fresh.quote(schema)}.{fresh.quote('State')}") == [("1", "b")]


def test_case_of_columns_where_it_does_not_matter(database: Database) -> None:
    # Given
    if database.kind == "postgresql":
        pytest.skip("PostgreSQL tells names apart by their case")
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
