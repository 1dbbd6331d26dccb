"""
The tables. :mod:`salt_eventsd.database.migrations` brings a database to this state; a test holds the two together.

Names and columns are an outside interface: operators query them. Times are UTC with microseconds. Columns of JSON are
JSONB on PostgreSQL and text elsewhere, where the JSON functions take text as well.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql

metadata = sa.MetaData()

#: Where alembic notes the schema's version.
VERSION_TABLE = "eventsd_schema_version"

JID_LENGTH = 64
NAME_LENGTH = 255

# MySQL's JSON type is left aside: it refuses deep documents, and MariaDB's is text with such a check. SQLite would take
# a column declared JSON for one of numbers, and round those that are no 64-bit ones.
_JSON = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
_JSON = _JSON.with_variant(mysql.LONGTEXT(), "mysql", "mariadb").with_variant(sa.Text(), "sqlite")
_TEXT = sa.Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")
_TIME = sa.DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
# SQLite numbers rows by itself only where the key is INTEGER.
_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
# Windows has codes of 32 bits without a sign. SQLite's numbers have 64 bits in any case.
_CODE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_JID = sa.String(JID_LENGTH)
_NAME = sa.String(NAME_LENGTH)

# Minion ids and jids are told apart by case, as Salt does.
_MYSQL_OPTIONS = (
    ("charset", "utf8mb4"),
    ("collate", "utf8mb4_bin"),
    ("engine", "InnoDB"),
    # In others an index over a whole name is too long.
    ("row_format", "DYNAMIC"),
)
_OPTIONS: dict[str, Any] = {
    f"{backend}_{key}": value for backend in ("mysql", "mariadb") for key, value in _MYSQL_OPTIONS
}

jobs = sa.Table(
    "eventsd_jobs",
    metadata,
    sa.Column("jid", _JID, primary_key=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("fun", _NAME),
    sa.Column("arg", _JSON),
    sa.Column("tgt", _TEXT),
    sa.Column("tgt_type", sa.String(32)),
    sa.Column("user", _NAME),
    sa.Column("minions", _JSON),
    sa.Column("minion_count", sa.Integer),
    sa.Column("stamp", _TIME, nullable=False),
    sa.Column("master_id", _NAME, nullable=False),
    sa.Column("load", _JSON),
    # Where syndics have told of the job: whom it is for, by the names of the syndics up to each; "" is this master.
    sa.Column("syndics", _JSON),
    sa.Index("eventsd_jobs_by_stamp", "stamp"),
    sa.Index("eventsd_jobs_by_fun", "fun", "stamp"),
    **_OPTIONS,
)

returns = sa.Table(
    "eventsd_returns",
    metadata,
    sa.Column("id", _ID, primary_key=True, autoincrement=True),
    sa.Column("jid", _JID, nullable=False),
    sa.Column("minion_id", _NAME, nullable=False),
    sa.Column("fun", _NAME),
    sa.Column("fun_args", _JSON),
    sa.Column("retcode", _CODE),
    sa.Column("success", sa.Boolean),
    sa.Column("test", sa.Boolean),
    sa.Column("return", _JSON),
    sa.Column("duration_ms", sa.Double),
    sa.Column("stamp", _TIME, nullable=False),
    sa.Column("received", _TIME, nullable=False),
    sa.Column("master_id", _NAME, nullable=False),
    sa.Column("load", _JSON),
    sa.Column("digest", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("jid", "minion_id", "digest", name="eventsd_returns_once"),
    sa.Index("eventsd_returns_by_minion", "minion_id", "stamp"),
    sa.Index("eventsd_returns_by_stamp", "stamp"),
    **_OPTIONS,
)

states = sa.Table(
    "eventsd_states",
    metadata,
    sa.Column("jid", _JID, primary_key=True),
    sa.Column("minion_id", _NAME, primary_key=True),
    sa.Column("run_num", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("sls", _TEXT),
    sa.Column("state_id", _TEXT),
    sa.Column("state", _NAME),
    sa.Column("name", _TEXT),
    sa.Column("result", sa.Boolean),
    sa.Column("changed", sa.Boolean, nullable=False),
    sa.Column("duration_ms", sa.Double),
    sa.Column("comment", _TEXT),
    sa.Column("changes", _JSON),
    sa.Column("stamp", _TIME, nullable=False),
    # Null in rows that a release before 1.0 has written.
    sa.Column("test", sa.Boolean),
    sa.Column("fun", _NAME),
    sa.Index("eventsd_states_by_minion", "minion_id", "stamp"),
    sa.Index("eventsd_states_by_result", "result", "stamp"),
    **_OPTIONS,
)

events = sa.Table(
    "eventsd_events",
    metadata,
    sa.Column("id", _ID, primary_key=True, autoincrement=True),
    sa.Column("tag", _TEXT, nullable=False),
    sa.Column("data", _JSON),
    sa.Column("stamp", _TIME, nullable=False),
    sa.Column("received", _TIME, nullable=False),
    sa.Column("master_id", _NAME, nullable=False),
    sa.Column("digest", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("stamp", "digest", name="eventsd_events_once"),
    **_OPTIONS,
)

minions = sa.Table(
    "eventsd_minions",
    metadata,
    sa.Column("minion_id", _NAME, primary_key=True),
    sa.Column("first_seen", _TIME, nullable=False),
    sa.Column("last_seen", _TIME, nullable=False),
    sa.Column("last_jid", _JID),
    sa.Column("last_fun", _NAME),
    sa.Column("master_id", _NAME, nullable=False),
    **_OPTIONS,
)

stats = sa.Table(
    "eventsd_stats",
    metadata,
    sa.Column("master_id", _NAME, primary_key=True),
    sa.Column("stamp", _TIME, primary_key=True),
    sa.Column("name", _NAME, primary_key=True),
    sa.Column("value", sa.Double, nullable=False),
    **_OPTIONS,
)

# ``spool`` is the id of the life the chunk was put in; ``first_chunk`` makes it the receipt of all chunks of the lane
# from that one on; ``oldest`` is when its oldest event was read, in microseconds since 1970; ``refused`` is which of
# its events were set aside and why. ``lane`` and the two after it are NULL in receipts of the first version.
receipts = sa.Table(
    "eventsd_receipts",
    metadata,
    sa.Column("spool", sa.String(32), primary_key=True),
    sa.Column("chunk", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("stamp", _TIME, nullable=False),
    sa.Column("lane", _NAME),
    sa.Column("first_chunk", sa.BigInteger),
    sa.Column("oldest", sa.BigInteger),
    sa.Column("refused", _TEXT),
    **_OPTIONS,
)

#: What makes a row the row of one event, where that is not the primary key.
_KEYS = {"eventsd_returns": ("jid", "minion_id", "digest"), "eventsd_events": ("stamp", "digest")}


def key_of(table: sa.Table) -> tuple[str, ...]:
    """
    Return the columns that tell a row from a copy of it.

    :param table: one of ours.
    """
    return _KEYS.get(table.name) or tuple(column.name for column in table.primary_key)
