"""Rules with statements of the user's own, on each database: values, order, percent signs and colons, faults."""

from __future__ import annotations

import json
from typing import Any

import pytest

from salt_eventsd.exceptions import ConfigError, Held
from tests.support.events import STAMP, returned
from tests.support.own import RULE, by_statement, carrying, to_table
from tests.support.stores import Buried, Database, batch_of

_INSERT = "INSERT INTO t (n, v) VALUES (:n, :v)"
_FIELDS = {"n": "data.n", "v": "data.v"}


@pytest.fixture
def database(mine: Database) -> Database:
    """A database that the tests share; each makes its own tables."""
    return mine


@pytest.fixture
def table(database: Database) -> Database:
    """A database with a table of the user's own."""
    database.execute(
        f"CREATE TABLE t (n INTEGER PRIMARY KEY, v {database.by_kind('TEXT', 'TEXT', 'LONGTEXT')})",
        *(["ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4"] if database.kind == "mysql" else []),
    )
    return database


def _rows(database: Database) -> list[tuple[Any, ...]]:
    return database.query("SELECT n, v FROM t ORDER BY n")


def _write(database: Database, statement: str, *values: Any, first: int = 1, **more: Any) -> Buried:
    buried = Buried()
    rules = by_statement(statement, **{"fields": _FIELDS, **more})
    events = [carrying({"n": number, "v": value, "_stamp": STAMP}) for number, value in enumerate(values)]
    database.worker(rules).write(batch_of(events, first=first, buried=buried))
    return buried


def _conflict(database: Database, update: str) -> str:
    """Return an insert that does something else where the key is there already."""
    clause = database.by_kind(*["ON CONFLICT (n) DO UPDATE SET"] * 2, "ON DUPLICATE KEY UPDATE")
    return f"{_INSERT} {clause} {update}"


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param(_INSERT, id="insert"),
        pytest.param("insert into t values (:n,:v);", id="without-columns"),
        pytest.param("  INSERT\n INTO t (v, n)\n VALUES (\n :v, :n\n )  ;  ", id="many-lines"),
        pytest.param("INSERT INTO t (n, v) SELECT :n, :v", id="select"),
        pytest.param("INSERT INTO t (n, v) VALUES (:n + 0, COALESCE(:v, 'x;(', :v))", id="expressions"),
        pytest.param("/* a comment */ INSERT INTO t (n, v) VALUES (:n, :v)", id="comment"),
        pytest.param("INSERT INTO t (n, v) VALUES (:n, :v) -- a comment", id="comment-behind"),
        pytest.param("INSERT INTO t (n, v) SELECT :n, :v; -- a comment", id="comment-behind-a-semicolon"),
    ],
)
def test_a_statement_is_executed_for_each_event(table: Database, statement: str) -> None:
    # When
    buried = _write(table, statement, "a", "b", "c")

    # Then
    assert buried.refusals == []
    assert _rows(table) == [(0, "a"), (1, "b"), (2, "c")]


def test_one_parameter_in_several_places(table: Database) -> None:
    # When
    _write(table, "INSERT INTO t (n, v) SELECT :n, :v WHERE :v <> 'b' OR :n > 1", "a", "b", "b")

    # Then
    assert _rows(table) == [(0, "a"), (2, "b")]


def test_a_statement_without_parameters(database: Database) -> None:
    # Given
    database.execute("CREATE TABLE t (v VARCHAR(20))")
    statement = r"INSERT INTO t (v) VALUES ('50%, 12\:30')"

    # When
    database.worker(by_statement(statement)).write(batch_of([carrying({}), carrying({})]))

    # Then
    assert database.query("SELECT v FROM t") == [("50%, 12:30",)] * 2


@pytest.mark.parametrize("count", [pytest.param(1, id="one"), pytest.param(3, id="several")])
@pytest.mark.parametrize(
    ("statement", "kept"),
    [
        pytest.param("INSERT INTO t (n, v) VALUES (:n, '100%')", "100%", id="percent"),
        pytest.param("INSERT INTO t (n, v) VALUES (:n, '%s %(n)s %%')", "%s %(n)s %%", id="what-drivers-fill-in"),
        pytest.param(r"INSERT INTO t (n, v) VALUES (:n, '12\:30\:n')", "12:30:n", id="colons"),
        pytest.param("INSERT INTO t (n, v) VALUES (:n, '? $1 {0}')", "? $1 {0}", id="other-markers"),
        pytest.param("INSERT INTO t (n, v) VALUES (:n, 'it''s); --')", "it's); --", id="quotes"),
        pytest.param("INSERT INTO t (n, v) SELECT :n, '5' WHERE 'a%b' LIKE 'a%'", "5", id="like"),
        pytest.param("INSERT INTO t (n, v) VALUES (:n, 7 % 4)", "3", id="modulo"),
    ],
)
def test_percent_signs_and_colons_of_the_statement_stay(table: Database, statement: str, kept: str, count: int) -> None:
    # When
    buried = _write(table, statement, *"abc"[:count], fields={"n": "data.n"})

    # Then
    assert buried.refusals == []
    assert _rows(table) == [(number, kept) for number in range(count)]


