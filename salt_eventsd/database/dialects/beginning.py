"""
The beginning of a text, as an index has it: PostgreSQL refuses a row whose text is too long for an index.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

#: How many characters that is; PostgreSQL takes some 2,700 bytes, and a character has four of them at most.
LENGTH = 200


class Beginning(FunctionElement[str]):
    """
    The beginning of a column of texts. An index finds a question only if both are spelled alike.

    SQLite has texts of any length in an index, and does not tell of an index over an expression what is in it.
    """

    inherit_cache = True


@compiles(Beginning)
def _cut(element: Beginning, compiler: SQLCompiler, **more: Any) -> str:
    return f"substr({compiler.process(element.clauses, **more)}, 1, {LENGTH})"


@compiles(Beginning, "sqlite")
def _whole(element: Beginning, compiler: SQLCompiler, **more: Any) -> str:
    return compiler.process(element.clauses, **more)
