"""Views in MySQL and MariaDB: JSON is text, which ``JSON_TABLE`` makes rows of."""

from __future__ import annotations

from typing import ClassVar

from salt_eventsd.database.dialects.base.views import TextualViews


class MySQLViews(TextualViews):
    """Pieces of the views' SQL."""

    quote: ClassVar = "`"

    def elements(self, column: str, alias: str) -> str:
        """The texts are told apart by case, as minion ids are in the tables."""
        array = f"CASE WHEN JSON_VALID({column}) AND JSON_TYPE({column}) = 'ARRAY' THEN {column} ELSE '[]' END"
        value = "value VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$'"
        return f"JOIN JSON_TABLE({array}, '$[*]' COLUMNS ({value})) AS {alias}"

    def has(self, column: str, value: str) -> str:
        """See :class:`Views`."""
        return f"JSON_CONTAINS({column}, JSON_QUOTE({value}))"

    def days_ago(self, days: int) -> str:
        """Times are kept in UTC, whatever the session's time zone."""
        return f"(UTC_TIMESTAMP(6) - INTERVAL {days} DAY)"

    def document(self, column: str, otherwise: str) -> str:
        """See :class:`Views`. Text as it is would become a string."""
        return f"JSON_EXTRACT(COALESCE({column}, '{otherwise}'), '$')"

    def truth(self, column: str) -> str:
        """See :class:`Views`. A boolean is a number."""
        return f"JSON_EXTRACT(CASE WHEN {column} THEN 'true' WHEN {column} IS NULL THEN 'null' ELSE 'false' END, '$')"
