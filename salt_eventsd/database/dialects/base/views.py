"""
Views: what they need besides standard SQL. A list in a column of JSON as rows, and times that lie back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar


class Views:
    """
    Pieces of the views' SQL; this is how PostgreSQL has them.

    :cvar true: as a column of booleans is compared with it, so that an index over some rows is found.
    :cvar false: likewise.
    :cvar by_row: a condition on a view is not moved into what the view groups.
    :cvar quote: stands around a name that is a word of SQL.
    """

    true: ClassVar[str] = "TRUE"
    false: ClassVar[str] = "FALSE"
    by_row: ClassVar[bool] = False
    quote: ClassVar[str] = '"'

    def has(self, column: str, value: str) -> str:
        """
        Return the condition that a JSON list of texts has a text.

        :param column: of the lists, with the table's name.
        :param value: the column of the text, likewise.
        """
        return f"{column} @> to_jsonb({value})"

    def elements(self, column: str, alias: str) -> str:
        """
        Return what to join to a table for a row for each text in a JSON list of its.

        A row is left out whose column holds no list, as where it was too long for the database.

        :param column: with the table's name.
        :param alias: a name for the rows; they have one column, ``value``.
        """
        array = f"CASE WHEN jsonb_typeof({column}) = 'array' THEN {column} ELSE '[]'::jsonb END"
        return f"CROSS JOIN LATERAL jsonb_array_elements_text({array}) AS {alias}(value)"

    def days_ago(self, days: int) -> str:
        """
        Return the time that lies back by some days, to compare with a column of times.

        :param days: how many.
        """
        return f"(now() - interval '{days} days')"

    def document(self, column: str, otherwise: str) -> str:
        """
        Return a column of JSON as a part of :meth:`object`.

        :param column: with the table's name.
        :param otherwise: JSON text in place of NULL.
        """
        return f"COALESCE({column}, '{otherwise}'::jsonb)"

    def truth(self, column: str) -> str:
        """
        Return a column of booleans as a part of :meth:`object`.

        :param column: with the table's name.
        """
        return column

    def object(self, fields: Mapping[str, str]) -> str:
        """
        Return a JSON object, as text.

        :param fields: its keys, each with an expression.
        """
        return f"jsonb_build_object({_pairs(fields)})::text"

    def json_text(self, column: str) -> str:
        """
        Return a column of JSON as text; NULL becomes ``null``.

        :param column: with the table's name.
        """
        return f"COALESCE({column}::text, 'null')"


class TextualViews(Views):
    """The same where JSON is text and a function makes objects of pairs."""

    def object(self, fields: Mapping[str, str]) -> str:
        """See :class:`Views`."""
        return f"JSON_OBJECT({_pairs(fields)})"

    def json_text(self, column: str) -> str:
        """See :class:`Views`."""
        return f"COALESCE({column}, 'null')"


def _pairs(fields: Mapping[str, str]) -> str:
    return ", ".join(f"'{key}', {value}" for key, value in fields.items())
