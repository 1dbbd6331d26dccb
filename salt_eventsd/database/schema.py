"""
The tables. :mod:`salt_eventsd.database.migrations` brings a database to this state; a test holds the two together.

Names and columns are an outside interface: operators query them.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from salt_eventsd.database.column_types import CODE, JSON, ROW_ID, TABLE_OPTIONS, TEXT, TIME
from salt_eventsd.database.dialects.beginning import Beginning

metadata = sa.MetaData()

#: Where alembic notes the schema's version.
VERSION_TABLE = "eventsd_schema_version"

JID_LENGTH = 64
NAME_LENGTH = 255

_JID = sa.String(JID_LENGTH)
_NAME = sa.String(NAME_LENGTH)

#: The functions that apply the states a minion is to have; ``state.single`` and the like apply what somebody typed.
STATE_RUNS = ("state.apply", "state.highstate", "state.sls")
#: What salt-ssh runs in place of them, and says that it has run. The counts of its row tell that it was such a run.
RUN_BY_SSH = "state.pkg"
#: The state of an orchestration that applies states on minions, which tell of them themselves.
RUNS_STATES = "salt.state"
#: Which returns tell how a minion is: runs of states that were no test. An index has these rows, and a question finds
#: it only if it is spelled like this. ``states`` is NULL in what a release before 1.0 has written.
IS_RUN = f"(fun IN ({', '.join(repr(fun) for fun in STATE_RUNS)}) OR states IS NOT NULL) AND (test IS NULL OR NOT test)"
#: A state that took so long is marked, in milliseconds; and so is the longest of each run, however short it was. Rows
#: of releases that know no marks are in the index of what is marked for the time they took.
SLOW_MS = 1000
IS_MARKED = f"(slow_ms IS NOT NULL OR duration_ms >= {SLOW_MS})"
#: The index over them, which is made when all rows have their marks: over some rows only, or over all.
MARK_INDEXES = {True: "eventsd_states_marked", False: "eventsd_states_marks"}
#: Of returns, runs of states say how long they took, and hardly another.
HAS_TAKEN = "duration_ms IS NOT NULL"


def only(postgresql: str, sqlite: str | None = None) -> dict[str, Any]:
    """
    Return the options of an index over some rows only, which costs the others nothing; MariaDB has all rows in it.

    :param postgresql: which rows, in its words.
    :param sqlite: likewise, where it has other words.
    """
    return {"postgresql_where": sa.text(postgresql), "sqlite_where": sa.text(sqlite or postgresql)}


#: An index that costs more than it is worth where it has to have all rows, or that another one stands for there.
_PARTIAL = {"partial": True}
#: An index for databases that have none over some rows only.
_WHOLE = {"partial": False}
#: Old rows get their marks before.
_MARKS = {"marks": True}
#: Of a text that is longer than this, an index has the beginning.
_BEGINNINGS = {"name": 64, "state_id": 64}
_CHANGED = only("changed", "changed = 1")
#: The same rows. SQLite finds an index only by the same spelling, and so takes this one where a name is known.
_NAMED = only("changed", "+changed = 1")
#: What failed, for whoever asks about a name or a job: spelled as questions do that want no other index of such rows.
_FAILED_OF_ONE = only("COALESCE(success, true) = false", "+success = 0")


jobs = sa.Table(
    "eventsd_jobs",
    metadata,
    sa.Column("jid", _JID, primary_key=True),
    # "" for nearly all. Where two masters give one jid to two jobs, the second is told apart by the id of its master.
    sa.Column("apart", _NAME, primary_key=True, server_default=sa.text("''")),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("fun", _NAME),
    sa.Column("arg", JSON),
    sa.Column("tgt", TEXT),
    sa.Column("tgt_type", sa.String(32)),
    sa.Column("user", _NAME),
    sa.Column("minions", JSON),
    sa.Column("minion_count", sa.Integer),
    sa.Column("stamp", TIME, nullable=False),
    sa.Column("master_id", _NAME, nullable=False),
    sa.Column("load", JSON),
    # If syndics told of the job: its minions, by the path of syndics that named them; "" is this master.
    sa.Column("syndics", JSON),
    sa.Index("eventsd_jobs_by_stamp", "stamp"),
    sa.Index("eventsd_jobs_by_fun", "fun", "stamp"),
    sa.Index("eventsd_jobs_by_user", "user", "stamp"),
    # Of these there are few.
    sa.Index("eventsd_jobs_apart", "jid", info=_PARTIAL, **only("apart <> ''")),
    sa.Index("eventsd_jobs_by_kind", "kind", "stamp", info=_PARTIAL, **only("kind <> 'job'")),
    sa.Index("eventsd_jobs_for_nobody", "stamp", info=_PARTIAL, **only("minion_count = 0")),
    **TABLE_OPTIONS,
)

returns = sa.Table(
    "eventsd_returns",
    metadata,
    sa.Column("id", ROW_ID, primary_key=True, autoincrement=True),
    sa.Column("jid", _JID, nullable=False),
    sa.Column("minion_id", _NAME, nullable=False),
    sa.Column("fun", _NAME),
    sa.Column("fun_args", JSON),
    sa.Column("retcode", CODE),
    sa.Column("success", sa.Boolean),
    sa.Column("test", sa.Boolean),
    sa.Column("return", JSON),
    sa.Column("duration_ms", sa.Double),
    sa.Column("stamp", TIME, nullable=False),
    sa.Column("received", TIME, nullable=False),
    sa.Column("master_id", _NAME, nullable=False),
    sa.Column("load", JSON),
    sa.Column("digest", sa.BigInteger, nullable=False),
    # Of a run of states that was no test: how many states there were, changed something, and failed. Else NULL, and in
    # what a release before 1.0 has written.
    sa.Column("states", sa.Integer),
    sa.Column("states_changed", sa.Integer),
    sa.Column("states_failed", sa.Integer),
    sa.UniqueConstraint("jid", "minion_id", "digest", name="eventsd_returns_once"),
    # Of a function on a minion, only the rows that are asked for are read.
    sa.Index("eventsd_returns_of_minion_fun", "minion_id", "stamp", "fun", info=_PARTIAL),
    # With all that tells a job, a run of states or a failure, so that only those are read.
    sa.Index(
        "eventsd_returns_jobs_of_minion",
        *("minion_id", "stamp", "id", "jid", "fun", "states", "test", "success"),
        info=_WHOLE,
    ),
    sa.Index("eventsd_returns_by_stamp", "stamp"),
    sa.Index("eventsd_returns_by_fun", "fun", "stamp"),
    sa.Index("eventsd_returns_failed", "success", "stamp", **only("NOT success", "success = 0")),
    sa.Index("eventsd_returns_failed_of_fun", "fun", "stamp", info=_PARTIAL, **_FAILED_OF_ONE),
    sa.Index("eventsd_returns_failed_of_job", "jid", "minion_id", "stamp", info=_PARTIAL, **_FAILED_OF_ONE),
    sa.Index("eventsd_returns_failed_of_minion", "minion_id", "stamp", info=_PARTIAL, **_FAILED_OF_ONE),
    sa.Index("eventsd_returns_of_runs", "minion_id", "stamp", info=_PARTIAL, **only(IS_RUN)),
    sa.Index("eventsd_returns_took", "duration_ms", "stamp", info=_PARTIAL, **only(HAS_TAKEN)),
    sa.Index("eventsd_returns_slow", "duration_ms", "stamp", info=_WHOLE),
    **TABLE_OPTIONS,
)

states = sa.Table(
    "eventsd_states",
    metadata,
    sa.Column("jid", _JID, primary_key=True),
    sa.Column("minion_id", _NAME, primary_key=True),
    sa.Column("run_num", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("sls", TEXT),
    sa.Column("state_id", TEXT),
    sa.Column("state", _NAME),
    sa.Column("name", TEXT),
    sa.Column("result", sa.Boolean),
    sa.Column("changed", sa.Boolean, nullable=False),
    sa.Column("duration_ms", sa.Double),
    sa.Column("comment", TEXT),
    sa.Column("changes", JSON),
    sa.Column("stamp", TIME, nullable=False),
    # NULL in rows that a release before 1.0 has written.
    sa.Column("test", sa.Boolean),
    sa.Column("fun", _NAME),
    # How long a state took that is marked: see SLOW_MS.
    sa.Column("slow_ms", sa.Double),
    sa.Index("eventsd_states_by_minion", "minion_id", "stamp"),
    sa.Index("eventsd_states_by_result", "result", "stamp"),
    sa.Index("eventsd_states_changed", "changed", "stamp", info=_PARTIAL, **_CHANGED),
    # With all that a question about changes asks, so that of few texts more is read than the index has of them.
    sa.Index(
        "eventsd_states_changed_told",
        *("changed", "stamp", "test", "state", "name", "state_id"),
        info=_WHOLE,
        mysql_length=_BEGINNINGS,
        mariadb_length=_BEGINNINGS,
    ),
    sa.Index("eventsd_states_changed_id", Beginning(sa.column("state_id")), "stamp", info=_PARTIAL, **_NAMED),
    sa.Index("eventsd_states_changed_name", Beginning(sa.column("name")), "stamp", info=_PARTIAL, **_NAMED),
    sa.Index("eventsd_states_changed_of_minion", "minion_id", "stamp", info=_PARTIAL, **_NAMED),
    sa.Index("eventsd_states_changed_state", "state", "stamp", info=_PARTIAL, **_NAMED),
    sa.Index(MARK_INDEXES[True], "duration_ms", "stamp", info=_PARTIAL | _MARKS, **only(IS_MARKED)),
    # Rows without a mark come next to each other, and so cost it little.
    sa.Index(MARK_INDEXES[False], "slow_ms", "stamp", info=_WHOLE | _MARKS),
    **TABLE_OPTIONS,
)

events = sa.Table(
    "eventsd_events",
    metadata,
    sa.Column("id", ROW_ID, primary_key=True, autoincrement=True),
    sa.Column("tag", TEXT, nullable=False),
    sa.Column("data", JSON),
    sa.Column("stamp", TIME, nullable=False),
    sa.Column("received", TIME, nullable=False),
    sa.Column("master_id", _NAME, nullable=False),
    sa.Column("digest", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("stamp", "digest", name="eventsd_events_once"),
    **TABLE_OPTIONS,
)

minions = sa.Table(
    "eventsd_minions",
    metadata,
    sa.Column("minion_id", _NAME, primary_key=True),
    sa.Column("first_seen", TIME, nullable=False),
    sa.Column("last_seen", TIME, nullable=False),
    sa.Column("last_jid", _JID),
    sa.Column("last_fun", _NAME),
    sa.Column("master_id", _NAME, nullable=False),
    **TABLE_OPTIONS,
)

stats = sa.Table(
    "eventsd_stats",
    metadata,
    sa.Column("master_id", _NAME, primary_key=True),
    sa.Column("stamp", TIME, primary_key=True),
    sa.Column("name", _NAME, primary_key=True),
    sa.Column("value", sa.Double, nullable=False),
    **TABLE_OPTIONS,
)

# ``spool`` is the id of the life the chunk was put in. A receipt is that of all chunks of its lane from ``first_chunk``
# on. ``oldest`` is when the oldest event was read, in microseconds since 1970. ``refused`` says which events were set
# aside, and why. ``lane`` and the columns after it are NULL in receipts of the first version.
receipts = sa.Table(
    "eventsd_receipts",
    metadata,
    sa.Column("spool", sa.String(32), primary_key=True),
    sa.Column("chunk", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("stamp", TIME, nullable=False),
    sa.Column("lane", _NAME),
    sa.Column("first_chunk", sa.BigInteger),
    sa.Column("oldest", sa.BigInteger),
    sa.Column("refused", TEXT),
    **TABLE_OPTIONS,
)

# Whose turn it is to do what only one may do at a time. ``until`` and ``done`` are seconds since 1970 by the database's
# clock; ``until`` is 0 where it is nobody's turn. ``done`` is when it was done to the end.
locks = sa.Table(
    "eventsd_locks",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("holder", _NAME, nullable=False),
    sa.Column("until", sa.BigInteger, nullable=False),
    sa.Column("done", sa.BigInteger),
    **TABLE_OPTIONS,
)

#: The columns that tell the row of one event from others, where that is not the primary key.
_KEYS = {"eventsd_returns": ("jid", "minion_id", "digest"), "eventsd_events": ("stamp", "digest")}


def key_of(table: sa.Table) -> tuple[str, ...]:
    """
    Return the columns that tell a row from a copy of it.

    :param table: one of ours.
    """
    return _KEYS.get(table.name) or tuple(column.name for column in table.primary_key)


def indexes(*, partial: bool) -> list[tuple[str, sa.Index]]:
    """
    Return the indexes that a database has, besides those of keys, each after the name of its table.

    :param partial: whether it has indexes over some rows only.
    """
    return [
        (table.name, index)
        for table in metadata.sorted_tables
        for index in sorted(table.indexes, key=lambda one: str(one.name))
        if index.info.get("partial", partial) == partial
    ]
