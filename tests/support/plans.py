"""Which statements a question asks a database, so that a test can look at their plans."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from salt_eventsd.database.questions.read import Reader, reading


def statements(engine: sa.Engine, ask: Callable[[Reader], Any], having: str = "") -> list[tuple[str, Any]]:
    """
    Return the statements of a question, each with its parameters.

    :param engine: of the database.
    :param ask: the question.
    :param having: only those that have this text in them.
    """
    told: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        if having in statement:
            told.append((statement, parameters))

    sa.event.listen(engine, "before_cursor_execute", note)
    try:
        with reading(engine) as reader:
            told.clear()
            ask(reader)
    finally:
        sa.event.remove(engine, "before_cursor_execute", note)
    return told
