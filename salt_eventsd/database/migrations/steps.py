"""
Steps of migrations that can be taken again.

In MySQL and MariaDB each of them is committed by itself, so an engine that is killed in the middle of a migration
leaves half of it; the next one goes on where that ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic.operations import Operations


def create_table(op: Operations, name: str, *parts: sa.schema.SchemaItem, **options: Any) -> None:
    """
    Make a table, unless an earlier try has made it.

    :param op: alembic's, for the database.
    :param name: the table's.
    :param parts: columns and constraints.
    :param options: of the table.
    """
    wanted = {part.name for part in parts if isinstance(part, sa.Column)}
    # One of the same name that is not ours is an error, as it is elsewhere.
    if not _may_be_done(op) or _columns(op, name) != wanted:
        op.create_table(name, *parts, **options)
    elif _is_row_format(op, name, ("COMPACT", "REDUNDANT")):
        op.execute(f"ALTER TABLE {name} ROW_FORMAT=DYNAMIC")


def create_index(op: Operations, name: str, table: str, columns: Sequence[str]) -> None:
    """
    Make an index, unless an earlier try has made it.

    :param op: alembic's, for the database.
    :param name: the index's.
    :param table: the table's name.
    :param columns: of the table.
    """
    if not _may_be_done(op) or name not in {one["name"] for one in sa.inspect(op.get_bind()).get_indexes(table)}:
        op.create_index(name, table, list(columns))


def add_column(op: Operations, table: str, column: sa.Column[Any]) -> None:
    """
    Add a column, unless an earlier try has added it.

    :param op: alembic's, for the database.
    :param table: the table's name.
    :param column: the column.
    """
    if not _may_be_done(op) or column.name not in _columns(op, table):
        op.add_column(table, column)


def size_of(op: Operations, table: str) -> int:
    """
    Return about how many bytes a table takes, as the server tells it.

    :param op: alembic's, for PostgreSQL, MySQL or MariaDB.
    :param table: the table's name.
    """
    bind = op.get_bind()
    if bind.dialect.name == "postgresql":
        sql = "SELECT pg_total_relation_size(CAST(:name AS regclass))"
    else:
        sql = (
            "SELECT data_length + index_length FROM information_schema.tables "
            "WHERE table_schema = DATABASE() AND table_name = :name"
        )
    return int(bind.execute(sa.text(sql), {"name": table}).scalar() or 0)


def _may_be_done(op: Operations) -> bool:
    return op.get_bind().dialect.name in ("mysql", "mariadb")


def _columns(op: Operations, table: str) -> set[str]:
    found = sa.inspect(op.get_bind())
    return {column["name"] for column in found.get_columns(table)} if found.has_table(table) else set()


def _is_row_format(op: Operations, table: str, formats: Sequence[str]) -> bool:
    asked = sa.text(
        "SELECT row_format FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = :t"
    )
    return str(op.get_bind().execute(asked, {"t": table}).scalar()).upper() in formats
