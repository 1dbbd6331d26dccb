"""Views over the tables, and indexes, for those who ask the history; and the table of locks, for what deletes it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic.operations import Operations

from salt_eventsd.database.column_types import TABLE_OPTIONS
from salt_eventsd.database.migrations.steps import create_index, create_table, create_view

revision = "0004"
down_revision = "0003"

VIEWS = ("eventsd_v_answers", "eventsd_v_failures", "eventsd_v_changes", "eventsd_v_conformity")


_OF_STATES = "fun IN ('state.apply', 'state.highstate', 'state.sls')"
#: Name -> table, columns, and which rows are in it on PostgreSQL and on SQLite; on others all are.
INDEXES = {
    "eventsd_returns_by_fun": ("eventsd_returns", ("fun", "stamp"), None),
    "eventsd_returns_failed": ("eventsd_returns", ("success", "stamp"), ("NOT success", "success = 0")),
    "eventsd_returns_of_states": ("eventsd_returns", ("minion_id", "fun", "stamp"), (_OF_STATES, _OF_STATES)),
    "eventsd_states_changed": ("eventsd_states", ("changed", "stamp"), ("changed", "changed = 1")),
}


def upgrade(op: Operations) -> None:
    """
    Make the table, the indexes and the views.

    :param op: alembic's, for the database.
    """
    create_table(
        op,
        "eventsd_locks",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("holder", sa.String(255), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("done", sa.BigInteger()),
        sa.PrimaryKeyConstraint("name"),
        **TABLE_OPTIONS,
    )
    for name, (table, columns, rows) in INDEXES.items():
        where = {"postgresql_where": sa.text(rows[0]), "sqlite_where": sa.text(rows[1])} if rows else {}
        create_index(op, name, table, columns, **where)
    for name in VIEWS:
        create_view(op, name)


def downgrade(op: Operations) -> None:
    """
    Drop the views, the indexes and the table.

    :param op: alembic's, for the database.
    """
    for name in VIEWS:
        op.execute(f"DROP VIEW {name}")
    for name, (table, *_) in INDEXES.items():
        op.drop_index(name, table)
    op.drop_table("eventsd_locks")
