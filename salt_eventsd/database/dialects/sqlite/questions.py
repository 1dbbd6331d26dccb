"""Questions in SQLite: it has globs of its own, and JSON is text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import UnaryExpression

from salt_eventsd.common.globs import OneOf, Part, Wild, fits_nothing, is_glob, parts_of
from salt_eventsd.database.dialects.base.questions import Questions

#: Where a character has to stand between brackets to mean nothing else.
_PLACES = {"]": 0, "-": 1, "^": 3}


class SQLiteQuestions(Questions):
    """Pieces of questions."""

    lateral: ClassVar = False
    estimates: ClassVar = False

    def fits(self, column: sa.ColumnElement[Any], glob: str) -> sa.ColumnElement[bool]:
        """See :class:`Questions`. Its ``LIKE`` takes upper and lower case for the same."""
        if not is_glob(glob):
            return column == glob
        parts = parts_of(glob)
        if fits_nothing(parts):
            return sa.false()
        return column.op("GLOB", is_comparison=True)("".join(map(_own, parts)))

    def elements(self, column: sa.ColumnElement[Any]) -> tuple[sa.FromClause, sa.ColumnElement[Any]]:
        """See :class:`Questions`."""
        array = sa.case(
            (sa.and_(sa.func.json_valid(column), sa.func.json_type(column) == "array"), column), else_=sa.text("'[]'")
        )
        rows = sa.func.json_each(array).table_valued("value", name="told", joins_implicitly=True)
        return rows, rows.c.value

    def is_within(self, *_: sa.ColumnElement[Any]) -> None:
        """See :class:`Questions`."""

    def others_than(self, *_: sa.ColumnElement[Any]) -> None:
        """See :class:`Questions`."""

    def lists(self, column: sa.ColumnElement[Any], text: str) -> sa.ColumnElement[bool]:
        """See :class:`Questions`. To look for its text first costs much less than to read each list."""
        rows, value = self.elements(column)
        found = sa.exists(sa.select(sa.literal_column("1")).select_from(rows).where(value == text))
        return sa.and_(sa.func.instr(column, sa.func.json_quote(text)) > 0, found)

    def beside(self, column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        """See :class:`Questions`. It takes any index for as good as another, but none for an expression."""
        return sa.type_coerce(UnaryExpression(column, operator=operators.custom_op("+")), column.type)

    def sorted_by(self, column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        """See :class:`Questions`."""
        return self.beside(column)

    def among(self, column: sa.ColumnElement[Any], value: bool) -> sa.ColumnElement[bool]:
        """See :class:`Questions`."""
        return column == (sa.true() if value else sa.false())

    def aside(self, column: sa.ColumnElement[Any], value: bool) -> sa.ColumnElement[bool]:
        """See :class:`Questions`."""
        return self.beside(column) == (sa.true() if value else sa.false())

    def is_false(self, column: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
        """See :class:`Questions`. Spelled with ``=``, it would always begin with the index of what is false."""
        return column.is_(sa.false())

    def that_are(
        self, asked: sa.Select[Any], key: sa.ColumnElement[Any], *conditions: sa.ColumnElement[bool]
    ) -> sa.Select[Any]:
        """See :class:`Questions`. It would look at all rows that one of both indexes finds."""
        return asked.where(self.beside(key).in_(sa.select(key).where(*conditions).correlate(None)))

    def listed(self, column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        """See :class:`Questions`."""
        return sa.func.group_concat(column, "\n")

    def member(self, column: sa.ColumnElement[Any], key: str) -> sa.ColumnElement[Any]:
        """See :class:`Questions`."""
        return sa.case((sa.func.json_valid(column), sa.func.json_extract(column, f"$.{key}")))

    def may_have(self, column: sa.ColumnElement[Any], key: str, within: str) -> sa.ColumnElement[bool]:
        """See :class:`Questions`."""
        return sa.cast(column, sa.Text).like(f'%"{key}"%')

    def bytes_of(self, column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        """See :class:`Questions`. Older releases of SQLite count no bytes of texts."""
        return sa.func.length(sa.cast(column, sa.LargeBinary))


def _own(part: Part) -> str:
    """Return a part of a glob as SQLite reads it."""
    if isinstance(part, Wild):
        return "*" if part is Wild.MANY else "?"
    if isinstance(part, str):
        return f"[{part}]" if part in "*?[" else part
    told = "".join(
        first if first == last else f"{first}-{last}"
        for first, last in sorted(dict.fromkeys(_apart(part)), key=lambda one: _PLACES.get(one[0], 2))
    )
    return told if told == "^" and not part.is_negated else f"[{'^' if part.is_negated else ''}{told}]"


def _apart(part: OneOf) -> Iterator[tuple[str, str]]:
    """Yield ranges of characters; what means something between brackets stands alone, and so in any place."""
    for first, last in part.ranges:
        if first != last and first in "]-^":
            yield first, first
            first = chr(ord(first) + 1)
        if first != last and last == "]":
            yield last, last
            last = chr(ord(last) - 1)
        yield first, last
