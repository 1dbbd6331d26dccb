"""
What questions to the history need besides standard SQL: globs, and lists in columns of JSON.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, ClassVar

import sqlalchemy as sa

from salt_eventsd.common.globs import OneOf, expression_of, fits_nothing, is_glob, parts_of
from salt_eventsd.database.dialects.base.conditions import like


class Questions:
    """
    Pieces of questions; this is how PostgreSQL has them.

    :cvar looks_within: a look into an index for each row of another table begins at a time that the question says.
    :cvar lateral: such a look may bring several columns at once.
    :cvar estimates: the database knows whether few texts begin like a glob does.
    :cvar whole: a regular expression that a text fits as a whole.
    :cvar reach: so many rows can be read in a moment, where an index has no more of them than their order.
    """

    looks_within: ClassVar[bool] = True
    lateral: ClassVar[bool] = True
    estimates: ClassVar[bool] = True
    whole: ClassVar[str] = "^{}$"
    reach: ClassVar[int] = 40_000

    def fits(self, column: sa.ColumnElement[Any], glob: str) -> sa.ColumnElement[bool]:
        """
        Return the condition that a text fits a glob, upper and lower case told apart.

        :param column: of texts.
        :param glob: with ``*``, ``?`` and ``[...]``; without any of them, the text itself.
        """
        if not is_glob(glob):
            return column == glob
        parts = parts_of(glob)
        if fits_nothing(parts):
            return sa.false()
        if not any(isinstance(one, OneOf) for one in parts):
            return column.like(like(parts), escape="!")
        return column.regexp_match(self.whole.format(expression_of(parts)))

    def elements(self, column: sa.ColumnElement[Any]) -> tuple[sa.FromClause | sa.TextClause, sa.ColumnElement[Any]]:
        """
        Return the texts of the list in a column of JSON as rows, to be joined to its table, and their column; no row
        where the column holds no list.

        :param column: of JSON.
        """
        array = sa.case((sa.func.jsonb_typeof(column) == "array", column), else_=sa.text("'[]'::jsonb"))
        rows = sa.func.jsonb_array_elements_text(array).table_valued("value", name="told", joins_implicitly=True)
        return rows, rows.c.value

    def is_within(
        self, column: sa.ColumnElement[Any], texts: sa.ColumnElement[Any], *conditions: sa.ColumnElement[bool]
    ) -> sa.ColumnElement[bool] | None:
        """
        Return the condition that all texts of a short list in a column of JSON are among those of another table; None
        where a look for each of them costs no more.

        :param column: of JSON.
        :param texts: a column of the other table.
        :param conditions: of its rows.
        """
        listed = sa.select(sa.func.coalesce(sa.func.jsonb_agg(texts), sa.text("'[]'::jsonb"))).where(*conditions)
        return listed.correlate_except(texts.table).scalar_subquery().op("@>", is_comparison=True)(column)

    def others_than(
        self, column: sa.ColumnElement[Any], texts: sa.ColumnElement[Any], *conditions: sa.ColumnElement[bool]
    ) -> sa.ColumnElement[Any] | None:
        """
        Return the texts of a list in a column of JSON that are not among those of another table, as a list: each once,
        in no order; what is no text stands there as JSON has it. None where it costs less to compare them elsewhere.

        :param column: of JSON.
        :param texts: a column of the other table.
        :param conditions: of its rows.
        """
        rows, value = self.elements(column)
        known = sa.select(texts).where(*conditions).correlate_except(texts.table)
        # The time grows with both numbers, and not with one times the other.
        others = sa.select(value.label("text")).select_from(rows).except_(known).subquery("others")
        return sa.select(sa.func.coalesce(sa.func.jsonb_agg(others.c.text), sa.text("'[]'::jsonb"))).scalar_subquery()

    def has(self, column: sa.ColumnElement[Any], glob: str) -> sa.ColumnElement[bool]:
        """
        Return the condition that a list in a column of JSON has a text that fits a glob.

        :param column: of JSON.
        :param glob: as in :meth:`fits`.
        """
        if not is_glob(glob):
            return self.lists(column, glob)
        rows, value = self.elements(column)
        return sa.exists(sa.select(sa.literal_column("1")).select_from(rows).where(self.fits(value, glob)))

    def lists(self, column: sa.ColumnElement[Any], text: str) -> sa.ColumnElement[bool]:
        """
        Return the condition that a list in a column of JSON has a text.

        :param column: of JSON.
        :param text: the text.
        """
        # A constant, for a function would be called for each row.
        return column.op("@>", is_comparison=True)(sa.literal(json.dumps([text])).op("::")(sa.text("jsonb")))

    def beside(self, column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        """
        Return a column for a condition that another one goes before, whose index finds fewer rows.

        :param column: of a table.
        """
        # The server knows how often values are there.
        return column

    def told_by_index(
        self, column: sa.Column[Any], values: Sequence[Any], stamp: sa.Column[Any], key: sa.Column[Any], index: str
    ) -> sa.ColumnElement[bool] | None:
        """
        Return the condition that a column has one of a few values, by a look for each into an index over it and the
        times, for rows of which another index tells the time and the key; None where to read a row costs no more.

        :param column: of a table.
        :param values: the values.
        :param stamp: the times.
        :param key: the table's primary key.
        :param index: the name of the first index, which is there.
        """
        return None

    def led(
        self, column: sa.ColumnElement[Any], value: Any
    ) -> tuple[sa.ColumnElement[bool], tuple[sa.ColumnElement[Any], ...]]:
        """
        Return the condition that a column has a value, and what the order of the rows has to begin with for an index
        over that column and their times to be read from a time on.

        :param column: of a table.
        :param value: the value.
        """
        return column == value, ()

    def sorted_by(self, column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        """
        Return a column of times to sort a few rows by, which another condition finds: no index in its order is gone
        through for them.

        :param column: of a table.
        """
        # Without statistics the server takes a job's returns for so many that it would soon meet them.
        return column + timedelta(0)

    def among(self, column: sa.ColumnElement[Any], value: bool) -> sa.ColumnElement[bool]:
        """
        Return the condition that a boolean has a value, for an index over such rows alone that begins with it.

        :param column: of booleans.
        :param value: the value.
        """
        # The server leaves out what is true of the whole index, and then reads all of that for a time. What comes of a
        # question it does not leave out.
        told = sa.true() if value else sa.false()
        return sa.and_(column == told, column == sa.select(told).scalar_subquery())

    def aside(self, column: sa.ColumnElement[Any], value: bool) -> sa.ColumnElement[bool]:
        """
        Return the condition that a boolean has a value, where an index that knows it is none to go by.

        :param column: of booleans.
        :param value: the value.
        """
        # Else the server would rather look through all of another index than at the few rows that are meant.
        told, other = (sa.true(), sa.false()) if value else (sa.false(), sa.true())
        return sa.func.coalesce(column, other, type_=sa.Boolean()) == told

    def is_false(self, column: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
        """
        Return the condition that a boolean is false, where another condition may be the better one to begin with.

        :param column: of booleans.
        """
        return self.among(column, False)

    def that_are(
        self, asked: sa.Select[Any], key: sa.ColumnElement[Any], *conditions: sa.ColumnElement[bool]
    ) -> sa.Select[Any]:
        """
        Return a question that finds many rows by one index, with conditions that another index finds many by.

        :param asked: about a table.
        :param key: the table's primary key, which is in each index in some databases.
        :param conditions: which of its rows.
        """
        return asked.where(*conditions)

    def of_pairs(
        self, asked: sa.Select[Any], columns: tuple[sa.Column[Any], sa.Column[Any]], pairs: Sequence[tuple[str, str]]
    ) -> sa.Select[Any]:
        """
        Return a question with the condition that two columns have one of some pairs of values.

        :param asked: about a table.
        :param columns: of texts; the table's primary key begins with them.
        :param pairs: the values.
        """
        # Of a list of pairs, all rows of each first one would be read.
        told = sa.values(*(sa.column(column.name, sa.String) for column in columns), name="told")
        told_apart = told.data(list(dict.fromkeys(pairs))).cte("told")
        return asked.where(*(column == told_apart.c[column.name] for column in columns))

    def rows_later(self, asked: sa.Select[Any], table: sa.Table, *conditions: sa.ColumnElement[bool]) -> sa.Select[Any]:
        """
        Return a question that an index answers alone, with conditions that a look at a row each takes.

        :param asked: about columns of an index, in its order.
        :param table: the index's.
        :param conditions: of other columns of it.
        """
        return asked.where(*conditions)

    def listed(self, column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        """
        Return the texts of a group as one, with a newline between each two. To make JSON of them takes twice as long.

        :param column: of the texts.
        """
        return sa.func.string_agg(column, "\n")

    def distinct(self, column: sa.ColumnElement[Any], *conditions: sa.ColumnElement[bool]) -> sa.Select[Any]:
        """
        Return the question which values a column has: from one to the next by the index, instead of by all rows.

        :param column: an index begins with it.
        :param conditions: of its rows, if the index has those alone.
        """
        first = sa.select(sa.func.min(column).label("value")).where(*conditions)
        found = first.cte("found", recursive=True)
        behind = sa.select(sa.func.min(column)).where(column > found.c.value, *conditions)
        following = behind.correlate(found).scalar_subquery()
        found = found.union_all(sa.select(following).where(found.c.value.is_not(None)))
        return sa.select(found.c.value).where(found.c.value.is_not(None))

    def begins(self, column: sa.ColumnElement[Any], text: str) -> sa.ColumnElement[bool] | None:
        """
        Return the condition that a text begins with another, where :meth:`distinct` spares all others by it; else None.

        :param column: of texts.
        :param text: the other; "" is no condition.
        """
        return None

    def member(self, column: sa.ColumnElement[Any], key: str) -> sa.ColumnElement[Any]:
        """
        Return a member of a mapping in a column of JSON, as text; NULL where there is none.

        :param column: of JSON.
        :param key: of the member.
        """
        return sa.func.jsonb_extract_path_text(column, key)

    def may_have(self, column: sa.ColumnElement[Any], key: str, within: str) -> sa.ColumnElement[bool]:
        """
        Return a condition that costs little, and is true at least where a mapping in a column of JSON has a key, or
        another mapping in it has.

        :param column: of JSON.
        :param key: the key.
        :param within: the key of the other mapping.
        """
        has = column.op("?", is_comparison=True)
        return sa.or_(has(key), sa.func.jsonb_extract_path(column, within).op("?", is_comparison=True)(key))

    def bytes_of(self, column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        """
        Return how many bytes a text takes, or JSON as text.

        :param column: of texts or JSON.
        """
        return sa.func.octet_length(sa.cast(column, sa.Text))
