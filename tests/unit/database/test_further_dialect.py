"""A further database is a folder and a line: nobody outside the dialects asks which database it has to do with."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from salt_eventsd.database.dialects import BACKENDS, DRIVERS, KINDS, Dialect, dialect_for

ROOT = Path(__file__).parents[3]
DIALECTS = ROOT / "salt_eventsd" / "database" / "dialects"
#: Where a database's name may stand, and why.
EXCEPTIONS = {
    "salt_eventsd/operate/convert/backends.py": "the 0.9.3 configuration it reads has no other database",
}
NAMES = {*BACKENDS, *DRIVERS, *(kind.__name__.lower() for kind in KINDS)}
CLASSES = {kind.__name__ for kind in KINDS}


def sources() -> list[Path]:
    folders = [ROOT / name for name in ("salt_eventsd", "_engines", "_runners", "_eventsd_workers")]
    return [path for folder in folders for path in sorted(folder.rglob("*.py")) if DIALECTS not in path.parents]


def named(node: ast.AST) -> set[str]:
    return {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}


def asked(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the lines of a module that depend on which database there is, each with what it does."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.lower() in NAMES:
            yield node.lineno, f"names {node.value!r}"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "startswith":
            given = [one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
            if any(one.startswith(f"{name}{end}") for one in given for name in NAMES for end in ":+"):
                yield node.lineno, f"looks for {given}"
        if isinstance(node, ast.Attribute) and node.attr == "name" and "dialect" in ast.unparse(node.value).lower():
            yield node.lineno, f"asks for {ast.unparse(node)}"
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "isinstance" and CLASSES & named(node.args[1]):
            yield node.lineno, "asks for the class of a dialect"
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sqlalchemy.dialects"):
            yield node.lineno, f"imports {node.module}"


@pytest.mark.parametrize(
    ("source", "found"),
    [
        pytest.param('connection.dialect.name == "mysql"', 2, id="a name, compared"),
        pytest.param("self._dialect.name", 1, id="a name, kept"),
        pytest.param('url.startswith("sqlite")', 1, id="a name, looked for"),
        pytest.param('url.startswith("sqlite://")', 1, id="a URL, looked for"),
        pytest.param("isinstance(dialect, (MySQL, PostgreSQL))", 1, id="a class"),
        pytest.param("from sqlalchemy.dialects import mysql", 1, id="an import"),
        pytest.param("dialect.ddl.commits", 0, id="what differs"),
        pytest.param('say("a sentence on mysql")', 0, id="words for people"),
        pytest.param('URL = "sqlite:////srv/history.db"', 0, id="a URL that is used"),
    ],
)
def test_what_counts_as_asking(source: str, found: int) -> None:
    assert len(list(asked(ast.parse(source)))) == found


def test_nobody_outside_the_dialects_asks_for_a_database() -> None:
    found = {
        f"{path.relative_to(ROOT)}:{line}: {what}"
        for path in sources()
        if str(path.relative_to(ROOT)) not in EXCEPTIONS
        for line, what in asked(ast.parse(path.read_text()))
    }

    assert not found


def test_no_exception_is_left_over() -> None:
    assert all(list(asked(ast.parse((ROOT / name).read_text()))) for name in EXCEPTIONS)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_dialect_says_what_it_has_to(kind: type[Dialect]) -> None:
    assert isinstance(dialect_for(kind.name), kind)
    assert kind.session.drivers
    assert all(driver.partition("+")[0] in BACKENDS for driver in kind.session.drivers.values())
    # What only the base has would be made for no database at all.
    assert type(kind.inserts) is not type(Dialect.inserts)
    assert type(kind.faults) is not type(Dialect.faults)
