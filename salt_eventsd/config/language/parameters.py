r"""
Parameters of a statement that a user has written: ``:name`` where a value belongs; ``\:`` is a colon.

Some drivers write values into the text of a statement themselves, in quotes. If a parameter stood within quotes or in a
comment already, a value could break out of its quotes; such statements are refused.
"""

from __future__ import annotations

import re

_PARAMETER = re.compile(r"(?<![:\w\\]):([^\W\d]\w*)\b(?!:(?!:))")
_COLON = re.compile(r"\\:")
_QUOTED = r"""'(?:[^']|'')*(?:'|\Z)|"(?:[^"]|"")*(?:"|\Z)|`[^`]*(?:`|\Z)"""
_ESCAPED = r"""'(?:[^'\\]|\\.|'')*(?:'|\Z)|"(?:[^"\\]|\\.|"")*(?:"|\Z)|`[^`]*(?:`|\Z)"""
#: Databases differ in where a comment within a comment ends; everything from there on counts as comment.
_COMMENT = r"/\*(?:(?!/\*).)*?\*/|/\*.*\Z"
_STANDARD = rf"{_QUOTED}|{_COMMENT}|--[^\n]*"

# What is not code in a statement: quoted text, quoted names, and comments. Databases differ in what quotes.
#: Standard SQL.
STANDARD = re.compile(_STANDARD, re.DOTALL)
#: Names in brackets, too, as in SQLite.
BRACKETS = re.compile(rf"{_STANDARD}|\[[^\]]*(?:\]|\Z)", re.DOTALL)
#: Backslashes that escape after E, and text between dollars, as in PostgreSQL.
DOLLARS = re.compile(rf"\b[eE]'(?:[^'\\]|\\.|'')*(?:'|\Z)|{_STANDARD}|\$(\w*)\$.*?(?:\$\1\$|\Z)", re.DOTALL)
#: Backslashes that escape, hashes that begin a comment, and dashes that do so only before a blank, as in MySQL.
BACKSLASHES = re.compile(rf"{_ESCAPED}|{_COMMENT}|--(?=\s|\Z)[^\n]*|\#[^\n]*", re.DOTALL)
_STYLES = (BRACKETS, DOLLARS, BACKSLASHES)


def parameters(statement: str) -> list[str]:
    """
    Return the names of a statement's parameters.

    :param statement: SQL with ``:name`` where a value belongs.
    """
    return list(dict.fromkeys(_PARAMETER.findall(statement)))


def quoted(statement: str, texts: re.Pattern[str] | None = None) -> list[str]:
    """
    Return the names of parameters that stand in quotes or in a comment.

    :param statement: the statement.
    :param texts: the quotes and comments of the database, such as :data:`DOLLARS`; without it, only those names are
        returned that stand in quotes or a comment in any database.
    """
    if texts is None:
        return sorted(set.intersection(*(set(quoted(statement, one)) for one in _STYLES)))
    return [name for text in texts.finditer(statement) for name in parameters(text[0])]


def has_second(statement: str, texts: re.Pattern[str]) -> bool:
    """
    Say whether there is a second statement behind a semicolon.

    :param statement: the statement.
    :param texts: the quotes and comments of the database, such as :data:`DOLLARS`.
    """
    bare = texts.sub(lambda text: " " if text[0].startswith(("--", "/*")) else "''", statement)
    return bool(bare.partition(";")[2].strip("; \r\n\t"))


def for_driver(statement: str, paramstyle: str) -> tuple[str, list[str] | None]:
    """
    Return a statement as a driver wants it, and the names of its values in their order; None if they go by name.

    :param statement: SQL with ``:name`` where a value belongs.
    :param paramstyle: the driver's style, as DB-API names it: qmark, format, pyformat or named.
    """
    names: list[str] = []

    def mark(found: re.Match[str]) -> str:
        names.append(found[1])
        return {"qmark": "?", "format": "%s", "pyformat": f"%({found[1]})s"}.get(paramstyle, found[0])

    if "format" in paramstyle:
        statement = statement.replace("%", "%%")
    made = _COLON.sub(":", _PARAMETER.sub(mark, statement))
    return made, names if paramstyle in ("qmark", "format") else None
