r"""
Parameters of a statement of the user's own: ``:name`` where a value belongs; ``\:`` is a colon.

Some drivers write values into the text of a statement themselves. What they write stands in quotes of its own, so a
parameter that stands in quotes already, or in a comment, would let a value out of them. There are none such here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_PARAMETER = re.compile(r"(?<![:\w\\]):([^\W\d]\w*)\b(?!:(?!:))")
_COLON = re.compile(r"\\:")
_QUOTED = r"""'(?:[^']|'')*(?:'|\Z)|"(?:[^"]|"")*(?:"|\Z)|`[^`]*(?:`|\Z)"""
_ESCAPED = r"""'(?:[^'\\]|\\.|'')*(?:'|\Z)|"(?:[^"\\]|\\.|"")*(?:"|\Z)|`[^`]*(?:`|\Z)"""
#: A comment in a comment ends with the outer one in some databases; nobody needs any.
_COMMENT = r"/\*(?:(?!/\*).)*?\*/|/\*.*\Z"
#: What is no SQL of its own: quoted text and names, and comments.
_TEXTS = {
    "mysql": re.compile(rf"{_ESCAPED}|{_COMMENT}|--(?=\s|\Z)[^\n]*|\#[^\n]*", re.DOTALL),
    "postgresql": re.compile(
        rf"\b[eE]'(?:[^'\\]|\\.|'')*(?:'|\Z)|{_QUOTED}|{_COMMENT}|--[^\n]*|\$(\w*)\$.*?(?:\$\1\$|\Z)", re.DOTALL
    ),
    "sqlite": re.compile(rf"{_QUOTED}|{_COMMENT}|--[^\n]*|\[[^\]]*(?:\]|\Z)", re.DOTALL),
}


def parameters(statement: str) -> list[str]:
    """
    Return the names of a statement's parameters.

    :param statement: SQL with ``:name`` where a value belongs.
    """
    return list(dict.fromkeys(_PARAMETER.findall(statement)))


def quoted(statement: str, backend: str = "") -> list[str]:
    """
    Return the names of parameters that stand in quotes or in a comment.

    :param statement: the statement.
    :param backend: SQLAlchemy's name of the database; without it, only those that do so in any database.
    """
    if not backend:
        found = [set(quoted(statement, one)) for one in _TEXTS]
        return sorted(set.intersection(*found))
    return [name for text in _texts(statement, backend) for name in parameters(text)]


def has_second(statement: str, backend: str) -> bool:
    """
    Return whether there is a second statement behind a semicolon.

    :param statement: the statement.
    :param backend: SQLAlchemy's name of the database.
    """
    bare = _text_of(backend).sub(lambda text: " " if text[0].startswith(("--", "/*")) else "''", statement)
    return bool(bare.partition(";")[2].strip("; \r\n\t"))


def for_driver(statement: str, paramstyle: str) -> tuple[str, list[str] | None]:
    """
    Return a statement as a driver wants it, and the order of its values, None if they go by name.

    :param statement: SQL with ``:name`` where a value belongs.
    :param paramstyle: the driver's, as DB-API names it: qmark, format, pyformat or named.
    """
    names: list[str] = []

    def mark(found: re.Match[str]) -> str:
        names.append(found[1])
        return {"qmark": "?", "format": "%s", "pyformat": f"%({found[1]})s"}.get(paramstyle, found[0])

    if "format" in paramstyle:
        statement = statement.replace("%", "%%")
    made = _COLON.sub(":", _PARAMETER.sub(mark, statement))
    return made, names if paramstyle in ("qmark", "format") else None


def _texts(statement: str, backend: str) -> Iterator[str]:
    for found in _text_of(backend).finditer(statement):
        yield found[0]


def _text_of(backend: str) -> re.Pattern[str]:
    return _TEXTS["mysql" if backend == "mariadb" else backend if backend in _TEXTS else "sqlite"]
