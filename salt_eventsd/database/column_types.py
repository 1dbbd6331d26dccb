"""
Types of the columns of the built-in tables, each with what every dialect has in its place.

Migrations that were released use them, so they must not change: a column that is to be of another type gets a type of
its own.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.types import TypeEngine

from salt_eventsd.database.dialects import KINDS


def _in_all(usual: TypeEngine[Any], name: str) -> Any:
    """Return the usual type, with the types that dialects have for it as variants."""
    for kind in KINDS:
        if (own := getattr(kind.types, name)) is not None:
            usual = usual.with_variant(own, kind.name)
    return usual


#: Documents; JSONB on PostgreSQL, text elsewhere, where the JSON functions take text as well.
JSON = _in_all(sa.JSON(none_as_null=True), "json")
#: Texts of any length.
TEXT = _in_all(sa.Text(), "text")
#: Times in UTC, with microseconds.
TIME = _in_all(sa.DateTime(timezone=True), "time")
#: A primary key that the database numbers.
ROW_ID = _in_all(sa.BigInteger(), "row_id")
#: Return codes: Windows has codes of 32 bits without a sign.
CODE = _in_all(sa.BigInteger(), "code")
#: Options of each table.
TABLE_OPTIONS: dict[str, Any] = {
    f"{kind.name}_{key}": value for kind in KINDS for key, value in kind.types.table_options.items()
}
