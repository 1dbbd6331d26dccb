"""States that took long are marked: the longest of each run, and all that took a second."""

from __future__ import annotations

import sqlalchemy as sa
from alembic.operations import Operations

from salt_eventsd.database.dialects import dialect_of
from salt_eventsd.database.migrations.steps import add_column

revision = "0007"
down_revision = "0006"

_TABLE, _MARK = "eventsd_states", "slow_ms"


def upgrade(op: Operations) -> None:
    """
    Add the column, which takes no time. Old rows get their marks before the index over them is made.

    :param op: alembic's, for the database.
    """
    add_column(op, _TABLE, sa.Column(_MARK, sa.Double()))
    bind = op.get_bind()
    dialect_of(bind).ddl.mark_others(bind, _TABLE, _MARK, "duration_ms")


def downgrade(op: Operations) -> None:
    """
    Drop the column, and with it its indexes.

    :param op: alembic's, for the database.
    """
    there = {one["name"] for one in sa.inspect(op.get_bind()).get_indexes(_TABLE)}
    for name in ("eventsd_states_marked", "eventsd_states_marks"):
        if name in there:
            op.drop_index(name, _TABLE)
    op.drop_column(_TABLE, _MARK)
