"""Views in SQLite: JSON is text, and so are times."""

from __future__ import annotations

from typing import ClassVar

from salt_eventsd.database.dialects.base.views import TextualViews


class SQLiteViews(TextualViews):
    """Pieces of the views' SQL."""

    true: ClassVar = "1"
    false: ClassVar = "0"
    by_row: ClassVar = True

    def has(self, column: str, value: str) -> str:
        """To look for its text costs much less than to read the list."""
        return f"instr({column}, json_quote({value})) > 0"

    def elements(self, column: str, alias: str) -> str:
        """A text that is no JSON would be an error."""
        array = f"CASE WHEN json_valid({column}) AND json_type({column}) = 'array' THEN {column} ELSE '[]' END"
        return f"JOIN json_each({array}) AS {alias}"

    def days_ago(self, days: int) -> str:
        """Times are kept as texts of this form."""
        return f"strftime('%Y-%m-%d %H:%M:%f000', 'now', '-{days} days')"

    def document(self, column: str, otherwise: str) -> str:
        """See :class:`Views`. Text as it is would become a string."""
        return f"json(COALESCE({column}, '{otherwise}'))"

    def truth(self, column: str) -> str:
        """See :class:`Views`. A boolean is a number."""
        return f"json(CASE WHEN {column} THEN 'true' WHEN {column} IS NULL THEN 'null' ELSE 'false' END)"
