"""
Steps of migrations that can be taken again.

In MySQL and MariaDB the server commits each step by itself, so an engine that is killed in the middle of a migration
leaves half of it behind. The next engine goes on from there.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic.operations import Operations

from salt_eventsd.database.dialects import dialect_of
from salt_eventsd.database.views import definitions
from salt_eventsd.redact.error_text import one_line

log = logging.getLogger(__name__)


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
    else:
        dialect_of(op.get_bind()).ddl.finish(op.get_bind(), name)


def create_index(op: Operations, name: str, table: str, columns: Sequence[str], **options: Any) -> None:
    """
    Make an index, unless an earlier try has made it.

    :param op: alembic's, for the database.
    :param name: the index's.
    :param table: the table's name.
    :param columns: of the table.
    :param options: of the index.
    """
    if not _may_be_done(op) or name not in {one["name"] for one in sa.inspect(op.get_bind()).get_indexes(table)}:
        op.create_index(name, table, list(columns), **options)


def add_column(op: Operations, table: str, column: sa.Column[Any]) -> None:
    """
    Add a column, unless an earlier try has added it.

    :param op: alembic's, for the database.
    :param table: the table's name.
    :param column: the column.
    """
    if not _may_be_done(op) or column.name not in _columns(op, table):
        op.add_column(table, column)


def create_view(op: Operations, name: str) -> None:
    """
    Make one of the views, or give one that is there the form that this release has. Where the user may not make views,
    the log says so, and there is none.

    :param op: alembic's, for the database.
    :param name: the view's.
    """
    bind = op.get_bind()
    ddl = dialect_of(bind).ddl
    try:
        # Dropped first: PostgreSQL replaces a view only by one that has the same columns, and SQLite none.
        if name in sa.inspect(bind).get_view_names():
            op.execute(f"DROP VIEW {name}")
        op.execute(sa.text(f"CREATE VIEW {name} AS {_escaped(definitions(dialect_of(op.get_bind()))[name])}"))
    except sa.exc.DBAPIError as exc:
        # A user who could make all the tables of earlier releases may lack this right. The engine itself needs no view.
        if not ddl.is_forbidden_view(exc):
            raise
        log.warning(
            "eventsd: the view %s could not be made, but the engine and the runner work without it: %s",
            name,
            one_line(exc),
        )


def _escaped(sql: str) -> str:
    return re.sub(r"(?<!:):(?=[A-Za-z])", r"\\:", sql)


def size_of(op: Operations, table: str) -> int:
    """
    Return about how many bytes a table takes, as the server tells it.

    :param op: alembic's, for the database.
    :param table: the table's name.
    """
    bind = op.get_bind()
    return dialect_of(bind).ddl.bytes_of(bind, table)


def _may_be_done(op: Operations) -> bool:
    return dialect_of(op.get_bind()).ddl.commits


def _columns(op: Operations, table: str) -> set[str]:
    found = sa.inspect(op.get_bind())
    return {column["name"] for column in found.get_columns(table)} if found.has_table(table) else set()
