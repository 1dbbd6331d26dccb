"""Questions in MySQL and MariaDB: JSON is text, which ``JSON_TABLE`` makes rows of."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from salt_eventsd.database.dialects.base.questions import Questions, is_glob


class MySQLQuestions(Questions):
    """Pieces of questions."""

    def has(self, column: sa.ColumnElement[Any], glob: str) -> sa.ColumnElement[bool]:
        """See :class:`Questions`. The whole list is looked through as text first, which costs much less."""
        if is_glob(glob):
            value = sa.literal_column("told.value", sa.String())
            rows = sa.text(
                "JSON_TABLE(CASE WHEN JSON_VALID(eventsd_jobs.minions) AND JSON_TYPE(eventsd_jobs.minions) = 'ARRAY'"
                " THEN eventsd_jobs.minions ELSE '[]' END, '$[*]' COLUMNS"
                " (value VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$')) AS told"
            )
            return sa.exists(sa.select(sa.literal_column("1")).select_from(rows).where(self.fits(value, glob)))
        quoted = sa.func.json_quote(glob)
        return sa.and_(sa.func.json_valid(column), sa.func.json_contains(column, quoted))

    def distinct(self, column: sa.ColumnElement[Any]) -> sa.Select[Any]:
        """See :class:`Questions`. The server itself goes from one value to the next."""
        return sa.select(column).where(column.is_not(None)).group_by(column)

    def member(self, column: sa.ColumnElement[Any], key: str) -> sa.ColumnElement[Any]:
        """See :class:`Questions`."""
        return sa.func.json_unquote(sa.func.json_extract(column, f"$.{key}"))

    def bytes_of(self, column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        """See :class:`Questions`. What is cast may not be longer than a packet."""
        return sa.func.octet_length(column)
