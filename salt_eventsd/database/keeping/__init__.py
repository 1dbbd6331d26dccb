"""
See to it that rows get into the built-in tables, by what the database counts and not by what was sent.

A row that was not inserted may be there already, as the row of the same event. Or something else has kept it out: a
trigger that returns nothing, a rule, in MySQL any unique key at all. Where the database counts fewer rows than were
sent, a keeper looks for each row, and raises if one is missing.

========== ====================================================================================
``plain``  rows of which a copy with the same key says nothing new
``states`` results of states, of which two runs in one job have the same numbers
``jobs``   jobs, which several tell of, and of which two may have one id
========== ====================================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from salt_eventsd.database import schema
from salt_eventsd.database.dialects import Dialect, Row, Upsert
from salt_eventsd.database.keeping.jobs import Jobs
from salt_eventsd.database.keeping.plain import Plain
from salt_eventsd.database.keeping.states import States

__all__ = ["Keeper", "Plain", "keeper"]

#: Sees to it that rows are in their table, or raises.
Keeper = Callable[[Connection, Sequence[Row]], None]
_LATEST_MINION = Upsert(("minion_id",), "last_seen", ("last_jid", "last_fun", "master_id"))


def keeper(dialect: Dialect, connection: Connection, table: sa.Table) -> Keeper:
    """
    Return what keeps the rows of a table.

    :param dialect: of the database.
    :param connection: to it, to ask what it can do.
    :param table: one of ours.
    """
    columns = [column.name for column in table.columns if column.autoincrement is not True]
    if table is schema.minions:
        insert = dialect.inserts.upserter(connection, table, columns, _LATEST_MINION)
        return Plain(dialect, table, insert, dialect.inserts.counts_upserts)
    insert = dialect.inserts.inserter(connection, table, columns, schema.key_of(table))
    kind = Jobs if table is schema.jobs else States if table is schema.states else Plain
    return kind(dialect, table, insert, dialect.inserts.counts(connection))
