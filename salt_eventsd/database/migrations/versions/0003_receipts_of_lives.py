"""Receipts say whose chunks they are of, from which one on, when their events were read, and which were refused."""

from __future__ import annotations

import sqlalchemy as sa
from alembic.operations import Operations

from salt_eventsd.database.column_types import TEXT
from salt_eventsd.database.migrations.steps import add_column

revision = "0003"
down_revision = "0002"

_TABLE = "eventsd_receipts"


def upgrade(op: Operations) -> None:
    """
    Add the columns.

    :param op: alembic's, for the database.
    """
    add_column(op, _TABLE, sa.Column("lane", sa.String(255)))
    add_column(op, _TABLE, sa.Column("first_chunk", sa.BigInteger()))
    add_column(op, _TABLE, sa.Column("oldest", sa.BigInteger()))
    add_column(op, _TABLE, sa.Column("refused", TEXT))


def downgrade(op: Operations) -> None:
    """
    Drop the columns.

    :param op: alembic's, for the database.
    """
    for name in ("lane", "first_chunk", "oldest", "refused"):
        op.drop_column(_TABLE, name)
