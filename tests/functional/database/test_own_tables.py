"""Rules that write into tables of the user's own, on each database: values, keys, faults, exactly once."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.events import RECEIVED, STAMP, returned
from tests.support.own import RULE, carrying, raid, to_table
from tests.support.stores import Buried, Database, batch_of

_COLUMNS = {"servername": "minion_id", "raid_state": "data.return"}
_UPSERT = {"columns": _COLUMNS, "upsert": ["servername"]}


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


def _table(database: Database, type_: str) -> None:
    database.execute(f"CREATE TABLE t (n INTEGER, v {type_})")


def _written(database: Database, *values: Any, source: str = "data.v", **more: Any) -> tuple[list[Any], Buried]:
    """Write a row for each value, and return what is in the table and what was buried."""
    buried = Buried()
    rules = to_table("t", columns={"n": "data.n", "v": source}, **more)
    events = [carrying({"n": number, "v": value, "_stamp": STAMP}) for number, value in enumerate(values)]
    database.worker(rules).write(batch_of(events, buried=buried))
    return [value for (value,) in database.query("SELECT v FROM t ORDER BY n")], buried


def test_rows_are_added(raid_state: Database) -> None:
    # When
    raid_state.worker(to_table(columns=_COLUMNS)).write(batch_of([raid("web1"), raid("web2", "degraded")]))

    # Then
    assert _states(raid_state) == [("web1", "ok"), ("web2", "degraded")]
    assert raid_state.column("receipts", "chunk") == [1]


def test_a_batch_holds_built_in_and_own_rows(raid_state: Database) -> None:
    # Given
    events = [returned(jid="1"), raid("web1"), returned(jid="2")]

    # When
    raid_state.worker(to_table(columns=_COLUMNS)).write(batch_of(events))

    # Then
    assert sorted(raid_state.column("returns", "jid")) == ["1", "2"]
    assert _states(raid_state) == [("web1", "ok")]


def test_what_a_column_can_be_filled_with(database: Database) -> None:
    # Given
    names = ("server", "state", "fun", "jid", "tag", "rule", "master", "kind", "source", "tries", "part", "gap")
    database.execute(f"CREATE TABLE facts ({', '.join(f'{database.quote(name)} VARCHAR(255)' for name in names)})")
    sources = ("minion_id", "data.return.state", "fun", "jid", "tag", "rule", "master_id", "kind", "'salt'", 3)
    columns = {**dict(zip(names, sources)), "part": "data.return.disks.1", "gap": "data.nowhere"}

    # When
    event = raid("web1", {"state": "ok", "disks": ["a", "b"]})
    database.worker(to_table("facts", columns=columns)).write(batch_of([event]))

    # Then
    assert database.query(f"SELECT {', '.join(map(database.quote, names))} FROM facts") == [
        (
            *("web1", "ok", "wputil.check_raid", "1", "salt/job/1/ret/web1", RULE, "master-1", "job", "salt", "3"),
            *("b", None),
        )
    ]


def test_an_event_without_a_field_is_refused_if_the_rule_says_so(database: Database) -> None:
    # Given
    _table(database, "TEXT")
    rules = to_table("t", columns={"n": "data.n", "v": "data.v"}, missing="refuse")
    buried = Buried()

    # When
    events = [carrying({"n": 1, "v": "here"}), carrying({"n": 2}), carrying({"n": 3, "v": None})]
    database.worker(rules).write(batch_of(events, buried=buried))

    # Then: null is not the same as missing
    assert buried.refusals == [(1, "the event has no data.v")]
    assert database.query("SELECT n, v FROM t ORDER BY n") == [(1, "here"), (3, None)]


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        pytest.param("text", "text", id="text"),
        pytest.param("", "", id="empty"),
        pytest.param({"a": [1, None]}, '{"a":[1,null]}', id="mapping"),
        pytest.param(["a", {"b": "\\"}], '["a",{"b":"\\\\"}]', id="list"),
        pytest.param(7, "7", id="number"),
        pytest.param(2**64 - 1, str(2**64 - 1), id="large-number"),
        pytest.param(1.5, "1.5", id="fraction"),
        pytest.param(True, "true", id="true"),
        pytest.param(None, None, id="null"),
        pytest.param("a\u0000b", "a\u0000b", id="nul"),
        pytest.param("\N{PILE OF POO}", "\N{PILE OF POO}", id="four-byte-characters"),
    ],
)
def test_a_column_of_text(database: Database, value: Any, kept: Any) -> None:
    # Given
    _table(database, database.by_kind("TEXT", "TEXT", "TEXT CHARACTER SET utf8mb4"))

    # When
    found, buried = _written(database, value)

    # Then
    if database.kind == "postgresql" and kept is not None:
        kept = kept.replace("\0", "\N{SYMBOL FOR NULL}")
    assert (found, buried.refusals) == ([kept], [])


@pytest.mark.parametrize("type_", [pytest.param("JSON", id="json"), pytest.param("JSONB", id="jsonb")])
@pytest.mark.parametrize("source", [pytest.param("data.v", id="value"), pytest.param("data.v | json", id="json-text")])
def test_a_column_of_json_is_a_document(database: Database, type_: str, source: str) -> None:
    # Given
    values = ["text", "7", "null", "", 7, True, {"a": "\\u0000"}, ["\u0000'\"%s"], 1.5, "\N{PILE OF POO}", 2**64 - 1]
    _table(database, type_ if database.kind == "postgresql" else "JSON")

    # When
    found, buried = _written(database, *values, source=source)

    # Then
    if database.kind == "sqlite":
        # A column declared JSON is one of numbers to SQLite, and this one is beyond its own.
        del found[-1], values[-1]
    documents = [json.loads(one) if isinstance(one, str) and database.kind != "postgresql" else one for one in found]
    if database.kind == "postgresql":
        values[7] = ["\N{SYMBOL FOR NULL}'\"%s"]
    assert (documents, buried.refusals) == (values, [])


def test_null_in_a_column_of_json_is_null(database: Database) -> None:
    # Given
    _table(database, "JSON")

    # When / Then
    assert _written(database, None)[0] == [None]


@pytest.mark.parametrize("source", [pytest.param("stamp", id="stamp"), pytest.param("data._stamp", id="payload")])
def test_a_column_of_time_is_utc_with_microseconds(database: Database, source: str) -> None:
    # Given
    _table(database, database.by_kind("DATETIME", "TIMESTAMPTZ", "DATETIME(6)"))

    # When
    found, _ = _written(database, 1, source=source)

    # Then
    assert str(found[0]).removesuffix("+00:00") == STAMP.replace("T", " ")


@pytest.mark.parametrize(
    ("types", "kept"),
    [
        pytest.param(("TIMESTAMP", "TIMESTAMP", "TIMESTAMP(6)"), "2026-01-02 03:04:05.678901", id="timestamp"),
        pytest.param(("DATETIME", "TIMESTAMP(0)", "DATETIME"), "2026-01-02 03:04:0", id="whole-seconds"),
        pytest.param(("DATE", "DATE", "DATE"), "2026-01-02", id="date"),
        pytest.param(("TIME", "TIME", "TIME(6)"), "3:04:05.678901", id="time-of-day"),
        pytest.param(("TEXT", "TEXT", "TEXT"), "2026-01-02 03:04:05.678901", id="text"),
        pytest.param(("INTEGER", "BIGINT", "BIGINT"), "1767323045", id="integer"),
        pytest.param(("REAL", "DOUBLE PRECISION", "DOUBLE"), "1767323045.67", id="double"),
    ],
)
def test_a_time_in_other_columns(database: Database, types: tuple[str, str, str], kept: str) -> None:
    # Given
    _table(database, database.by_kind(*types))

    # When
    found, buried = _written(database, 1, source="stamp")

    # Then
    assert buried.refusals == []
    assert str(found[0]).removeprefix("0").startswith(kept)


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        pytest.param("2026-01-02T03:04:05.678901", "2026-01-02 03:04:05.678901", id="naive-is-utc"),
        pytest.param("2026-01-02T03:04:05Z", "2026-01-02 03:04:05", id="z"),
        pytest.param("2026-01-02T05:04:05+02:00", "2026-01-02 03:04:05", id="of-another-zone"),
        pytest.param("2026-01-02", "2026-01-02 00:00:00", id="a-day"),
    ],
)
def test_text_of_a_payload_in_a_column_of_time(database: Database, value: str, kept: str) -> None:
    # Given
    _table(database, database.by_kind("DATETIME", "TIMESTAMP", "DATETIME(6)"))

    # When
    found, _ = _written(database, value)

    # Then
    assert str(found[0]).removesuffix(".000000") == kept


def test_now_is_when_the_event_was_read(database: Database) -> None:
    # Given: an event that waited for the database for years
    _table(database, "DOUBLE PRECISION")

    # When
    found, _ = _written(database, 1, source="now")

    # Then
    assert found == [pytest.approx(RECEIVED)]


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        pytest.param(7, 7, id="number"),
        pytest.param("7", 7, id="text"),
        pytest.param(True, 1, id="true"),
        pytest.param(False, 0, id="false"),
        pytest.param(7.0, 7, id="whole-float"),
        pytest.param(2**63 - 1, 2**63 - 1, id="largest"),
        pytest.param(-(2**63), -(2**63), id="smallest"),
    ],
)
def test_a_column_of_whole_numbers(database: Database, value: Any, kept: int) -> None:
    # Given
    _table(database, "BIGINT")

    # When / Then
    assert _written(database, value)[0] == [kept]


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        pytest.param(1.5, 1.5, id="fraction"),
        pytest.param("1.5", 1.5, id="text"),
        pytest.param(True, 1.0, id="true"),
        pytest.param(5e-324, 5e-324, id="smallest"),
        pytest.param(0.1 + 0.2, 0.1 + 0.2, id="all-digits"),
    ],
)
def test_a_column_of_fractions(database: Database, value: Any, kept: float) -> None:
    # Given
    _table(database, database.by_kind("REAL", "DOUBLE PRECISION", "DOUBLE"))

    # When / Then
    assert _written(database, value)[0] == [kept]


@pytest.mark.parametrize(
    "value", [pytest.param(True, id="true"), pytest.param(1, id="1"), pytest.param("1", id="text")]
)
def test_a_column_of_truth(database: Database, value: Any) -> None:
    # Given
    _table(database, "BOOLEAN")

    # When / Then
    assert _written(database, value)[0] == [1]


def test_a_column_of_bytes(database: Database) -> None:
    # Given
    _table(database, database.by_kind("BLOB", "BYTEA", "LONGBLOB"))
    text = "\\x41 \\ \N{PILE OF POO} \0 %s"

    # When
    found, _ = _written(database, text)

    # Then
    assert bytes(found[0]) == text.encode()


@pytest.mark.parametrize("number", [pytest.param(2**64, id="64-bits"), pytest.param(10**20, id="digits")])
def test_a_number_of_a_payload_too_large_for_its_column_is_buried_alone(database: Database, number: int) -> None:
    # Given: SQLite takes any value in any column
    if database.kind == "sqlite":
        pytest.skip("SQLite refuses no number")
    _table(database, "BIGINT")

    # When
    found, buried = _written(database, 1, str(number), 3)

    # Then
    assert (found, buried.positions) == ([1, 3], [1])


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        pytest.param("VARCHAR(5)", "too long", id="long-text"),
        pytest.param("INTEGER", "no number", id="no-number"),
        pytest.param("INTEGER", {"a": 1}, id="a-mapping-for-a-number"),
        pytest.param("SMALLINT", 70_000, id="large-number"),
        pytest.param("DATE", "yesterday-ish", id="no-date"),
    ],
)
def test_what_a_strict_database_refuses_is_buried_alone(database: Database, type_: str, value: Any) -> None:
    # Given
    if database.kind == "sqlite":
        pytest.skip("SQLite takes any value in any column")
    _table(database, type_)

    # When
    found, buried = _written(database, None, value, None)

    # Then
    assert (found, buried.positions) == ([None, None], [1])


def test_a_value_the_server_has_no_room_for(database: Database) -> None:
    # Given: 40 MB, where MariaDB takes half of 64
    _table(database, database.by_kind("TEXT", "TEXT", "LONGTEXT"))
    large = "x" * 40_000_000

    # When
    found, buried = _written(database, large, "small")
    refused = Buried()
    rules = to_table("t", columns={"n": "data.n", "v": "data.v"})
    worker = database.worker(rules, too_large="bury")
    worker.write(batch_of([carrying({"n": 7, "v": large})], first=2, buried=refused))

    # Then
    is_cut = database.kind == "mysql"
    assert buried.refusals == []
    assert [len(one) for one in found] == [65_536 if is_cut else len(large), len("small")]
    assert refused.positions == ([0] if is_cut else [])


def test_a_row_the_server_has_no_room_for_is_buried(database: Database) -> None:
    # Given: each value fits
    database.execute(
        f"CREATE TABLE t (a {database.by_kind('TEXT', 'TEXT', 'LONGTEXT')}, b LONGTEXT)".replace(
            "b LONGTEXT", f"b {database.by_kind('TEXT', 'TEXT', 'LONGTEXT')}"
        )
    )
    rules = to_table("t", columns={"a": "data.v", "b": "data.v"})
    buried = Buried()

    # When
    events = [carrying({"v": "small"}), carrying({"v": "x" * 30_000_000}), carrying({"v": "small"})]
    database.worker(rules).write(batch_of(events, buried=buried))

    # Then
    assert buried.positions == ([1] if database.kind == "mysql" else [])
    assert len(database.query("SELECT a FROM t")) == 3 - len(buried.positions)
