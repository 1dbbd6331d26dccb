"""The first tables: jobs, returns, states, events, minions, stats and receipts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic.operations import Operations

from salt_eventsd.database.column_types import JSON, ROW_ID, TABLE_OPTIONS, TEXT, TIME
from salt_eventsd.database.migrations.steps import create_index, create_table

revision = "0001"
down_revision = None

# The columns are written out, and not taken from the schema: a version stays what it was when later ones change them.


def upgrade(op: Operations) -> None:
    """
    Make the tables.

    :param op: alembic's, for the database.
    """
    create_table(
        op,
        "eventsd_events",
        sa.Column("id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("tag", TEXT, nullable=False),
        sa.Column("data", JSON),
        sa.Column("stamp", TIME, nullable=False),
        sa.Column("received", TIME, nullable=False),
        sa.Column("master_id", sa.String(255), nullable=False),
        sa.Column("digest", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("stamp", "digest", name="eventsd_events_once"),
        **TABLE_OPTIONS,
    )
    create_table(
        op,
        "eventsd_jobs",
        sa.Column("jid", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("fun", sa.String(255)),
        sa.Column("arg", JSON),
        sa.Column("tgt", TEXT),
        sa.Column("tgt_type", sa.String(32)),
        sa.Column("user", sa.String(255)),
        sa.Column("minions", JSON),
        sa.Column("minion_count", sa.Integer()),
        sa.Column("stamp", TIME, nullable=False),
        sa.Column("master_id", sa.String(255), nullable=False),
        sa.Column("load", JSON),
        sa.PrimaryKeyConstraint("jid"),
        **TABLE_OPTIONS,
    )
    create_index(op, "eventsd_jobs_by_fun", "eventsd_jobs", ["fun", "stamp"])
    create_index(op, "eventsd_jobs_by_stamp", "eventsd_jobs", ["stamp"])
    create_table(
        op,
        "eventsd_minions",
        sa.Column("minion_id", sa.String(255), nullable=False),
        sa.Column("first_seen", TIME, nullable=False),
        sa.Column("last_seen", TIME, nullable=False),
        sa.Column("last_jid", sa.String(64)),
        sa.Column("last_fun", sa.String(255)),
        sa.Column("master_id", sa.String(255), nullable=False),
        sa.PrimaryKeyConstraint("minion_id"),
        **TABLE_OPTIONS,
    )
    create_table(
        op,
        "eventsd_receipts",
        sa.Column("spool", sa.String(32), nullable=False),
        sa.Column("chunk", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("stamp", TIME, nullable=False),
        sa.PrimaryKeyConstraint("spool", "chunk"),
        **TABLE_OPTIONS,
    )
    create_table(
        op,
        "eventsd_returns",
        sa.Column("id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("jid", sa.String(64), nullable=False),
        sa.Column("minion_id", sa.String(255), nullable=False),
        sa.Column("fun", sa.String(255)),
        sa.Column("fun_args", JSON),
        sa.Column("retcode", sa.Integer()),
        sa.Column("success", sa.Boolean()),
        sa.Column("test", sa.Boolean()),
        sa.Column("return", JSON),
        sa.Column("duration_ms", sa.Double()),
        sa.Column("stamp", TIME, nullable=False),
        sa.Column("received", TIME, nullable=False),
        sa.Column("master_id", sa.String(255), nullable=False),
        sa.Column("load", JSON),
        sa.Column("digest", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("jid", "minion_id", "digest", name="eventsd_returns_once"),
        **TABLE_OPTIONS,
    )
    create_index(op, "eventsd_returns_by_minion", "eventsd_returns", ["minion_id", "stamp"])
    create_index(op, "eventsd_returns_by_stamp", "eventsd_returns", ["stamp"])
    create_table(
        op,
        "eventsd_states",
        sa.Column("jid", sa.String(64), nullable=False),
        sa.Column("minion_id", sa.String(255), nullable=False),
        sa.Column("run_num", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sls", TEXT),
        sa.Column("state_id", TEXT),
        sa.Column("state", sa.String(255)),
        sa.Column("name", TEXT),
        sa.Column("result", sa.Boolean()),
        sa.Column("changed", sa.Boolean(), nullable=False),
        sa.Column("duration_ms", sa.Double()),
        sa.Column("comment", TEXT),
        sa.Column("changes", JSON),
        sa.Column("stamp", TIME, nullable=False),
        sa.PrimaryKeyConstraint("jid", "minion_id", "run_num"),
        **TABLE_OPTIONS,
    )
    create_index(op, "eventsd_states_by_minion", "eventsd_states", ["minion_id", "stamp"])
    create_index(op, "eventsd_states_by_result", "eventsd_states", ["result", "stamp"])
    create_table(
        op,
        "eventsd_stats",
        sa.Column("master_id", sa.String(255), nullable=False),
        sa.Column("stamp", TIME, nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("master_id", "stamp", "name"),
        **TABLE_OPTIONS,
    )


def downgrade(op: Operations) -> None:
    """
    Drop the tables, and the history with them.

    :param op: alembic's, for the database.
    """
    for name in ("jobs", "returns", "states", "events", "minions", "stats", "receipts"):
        op.drop_table(f"eventsd_{name}")
