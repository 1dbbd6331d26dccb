"""
Outcomes: whether a state ran as a test and for which function, codes of 64 bits, and what syndics tell of a job.

No table is written anew for it, which in a large history would take its time and keep readers out. New columns cost
nothing. A column of codes becomes wider only where the table is small; where it is not, it stays as it is, and
:mod:`salt_eventsd.database.rows` fits codes into it, until somebody has widened it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic.operations import Operations

from salt_eventsd.database.column_types import JSON
from salt_eventsd.database.dialects import dialect_of
from salt_eventsd.database.migrations.steps import add_column, size_of

revision = "0002"
down_revision = "0001"

#: A table of no more than this is written anew within seconds, in bytes.
SMALL = 256 * 2**20


def upgrade(op: Operations) -> None:
    """
    Add the columns.

    :param op: alembic's, for the database.
    """
    add_column(op, "eventsd_states", sa.Column("test", sa.Boolean()))
    add_column(op, "eventsd_states", sa.Column("fun", sa.String(255)))
    add_column(op, "eventsd_jobs", sa.Column("syndics", JSON))
    bind = op.get_bind()
    is_wide = dialect_of(bind).ddl.is_wide(bind, "eventsd_returns", "retcode")
    if not is_wide and size_of(op, "eventsd_returns") <= SMALL:
        op.alter_column("eventsd_returns", "retcode", type_=sa.BigInteger(), existing_nullable=True)


def downgrade(op: Operations) -> None:
    """
    Drop the columns. Codes stay as wide as they are.

    :param op: alembic's, for the database.
    """
    op.drop_column("eventsd_jobs", "syndics")
    op.drop_column("eventsd_states", "fun")
    op.drop_column("eventsd_states", "test")
