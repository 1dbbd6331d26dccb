"""Questions in MySQL and MariaDB: JSON is text, which ``JSON_TABLE`` makes rows of."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.sql.util import ClauseAdapter

from salt_eventsd.common.globs import Part, Wild, beginning_of, is_glob, parts_of
from salt_eventsd.database.dialects.base.conditions import like
from salt_eventsd.database.dialects.base.questions import Questions

#: A text as our tables have it.
_TEXT = "CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
#: The last character of all.
_LAST = "\U0010ffff"
#: A limit that no table reaches.
_ALL = 2**62


class MySQLQuestions(Questions):
    """Pieces of questions."""

    # It begins at the newest row, however far that is from the time.
    looks_within: ClassVar = False
    lateral: ClassVar = False
    # To ``.`` and ``$``, the end of a line is something else.
    whole: ClassVar = r"(?s)^{}\z"
    # Each is looked up by its key.
    reach: ClassVar = 10_000

    def fits(self, column: sa.ColumnElement[Any], glob: str) -> sa.ColumnElement[bool]:
        """See :class:`Questions`. By an index, ``LIKE`` leaves out what goes on with less than a blank: see begins."""
        begins = self.begins(column, beginning_of(glob)) if is_glob(glob) and isinstance(column, sa.Column) else None
        if begins is None:
            return super().fits(column, glob)
        return sa.and_(begins, super().fits(self.beside(column), glob))

    def elements(self, column: sa.ColumnElement[Any]) -> tuple[sa.TextClause, sa.ColumnElement[Any]]:
        """See :class:`Questions`."""
        rows = sa.text(
            f"JSON_TABLE(CASE WHEN JSON_VALID({column}) AND JSON_TYPE({column}) = 'ARRAY' THEN {column} ELSE '[]' END,"
            f" '$[*]' COLUMNS (value VARCHAR(255) {_TEXT} PATH '$')) AS told"
        )
        return rows, sa.literal_column("told.value", sa.String())

    def is_within(
        self, column: sa.ColumnElement[Any], texts: sa.ColumnElement[Any], *conditions: sa.ColumnElement[bool]
    ) -> sa.ColumnElement[bool]:
        """
        See :class:`Questions`. A table that is made of each list takes several times as long as to count. MySQL raises
        an error for what is no JSON.
        """
        listed = sa.func.json_contains(column, sa.func.json_quote(texts))
        count = sa.select(sa.func.count(sa.distinct(texts))).where(*conditions, listed)
        is_all = count.correlate_except(texts.table).scalar_subquery() >= sa.func.json_length(column)
        return sa.case((sa.func.json_valid(column) == 1, is_all), else_=sa.true())

    def others_than(self, *_: sa.ColumnElement[Any]) -> None:
        """See :class:`Questions`. It would make a table of each list."""

    def has(self, column: sa.ColumnElement[Any], glob: str) -> sa.ColumnElement[bool]:
        """See :class:`Questions`. To see that there is nothing like it in the text costs less than to read the list."""
        found = super().has(column, glob)
        return sa.and_(column.like(f"%{_in_json(glob)}%", escape="!"), found) if is_glob(glob) else found

    def lists(self, column: sa.ColumnElement[Any], text: str) -> sa.ColumnElement[bool]:
        """See :class:`Questions`. To look for its text first costs much less than to read each list."""
        quoted = sa.func.json_quote(text)
        return sa.and_(
            sa.func.instr(column, quoted) > 0, sa.func.json_valid(column), sa.func.json_contains(column, quoted)
        )

    def beside(self, column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        """See :class:`Questions`. With several indexes to choose from, it goes through all rows in their order."""
        return sa.func.coalesce(column)

    def told_by_index(
        self, column: sa.Column[Any], values: Sequence[Any], stamp: sa.Column[Any], key: sa.Column[Any], index: str
    ) -> sa.ColumnElement[bool]:
        """See :class:`Questions`. Each row is a page of its own, which may have to be read from the disk."""
        its = column.table.alias("its")
        # Of its own will, the server would take the index of keys, and read the row. Without the key it would look at
        # all rows of one time, and what was imported may have thousands.
        is_it = (its.c[stamp.name] == stamp, its.c[key.name] == key)
        row: sa.Select[Any] = sa.select(sa.literal_column("1")).where(*is_it).correlate(column.table).limit(1)
        row = row.with_hint(its, f"FORCE INDEX ({index})")
        # One by one: of a list, it would take the index of times, and read the rows of each.
        return sa.or_(*(row.where(its.c[column.name] == one).scalar_subquery().is_not(None) for one in values))

    def led(
        self, column: sa.ColumnElement[Any], value: Any
    ) -> tuple[sa.ColumnElement[bool], tuple[sa.ColumnElement[Any], ...]]:
        """See :class:`Questions`. With ``=`` or ``BETWEEN`` the server may begin at the newest row."""
        told = sa.literal(value, column.type)
        return sa.and_(column >= told, column <= told), (column,)

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
        """See :class:`Questions`."""
        return column == sa.false()

    def distinct(self, column: sa.ColumnElement[Any], *conditions: sa.ColumnElement[bool]) -> sa.Select[Any]:
        """See :class:`Questions`. The server itself goes from one value to the next."""
        return sa.select(column).where(column.is_not(None), *conditions).group_by(column)

    def begins(self, column: sa.ColumnElement[Any], text: str) -> sa.ColumnElement[bool] | None:
        """
        See :class:`Questions`. Each value is a page of its own, which may have to be read from the disk. ``LIKE`` would
        leave out what goes on with a newline: to the server, the end of a text is as good as blanks.
        """
        return sa.and_(column >= f"{text}\0", column <= text + _LAST * 4) if text else None

    def that_are(
        self, asked: sa.Select[Any], key: sa.ColumnElement[Any], *conditions: sa.ColumnElement[bool]
    ) -> sa.Select[Any]:
        """See :class:`Questions`. The server itself would read all rows that one of both indexes finds."""
        # With a limit it is a table, and with the word it comes second.
        keys = sa.select(key.label("key")).where(*conditions).limit(_ALL).subquery("those")
        return asked.prefix_with("STRAIGHT_JOIN").join(keys, keys.c.key == key)

    def of_pairs(
        self, asked: sa.Select[Any], columns: tuple[sa.Column[Any], sa.Column[Any]], pairs: Sequence[tuple[str, str]]
    ) -> sa.Select[Any]:
        """See :class:`Questions`. Of a list, the server compares each with all others, and looks into all indexes."""
        told = ", ".join(f"c{place} VARCHAR(255) {_TEXT} PATH '$[{place}]'" for place in range(2))
        # To the server, blanks at the end of a name make no other name, and it would tell the rows of both twice.
        apart = sorted({(first.rstrip(" "), second.rstrip(" ")) for first, second in pairs})
        rows = sa.text(f"JSON_TABLE(:pairs, '$[*]' COLUMNS ({told})) AS told").bindparams(pairs=json.dumps(apart))
        joined = (column == sa.literal_column(f"told.c{place}") for place, column in enumerate(columns))
        return asked.prefix_with("STRAIGHT_JOIN").select_from(rows).where(*joined)

    def rows_later(self, asked: sa.Select[Any], table: sa.Table, *conditions: sa.ColumnElement[bool]) -> sa.Select[Any]:
        """See :class:`Questions`. Backwards through an index, the server itself would read each row first."""
        if not conditions:
            return asked
        index = table.alias("indexed")
        its_row = sa.and_(*(index.c[column.name] == column for column in table.primary_key))
        asked = ClauseAdapter(index).traverse(asked)
        return asked.prefix_with("STRAIGHT_JOIN").join(table, its_row).where(*conditions)

    def listed(self, column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        """See :class:`Questions`."""
        return sa.func.group_concat(column.op("SEPARATOR")(sa.text("0x0A")))

    def member(self, column: sa.ColumnElement[Any], key: str) -> sa.ColumnElement[Any]:
        """See :class:`Questions`."""
        return sa.func.json_unquote(sa.func.json_extract(column, f"$.{key}"))

    def may_have(self, column: sa.ColumnElement[Any], key: str, within: str) -> sa.ColumnElement[bool]:
        """See :class:`Questions`."""
        return sa.cast(column, sa.Text).like(f'%"{key}"%')

    def bytes_of(self, column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        """See :class:`Questions`. What is cast may not be longer than a packet."""
        return sa.func.octet_length(column)


def _in_json(glob: str) -> str:
    """Return the pattern of all texts of JSON that fit a glob, and perhaps of others."""
    parts: list[Part] = ['"']
    for one in parts_of(glob):
        # What stands for one character in a glob may be written as several.
        parts += json.dumps(one, ensure_ascii=False)[1:-1] if isinstance(one, str) else [Wild.MANY]
    return like([*parts, '"'])