@pytest.mark.parametrize(
    "update",
    [
        pytest.param("v = '50%%'", id="percent"),
        pytest.param("v = :v", id="parameter"),
        pytest.param("v = '%s'", id="what-drivers-fill-in"),
        pytest.param(r"v = '\:v'", id="colon"),
    ],
)
def test_what_is_done_where_a_key_is_there_already(table: Database, update: str) -> None:
    # Given
    statement = _conflict(table, update)
    _write(table, statement, "a", "b")

    # When
    buried = _write(table, statement, "c", "d", "e", first=2)

    # Then
    kept = {"v = '50%%'": ["50%%"] * 2, "v = :v": ["c", "d"], "v = '%s'": ["%s"] * 2}.get(update, [":v"] * 2)
    assert buried.refusals == []
    assert [value for _, value in _rows(table)] == [*kept, "e"]


def test_one_key_many_times_in_a_batch_is_executed_in_order(table: Database) -> None:
    # Given
    statement = _conflict(table, table.by_kind(*["v = t.v || excluded.v"] * 2, "v = CONCAT(t.v, VALUES(v))"))
    events = [carrying({"n": number % 2, "v": str(number)}) for number in range(10)]

    # When
    table.worker(by_statement(statement, fields=_FIELDS)).write(batch_of(events))

    # Then
    assert _rows(table) == [(0, "02468"), (1, "13579")]


def test_updates_and_deletes(table: Database) -> None:
    # Given
    table.execute("INSERT INTO t (n, v) VALUES (0, 'x'), (1, 'y'), (2, 'z'), (3, 'w')")

    # When
    _write(table, "UPDATE t SET v = :v WHERE n = :n", "a", "b")
    _write(table, "DELETE FROM t WHERE n = :n + 2 AND v <> :v", "z", "v", first=2)

    # Then
    assert _rows(table) == [(0, "a"), (1, "b"), (2, "z")]


def test_statements_are_executed_in_the_order_of_their_events(table: Database) -> None:
    # Given
    rules = {
        **by_statement(_INSERT, "add", fields=_FIELDS),
        **by_statement("UPDATE t SET v = :v WHERE n = :n", "set", fields=_FIELDS),
        **by_statement("DELETE FROM t WHERE n = :n", "drop", fields={"n": "data.n"}),
        **to_table("t", "table", columns=_FIELDS),
    }
    order = [("add", 1, "a"), ("set", 1, "b"), ("table", 2, "c"), ("set", 2, "d"), ("drop", 1, ""), ("add", 1, "e")]

    # When
    table.worker(rules).write(batch_of([carrying({"n": n, "v": v}, rule) for rule, n, v in order]))

    # Then
    assert _rows(table) == [(1, "e"), (2, "d")]


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        pytest.param("text", "text", id="text"),
        pytest.param(None, None, id="null"),
        pytest.param({"a": [1, None]}, '{"a":[1,null]}', id="mapping"),
        pytest.param(["\N{PILE OF POO}"], '["\N{PILE OF POO}"]', id="list"),
        pytest.param(7, "7", id="number"),
        pytest.param(2**63 - 1, str(2**63 - 1), id="large-number"),
        pytest.param(2**64 - 1, str(2**64 - 1), id="largest-number"),
        pytest.param("a\0b", "a\0b", id="nul"),
    ],
)
def test_values(table: Database, value: Any, kept: Any) -> None:
    # When
    buried = _write(table, _INSERT, value, value)

    # Then
    if table.kind == "postgresql" and kept:
        kept = kept.replace("\0", "\N{SYMBOL FOR NULL}")
    assert buried.refusals == []
    assert _rows(table) == [(0, kept), (1, kept)]


def test_json_text_may_become_a_document(database: Database) -> None:
    # Given
    database.execute(f"CREATE TABLE t (n INTEGER, v {database.by_kind('TEXT', 'JSONB', 'JSON')})")
    statement = f"INSERT INTO t (n, v) VALUES (:n, {database.by_kind(':v', ':v::jsonb', ':v')})"
    values = [{"a": "\0"}, "text", [None, True]]

    # When
    buried = _write(database, statement, *values, fields={"n": "data.n", "v": "data.v | json"})

    # Then
    found = [
        json.loads(one) if isinstance(one, str) and database.kind != "postgresql" else one for _, one in _rows(database)
    ]
    if database.kind == "postgresql":
        values[0] = {"a": "\N{SYMBOL FOR NULL}"}
    assert (found, buried.refusals) == (values, [])


