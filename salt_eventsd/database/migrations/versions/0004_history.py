"""Views over the tables, for those who ask the history."""

from __future__ import annotations

from alembic.operations import Operations

from salt_eventsd.database.migrations.steps import create_view

revision = "0004"
down_revision = "0003"

VIEWS = ("eventsd_v_answers", "eventsd_v_failures", "eventsd_v_changes", "eventsd_v_conformity")


def upgrade(op: Operations) -> None:
    """
    Make the views.

    :param op: alembic's, for the database.
    """
    for name in VIEWS:
        create_view(op, name)


def downgrade(op: Operations) -> None:
    """
    Drop the views.

    :param op: alembic's, for the database.
    """
    for name in VIEWS:
        op.execute(f"DROP VIEW {name}")
