"""
Views: what they need besides standard SQL. A list in a column of JSON as rows, and times that lie back.
"""

from __future__ import annotations

from typing import ClassVar


class Views:
    """
    Pieces of the views' SQL; this is how PostgreSQL has them.

    :cvar true: as a column of booleans is compared with it, so that an index over some rows is found.
    :cvar false: likewise.
    :cvar by_row: a condition on a view is not moved into what the view groups.
    """

    true: ClassVar[str] = "TRUE"
    false: ClassVar[str] = "FALSE"
    by_row: ClassVar[bool] = False

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
