"""Parameters of a statement: found, in no quotes, and as a driver wants them."""

from __future__ import annotations

import pytest

from salt_eventsd.config.language.parameters import (
    BACKSLASHES,
    BRACKETS,
    DOLLARS,
    STANDARD,
    for_driver,
    has_second,
    parameters,
    quoted,
)

STYLES = {"brackets": BRACKETS, "dollars": DOLLARS, "backslashes": BACKSLASHES}
ALL = tuple(STYLES)


@pytest.mark.parametrize(
    ("statement", "names"),
    [
        pytest.param("VALUES (:a, :b, :a)", ["a", "b"], id="each once"),
        pytest.param("SELECT :a::jsonb, x::int", ["a"], id="casts"),
        pytest.param(r"SELECT '12:30', '\:a', :b", ["b"], id="plain colons"),
        pytest.param("SELECT a[1:2], '12 :30', ':a:b:'", [], id="slices and times"),
        pytest.param("SELECT :größe, :A_1", ["größe", "A_1"], id="letters and digits"),
        pytest.param("SELECT 1", [], id="none"),
    ],
)
def test_parameters(statement: str, names: list[str]) -> None:
    assert parameters(statement) == names


@pytest.mark.parametrize(
    ("statement", "inside"),
    [
        pytest.param("VALUES (':a')", ALL, id="in quotes"),
        pytest.param("VALUES ('it''s :a')", ALL, id="behind a doubled quote"),
        pytest.param('VALUES (":a")', ALL, id="in double quotes"),
        pytest.param("INSERT INTO `:a`", ALL, id="in backticks"),
        pytest.param("VALUES (1) -- :a", ALL, id="in a comment to the end of the line"),
        pytest.param("VALUES (1) /* \n :a */", ALL, id="in a comment"),
        pytest.param("VALUES (1) /* :a", ALL, id="in a comment that does not end"),
        pytest.param("VALUES (1) /* /* */ :a */", ALL, id="in a nested comment"),
        pytest.param("VALUES ('x, :a)", ALL, id="in quotes that do not end"),
        pytest.param("VALUES ('x', :a, 'y')", (), id="between quotes"),
        pytest.param("VALUES ('''', :a, '')", (), id="between odd quotes"),
        pytest.param("/* x */ VALUES (:a) -- y", (), id="between comments"),
        pytest.param("VALUES ('--', :a, '/*', ';')", (), id="behind a comment in quotes"),
        pytest.param(r"VALUES ('\:a')", (), id="a plain colon in quotes"),
        pytest.param(r"VALUES ('\' || ':a')", ("brackets", "dollars"), id="behind a backslash"),
        pytest.param(r"VALUES ('\', :a, 'x')", ("backslashes",), id="behind a backslash that escapes"),
        pytest.param(r"VALUES (E'\' :a')", ("dollars", "backslashes"), id="behind E"),
        pytest.param(r"VALUES (E'\'', :a, '')", ("brackets",), id="behind E, which escapes"),
        pytest.param("VALUES ($$ :a $$)", ("dollars",), id="in dollars"),
        pytest.param("VALUES ($x$ $$ :a $x$)", ("dollars",), id="in named dollars"),
        pytest.param("VALUES (1) # :a", ("backslashes",), id="behind a hash"),
        pytest.param("VALUES (5--:a)", ("brackets", "dollars"), id="behind two dashes"),
        pytest.param("SELECT [:a]", ("brackets",), id="in brackets"),
    ],
)
def test_parameters_in_quotes(statement: str, inside: tuple[str, ...]) -> None:
    assert [name for name, style in STYLES.items() if quoted(statement, style)] == list(inside)
    assert quoted(statement) == (["a"] if inside == ALL else [])


@pytest.mark.parametrize(
    ("statement", "inside"),
    [
        pytest.param("VALUES (1) -- :a", ["a"], id="in a comment"),
        pytest.param("SELECT [:a]", [], id="in brackets, which are an array's"),
        pytest.param("VALUES ($$ :a $$)", [], id="in dollars"),
        pytest.param(r"VALUES ('\', :a, 'x')", [], id="behind a backslash, which escapes nothing"),
    ],
)
def test_parameters_in_quotes_of_standard_sql(statement: str, inside: list[str]) -> None:
    assert quoted(statement, STANDARD) == inside


@pytest.mark.parametrize(
    ("statement", "second"),
    [
        pytest.param("DELETE FROM t; DELETE FROM u", True, id="two"),
        pytest.param("DELETE FROM t;\n ; ", False, id="only semicolons"),
        pytest.param("DELETE FROM t; -- done", False, id="a comment behind"),
        pytest.param("INSERT INTO t VALUES ('a;b')", False, id="in quotes"),
        pytest.param("/* ; */ DELETE FROM t", False, id="in a comment"),
        pytest.param("DO $$ BEGIN a; b; END $$", False, id="in dollars"),
        pytest.param("SELECT 'a'; 'b'", True, id="quotes behind"),
    ],
)
def test_a_second_statement(statement: str, second: bool) -> None:
    assert has_second(statement, DOLLARS) is second


@pytest.mark.parametrize(
    ("paramstyle", "sql", "places"),
    [
        pytest.param("qmark", "SELECT ?, ?, ?, '5% :x', a::int", ["a", "b", "a"], id="qmark"),
        pytest.param("format", "SELECT %s, %s, %s, '5%% :x', a::int", ["a", "b", "a"], id="format"),
        pytest.param("pyformat", "SELECT %(a)s, %(b)s, %(a)s, '5%% :x', a::int", None, id="pyformat"),
        pytest.param("named", "SELECT :a, :b, :a, '5% :x', a::int", None, id="named"),
    ],
)
def test_a_statement_as_a_driver_wants_it(paramstyle: str, sql: str, places: list[str] | None) -> None:
    assert for_driver(r"SELECT :a, :b, :a, '5% \:x', a::int", paramstyle) == (sql, places)
