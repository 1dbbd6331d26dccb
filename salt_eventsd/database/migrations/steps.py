"""
Steps of migrations that can be taken again.

In MySQL and MariaDB each of them is committed by itself, so an engine that is killed in the middle of a migration
leaves half of it; the next one goes on where that ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op


def create_table(name: str, *parts: sa.schema.SchemaItem, **options: Any) -> None:
    """
    Make a table, unless an earlier try has made it.

    :param name: its name.
    :param parts: columns and constraints.
    :param options: of the table.
    """
    if not (_may_be_done() and sa.inspect(op.get_bind()).has_table(name)):
        op.create_table(name, *parts, **options)


def create_index(name: str, table: str, columns: Sequence[str]) -> None:
    """
    Make an index, unless an earlier try has made it.

    :param name: its name.
    :param table: the table's name.
    :param columns: of the table.
    """
    if not (_may_be_done() and name in {one["name"] for one in sa.inspect(op.get_bind()).get_indexes(table)}):
        op.create_index(name, table, list(columns))


def _may_be_done() -> bool:
    return op.get_bind().dialect.name in ("mysql", "mariadb")
