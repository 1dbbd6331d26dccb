"""The table of locks, for what may be done by one at a time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic.operations import Operations

from salt_eventsd.database.column_types import TABLE_OPTIONS
from salt_eventsd.database.migrations.steps import create_table

revision = "0004"
down_revision = "0003"

# The views are made by the newest version, for they are of today's columns; indexes are no part of any version.


def upgrade(op: Operations) -> None:
    """
    Make the table.

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


def downgrade(op: Operations) -> None:
    """
    Drop the table.

    :param op: alembic's, for the database.
    """
    op.drop_table("eventsd_locks")
