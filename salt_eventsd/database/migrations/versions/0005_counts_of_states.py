"""Returns of runs of states say how many states there were; and the views."""

from __future__ import annotations

import sqlalchemy as sa
from alembic.operations import Operations

from salt_eventsd.database.migrations.steps import add_column, create_view

revision = "0005"
down_revision = "0004"

_COUNTS = ("states", "states_changed", "states_failed")
VIEWS = ("eventsd_v_answers", "eventsd_v_failures", "eventsd_v_changes", "eventsd_v_conformity")


def upgrade(op: Operations) -> None:
    """
    Add the columns, and make the views.

    :param op: alembic's, for the database.
    """
    # Old rows have NULL, and their states are counted when somebody asks.
    for name in _COUNTS:
        add_column(op, "eventsd_returns", sa.Column(name, sa.Integer()))
    for name in VIEWS:
        create_view(op, name)


def downgrade(op: Operations) -> None:
    """
    Drop the views and the columns.

    :param op: alembic's, for the database.
    """
    for name in VIEWS:
        op.execute(f"DROP VIEW {name}")
    for name in _COUNTS:
        op.drop_column("eventsd_returns", name)
