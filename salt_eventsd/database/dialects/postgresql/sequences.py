"""
Sequences that are behind their tables, as after a dump was restored: the ids they give are taken already.
"""

from __future__ import annotations

import re

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from salt_eventsd.database.dialects.base.faults import original_of, state_of
from salt_eventsd.exceptions import Held

_UNIQUE_VIOLATION = "23505"
#: The table of ours whose primary key is the id that a constraint is about.
_TABLE_OF_ID = sa.text(
    "SELECT c.relname FROM pg_catalog.pg_index i"
    " JOIN pg_catalog.pg_class k ON k.oid = i.indexrelid AND k.relname = :constraint"
    " JOIN pg_catalog.pg_class c ON c.oid = i.indrelid AND pg_catalog.pg_table_is_visible(c.oid)"
    " JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname = 'id'"
    " WHERE i.indisprimary AND i.indnatts = 1 AND i.indkey[0] = a.attnum"
    " AND c.relname IN ('eventsd_returns', 'eventsd_events')"
)
#: The sequence of an id; a dump may have parted the two, but for the default.
_SEQUENCE = sa.text(
    "SELECT coalesce(pg_catalog.pg_get_serial_sequence(:table, 'id'),"
    " (SELECT pg_catalog.pg_get_expr(d.adbin, d.adrelid) FROM pg_catalog.pg_attrdef d"
    " JOIN pg_catalog.pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum AND a.attname = 'id'"
    " WHERE d.adrelid = CAST(:table AS regclass)))"
)
_IN_DEFAULT = re.compile(r"nextval\('((?:[^']|'')+)'::regclass\)")
#: What other sessions have drawn since, and not committed, is not in the table.
_CAUGHT_UP = {
    table: sa.text(
        "SELECT pg_catalog.setval(CAST(:sequence AS regclass), greatest(max(id), coalesce((SELECT last_value"
        " FROM pg_catalog.pg_sequences WHERE CAST(format('%I.%I', schemaname, sequencename) AS regclass)"
        f" = CAST(:sequence AS regclass)), 1))) FROM {table}"
    )
    for table in ("eventsd_returns", "eventsd_events")
}
#: The sequence takes part in no transaction, so only one that is behind is set.
_PASSED = sa.text(
    "SELECT pg_catalog.setval(CAST(:sequence AS regclass), :last) FROM pg_catalog.pg_sequences"
    " WHERE CAST(format('%I.%I', schemaname, sequencename) AS regclass) = CAST(:sequence AS regclass)"
    " AND coalesce(last_value, 0) < :last"
)


def catch_up(connection: Connection, error: BaseException) -> str:
    """
    Set the sequence of a table of ours behind the largest id, if an insert failed for that.

    :param connection: in a transaction, behind the savepoint that was rolled back to.
    :param error: what was raised.
    :returns: what was done, "" for nothing.
    :raises Held: the user may not do that.
    """
    original = original_of(error)
    if state_of(original) != _UNIQUE_VIOLATION:
        return ""
    constraint = getattr(getattr(original, "diag", None), "constraint_name", None)
    table = connection.execute(_TABLE_OF_ID, {"constraint": constraint}).scalar()
    if table is None:
        return ""
    behind = f"{table}: the sequence that its id is drawn from is behind the rows of the table"
    last = _set(connection, table, _CAUGHT_UP[table], behind)
    return f"{behind}; it was set to {last}"


def pass_id(connection: Connection, table: str, last: int) -> None:
    """
    Set the sequence of a table of ours behind an id, unless it is there already.

    :param connection: in a transaction.
    :param table: its name.
    :param last: the id.
    :raises Held: the user may not do that.
    """
    _set(connection, table, _PASSED, f"{table}: the sequence that its id is drawn from has to pass {last}", last=last)


def _set(connection: Connection, table: str, statement: sa.TextClause, why: str, **values: int) -> int | None:
    source = connection.execute(_SEQUENCE, {"table": table}).scalar()
    sequence = _IN_DEFAULT.sub(r"\1", source) if source else None
    if not sequence:
        raise Held(f"{why}, and is not known; expected id to have a sequence or an identity of its own")
    try:
        with connection.begin_nested():
            found: int | None = connection.execute(statement, {"sequence": sequence, **values}).scalar()
    except sa.exc.DBAPIError as exc:
        raise Held(f"{why}, and cannot be set: {str(exc.orig).splitlines()[0]}") from exc
    return found
