"""Two masters may give one id to two jobs: the key of jobs tells them apart."""

from __future__ import annotations

import sqlalchemy as sa
from alembic.operations import Operations

from salt_eventsd.database.dialects import dialect_of
from salt_eventsd.exceptions import Refused

revision = "0006"
down_revision = "0005"


def upgrade(op: Operations) -> None:
    """
    Add the column, and have it in the key.

    :param op: alembic's, for the database.
    """
    bind = op.get_bind()
    if "apart" not in {column["name"] for column in sa.inspect(bind).get_columns("eventsd_jobs")}:
        column = sa.Column("apart", sa.String(255), nullable=False, server_default="")
        dialect_of(bind).ddl.extend_key(bind, "eventsd_jobs", column)


def downgrade(op: Operations) -> None:
    """
    Refuse: two jobs of one id have no place in the older table.

    :param op: alembic's, for the database.
    :raises Refused: always.
    """
    raise Refused("version 0006 of the tables cannot be undone: an older one has no place for two jobs of one id")
