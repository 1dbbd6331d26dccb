"""
A row of one database as another one takes it: its words for times, JSON and text. Pure: no database in here.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from salt_eventsd.database.dialects import Dialect
from salt_eventsd.database.rows.cells import Row, narrow
from salt_eventsd.database.user_tables.values import Values


class Recoder:
    """
    Makes rows for one database.

    :param dialect: of the database.
    :param largest: how many bytes a value may have, None for any.
    :param has_wide_codes: whether the database's column of return codes has 64 bits.
    :ivar shortened: how many values were too large for the database, which has their beginning.
    """

    def __init__(self, dialect: Dialect, largest: int | None, has_wide_codes: bool) -> None:
        self._dialect = dialect
        self._largest = largest
        self._fit = Values(dialect, largest).fit_json
        self._has_wide_codes = has_wide_codes
        self.shortened = 0

    def row(self, table: sa.Table, row: Row) -> Row:
        """
        Return a row for the database.

        :param table: one of ours.
        :param row: from :func:`salt_eventsd.database.transfer.pages.fetch`.
        """
        return {name: self._cell(table.c[name], value) for name, value in row.items()}

    def _cell(self, column: sa.Column[Any], value: Any) -> Any:
        if value is None:
            return None
        if isinstance(value, datetime):
            return self._dialect.time(value.timestamp())
        if isinstance(column.type, sa.JSON):
            return self._document(value)
        if isinstance(value, str):
            return self._dialect.text(value)
        if column.name == "retcode" and not self._has_wide_codes:
            return narrow(value)
        return value

    def _document(self, text: str) -> Any:
        encoded = text.encode("utf-8", "surrogatepass")
        if self._largest is not None and len(encoded) > self._largest:
            encoded = self._fit(encoded)
            self.shortened += 1
        return self._dialect.json(encoded)
