"""Views over the tables, for those who ask the history; and the table of locks, for what deletes it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic.operations import Operations

from salt_eventsd.database.column_types import TABLE_OPTIONS
from salt_eventsd.database.migrations.steps import create_table, create_view

revision = "0004"
down_revision = "0003"

VIEWS = ("eventsd_v_answers", "eventsd_v_failures", "eventsd_v_changes", "eventsd_v_conformity")


def upgrade(op: Operations) -> None:
    """
    Make the table and the views.

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
    for name in VIEWS:
        create_view(op, name)


def downgrade(op: Operations) -> None:
    """
    Drop the views and the table.

    :param op: alembic's, for the database.
    """
    for name in VIEWS:
        op.execute(f"DROP VIEW {name}")
    op.drop_table("eventsd_locks")