@pytest.mark.parametrize(
    "types",
    [
        pytest.param(("DATETIME", "TIMESTAMPTZ", "DATETIME(6)"), id="with-zone"),
        pytest.param(("DATETIME", "TIMESTAMP", "TIMESTAMP(6)"), id="without-zone"),
        pytest.param(("TEXT", "TEXT", "TEXT"), id="text"),
    ],
)
def test_times_are_utc(fresh: Database, types: tuple[str, str, str]) -> None:
    # Given: a server whose own idea of time is another
    fresh.execute(f"CREATE TABLE t (n INTEGER, v {fresh.by_kind(*types)})")
    if fresh.kind == "postgresql":
        fresh.execute(
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET timezone TO ''Asia/Tokyo''', current_database()); END $$"
        )

    # When
    _write(fresh, _INSERT, 1, fields={"n": "data.n", "v": "stamp"})

    # Then
    [(found,)] = fresh.query(
        fresh.by_kind("SELECT v FROM t", "SELECT v::text FROM t", "SELECT v FROM t")
        if fresh.kind != "postgresql" or types[1] != "TIMESTAMPTZ"
        else "SELECT v AT TIME ZONE 'UTC' FROM t"
    )
    assert str(found).removesuffix("+00") == STAMP.replace("T", " ")


def test_a_missing_field_is_refused_if_the_rule_says_so(table: Database) -> None:
    # Given
    rules = by_statement(_INSERT, fields=_FIELDS, missing="refuse")
    buried = Buried()

    # When
    table.worker(rules).write(batch_of([carrying({"n": 1}), carrying({"n": 2, "v": "here"})], buried=buried))

    # Then
    assert buried.refusals == [(0, "the event has no data.v")]
    assert _rows(table) == [(2, "here")]


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param(_INSERT, id="folded"),
        pytest.param("INSERT INTO t (n, v) SELECT :n, :v", id="row-by-row"),
    ],
)
def test_only_the_bad_events_are_buried(table: Database, statement: str) -> None:
    # Given
    table.execute("INSERT INTO t (n, v) VALUES (3, 'there'), (17, 'there')")

    # When
    buried = _write(table, statement, *map(str, range(20)))

    # Then
    assert buried.positions == [3, 17]
    assert [n for n, _ in _rows(table)] == list(range(20))


def test_a_value_that_no_operator_fits_is_buried_and_holds_nobody(table: Database) -> None:
    # Given: PostgreSQL has no word for a comparison of text with a number, and says so as it does of a wrong statement
    table.execute("INSERT INTO t (n, v) VALUES (1, 'a')")
    events = [carrying({"n": 1, "v": "a"}), carrying({"n": 2, "v": 7}), carrying({"n": 3, "v": "c"})]
    statement = "UPDATE t SET n = :n WHERE v = :v"
    buried = Buried()

    # When
    table.worker(by_statement(statement, fields={"n": "data.n", "v": "data.v"})).write(batch_of(events, buried=buried))

    # Then
    assert buried.positions == ([1] if table.kind == "postgresql" else [])


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        pytest.param("INSERT INTO nowhere (n, v) VALUES (:n, :v)", "nowhere", id="no-table"),
        pytest.param("INSERT INTO t (n, vv) VALUES (:n, :v)", "vv", id="no-column"),
        pytest.param("INSERT INTO t (n, v) VALUES (:n, :v, 3)", "", id="too-many-values"),
        pytest.param("INSRT INTO t (n, v) VALUES (:n, :v)", "INSRT", id="misspelt"),
        pytest.param("INSERT INTO t (n, v) VALUES (:n, :v", "", id="unfinished"),
        pytest.param("INSERT INTO t (n, v) VALUES (:n, no_such_function(:v))", "no_such_function", id="no-function"),
    ],
)
def test_a_statement_the_database_does_not_understand(table: Database, statement: str, says: str) -> None:
    # Given: MariaDB looks for functions and at types only when it executes, and SQLite at types never
    if table.kind == "mysql" and "function" in statement:
        pytest.skip("MariaDB takes it for a function that may be made later")
    worker = table.worker(by_statement(statement, fields=_FIELDS))
    buried = Buried()

    # When
    with pytest.raises(ConfigError) as told:
        worker.check()
    with pytest.raises(Held) as held:
        worker.write(batch_of([returned(jid="1"), carrying({"n": 1, "v": "a"})], buried=buried))

    # Then
    [problem] = told.value.problems
    assert problem.startswith(f"eventsd: events.{RULE}.statement: the database does not take it: ")
    assert says in problem
    assert "\n" not in problem
    assert str(held.value) == problem
    assert buried.refusals == []
    assert _rows(table) == []


@pytest.mark.parametrize(
    ("kinds", "statement"),
    [
        pytest.param(("postgresql", "sqlite"), r"INSERT INTO t (n, v) VALUES (:n, '\' || ':v')", id="backslash-is-one"),
        pytest.param(("mysql",), r"INSERT INTO t (n, v) VALUES (:n, CONCAT('\'', :v, '\''))", id="backslash-escapes"),
        pytest.param(("postgresql",), r"INSERT INTO t (n, v) VALUES (:n, E'\' :v')", id="escapes-where-asked-for"),
        pytest.param(("postgresql",), "INSERT INTO t (n, v) VALUES (:n, $$:v$$)", id="dollars"),
        pytest.param(("mysql",), "INSERT INTO t (n, v) VALUES (:n, 1) # :v", id="comment"),
    ],
)
def test_a_parameter_in_what_this_database_takes_for_quotes(
    table: Database, kinds: tuple[str, ...], statement: str
) -> None:
    # Given: a driver would write the value into them, and out of them
    if table.kind not in kinds:
        pytest.skip(f"these are no quotes in {table.kind}")
    worker = table.worker(by_statement(statement, fields=_FIELDS))

    # When
    if "CONCAT" in statement:
        worker.check()
        return
    with pytest.raises(ConfigError) as told:
        worker.check()

    # Then
    assert "stands in quotes or a comment" in str(told.value)


def test_check_executes_nothing_of_a_statement(table: Database) -> None:
    # Given
    table.execute("INSERT INTO t (n, v) VALUES (1, 'a')")

    # When: one would do harm without any value, and one has a second behind it
    table.worker(by_statement("DELETE FROM t WHERE :n IS NULL", fields={"n": "data.n"})).check()
    with pytest.raises(ConfigError):
        table.worker(by_statement("DELETE FROM t WHERE n = :n; DELETE FROM t", fields={"n": "data.n"})).check()

    # Then
    assert _rows(table) == [(1, "a")]


def test_a_procedure_of_the_users(table: Database) -> None:
    # Given
    if table.kind == "sqlite":
        pytest.skip("SQLite has no procedures")
    table.execute(
        table.by_kind(
            "",
            "CREATE PROCEDURE keep(a integer, b text) LANGUAGE sql AS $$ INSERT INTO t (n, v) VALUES (a, b) $$",
            "CREATE PROCEDURE keep(a INTEGER, b TEXT) INSERT INTO t (n, v) VALUES (a, b)",
        )
    )

    # When
    buried = _write(table, "CALL keep(:n, :v)", "a", "b")

    # Then
    assert buried.refusals == []
    assert _rows(table) == [(0, "a"), (1, "b")]
    table.execute("DROP PROCEDURE keep")


def test_a_procedure_that_is_not_there_buries_nothing(table: Database) -> None:
    # Given: PostgreSQL and MariaDB do not tell beforehand
    buried = Buried()

    # When / Then
    with pytest.raises(Held, match=rf"eventsd: events\.{RULE}\.statement: "):
        table.worker(by_statement("CALL keep(:n, :v)", fields=_FIELDS)).write(
            batch_of([carrying({"n": 1, "v": "a"})], buried=buried)
        )
    assert buried.refusals == []


def test_a_function_that_goes_while_it_is_in_use_buries_nothing(table: Database) -> None:
    # Given
    if table.kind == "sqlite":
        pytest.skip("SQLite keeps no functions")
    table.execute(
        table.by_kind(
            "",
            "CREATE FUNCTION kept(a text) RETURNS text LANGUAGE sql AS $$ SELECT a $$",
            "CREATE FUNCTION kept(a TEXT) RETURNS TEXT DETERMINISTIC RETURN a",
        )
    )
    worker = table.worker(by_statement("INSERT INTO t (n, v) VALUES (:n, kept(:v))", fields=_FIELDS))
    worker.write(batch_of([carrying({"n": 1, "v": "a"})]))
    buried = Buried()

    # When
    table.execute(f"DROP FUNCTION kept{table.by_kind('', '(text)', '')}")
    for _ in range(2):
        with pytest.raises(Held):
            worker.write(batch_of([carrying({"n": 2, "v": "b"})], first=2, buried=buried))

    # Then
    assert buried.refusals == []


def test_json_functions_of_the_statement_refuse_what_is_no_json(table: Database) -> None:
    # Given
    if table.kind != "sqlite":
        pytest.skip("only SQLite has that error")

    # When
    buried = _write(table, "INSERT INTO t (n, v) VALUES (:n, json_extract(:v, '$.a'))", '{"a": "b"}', "{", "[]")

    # Then
    assert buried.positions == [1]
    assert _rows(table) == [(0, "b"), (2, None)]
