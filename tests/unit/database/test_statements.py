"""What is told of a statement by looking at it: whether order matters, and whether many rows may share it."""

from __future__ import annotations

import pytest

from salt_eventsd.database.user_tables.statements import Traits, _parts, traits_of


@pytest.mark.parametrize(
    ("statement", "table", "appends"),
    [
        pytest.param("INSERT INTO t (a) VALUES (:a)", "t", True, id="insert"),
        pytest.param('insert into s."Tab" values (:a)', "tab", True, id="schema and quotes"),
        pytest.param("INSERT INTO t(a) VALUES (:a) ON CONFLICT DO NOTHING", "t", False, id="on conflict"),
        pytest.param("INSERT INTO `t` (a) VALUES (:a) ON DUPLICATE KEY UPDATE a = 1", "t", False, id="on duplicate"),
        pytest.param("INSERT IGNORE INTO t (a) VALUES (:a)", "t", False, id="ignore"),
        pytest.param("INSERT OR REPLACE INTO t (a) VALUES (:a)", "t", False, id="or replace"),
        pytest.param("REPLACE INTO t (a) VALUES (:a)", "t", False, id="replace"),
        pytest.param("INSERT INTO t (a) SELECT :a FROM u", "", False, id="of another table"),
        pytest.param("UPDATE t SET a = :a", "", False, id="update"),
        pytest.param("DELETE FROM t WHERE a = :a", "", False, id="delete"),
        pytest.param("WITH x AS (DELETE FROM u) INSERT INTO t VALUES (:a)", "", False, id="with"),
        pytest.param("CALL p(:a)", "", False, id="call"),
    ],
)
def test_what_a_statement_touches(statement: str, table: str, appends: bool) -> None:
    assert traits_of(statement) == Traits(table, appends)


@pytest.mark.parametrize(
    ("sql", "parts"),
    [
        pytest.param("INSERT INTO t VALUES (%s)", ("INSERT INTO t VALUES ", "(%s)", ""), id="insert"),
        pytest.param("replace into t values (%s, 3);\n", ("replace into t values ", "(%s, 3)", ""), id="replace"),
        pytest.param(
            "INSERT INTO `a``b` (c) VALUES (%s)", None, id="a name with its own quote in it, which is left alone"
        ),
        pytest.param(
            "INSERT INTO \"a%%b\" (c) VALUES ('5%%', now(), f(g(%s)))",
            ('INSERT INTO "a%b" (c) VALUES ', "('5%%', now(), f(g(%s)))", ""),
            id="percent signs, of which the driver undoubles those among values",
        ),
        pytest.param(
            "INSERT INTO t (a) VALUES (%(a)s) ON DUPLICATE KEY UPDATE b = '%%'",
            ("INSERT INTO t (a) VALUES ", "(%(a)s)", " ON DUPLICATE KEY UPDATE b = '%'"),
            id="a clause behind",
        ),
        pytest.param("INSERT INTO t (a) VALUES (%s) ON DUPLICATE KEY UPDATE a = %s", None, id="a value behind"),
        pytest.param("INSERT INTO t (a) VALUES (%s) ON CONFLICT (a) DO UPDATE SET b = 1", None, id="a row twice"),
        pytest.param("INSERT INTO t (a) VALUES (%s, (SELECT max(a) FROM t))", None, id="depends on rows before"),
        pytest.param("INSERT INTO t (a) VALUES ('x')", None, id="no value"),
        pytest.param("INSERT INTO t (a) VALUES (%s), (%s)", None, id="two rows"),
        pytest.param("INSERT INTO t (a) VALUES (%s, '\\'')", None, id="backslash"),
        pytest.param("INSERT INTO t (a) VALUES (%s) -- x", None, id="comment"),
        pytest.param("INSERT INTO t (a) VALUES (%s /* ) */)", None, id="comment among values"),
        pytest.param(
            "INSERT INTO t (a) VALUES (%s, ');', %s)", ("INSERT INTO t (a) VALUES ", "(%s, ');', %s)", ""), id="text"
        ),
        pytest.param("INSERT INTO t (a) VALUES (%s) RETURNING a", None, id="an answer"),
        pytest.param("INSERT INTO t (a) SELECT %s", None, id="select"),
        pytest.param("UPDATE t SET a = %s", None, id="update"),
    ],
)
def test_an_insert_of_one_row_as_one_of_many(sql: str, parts: tuple[str, str, str] | None) -> None:
    found = _parts(sql)

    assert (found and found[:3]) == parts
