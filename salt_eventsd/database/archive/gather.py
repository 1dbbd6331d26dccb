"""
Read what is old from the tables, as lines: jobs as a whole, and rows that belong to none.

Of each row the size is asked first, so that no more rows are fetched at once than fit into memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from salt_eventsd.common.grouping import grouped
from salt_eventsd.database import schema
from salt_eventsd.database.archive.lines import TABLES, columns, line_of
from salt_eventsd.database.dialects.base.conditions import among
from salt_eventsd.database.retention import aged_jobs, aged_rows
from salt_eventsd.database.retention.aged_jobs import JOBS, RETURNS, STATES, AgedJob, Counts, Piece
from salt_eventsd.database.retention.keep import Limits
from salt_eventsd.database.retention.steps import Steps
from salt_eventsd.database.retention.walk import Walk

#: So much is fetched at once, in bytes; one row may have more.
_MOST_BYTES = 8 * 2**20
_MOST_ROWS = 200
_MINIONS = schema.minions
#: The rows of a table in the order in which they came, or in that of their key.
_ORDER = {
    "jobs": (JOBS.c.jid,),
    "returns": (RETURNS.c.id,),
    "states": (STATES.c.jid, STATES.c.minion_id, STATES.c.run_num),
    "events": (schema.events.c.id,),
    "minions": (_MINIONS.c.minion_id,),
}


def all_before(before: datetime) -> Limits:
    """
    Return the limits by which all is old that came before a time. Numbers of the engine are no history.

    :param before: the time, in UTC.
    """
    return Limits(returns=before, failed=before, states=before, jobs=before, events=before, stats=None)


def gather(steps: Steps, before: datetime) -> Iterator[tuple[str, bytes]]:
    """
    Yield all rows that are old, each as the name of its table and a line: of a job its states, then its returns, then
    itself. All minions that are known come last.

    :param steps: takes the steps in the database.
    :param before: what is older is old.
    """
    walk = Walk(steps, all_before(before), deletes=False)
    for part, page in walk.rows():
        yield from _rows(steps, part.name, part.condition & page.within(part.table))
    for found in walk.jobs():
        for piece in steps.ask(_pieces, found, steps.pace.looks):
            yield from _piece(steps, piece)
    yield from _minions(steps)


def count(steps: Steps, before: datetime) -> Counter[str]:
    """
    Count what :func:`gather` would yield, by table.

    :param steps: takes the steps in the database.
    :param before: what is older is old.
    """
    counts: Counter[str] = Counter()
    walk = Walk(steps, all_before(before), deletes=False)
    for part, page in walk.rows():
        counts.update(_by_table(steps.ask(aged_rows.count, part, page)))
    for found in walk.jobs():
        for job in found:
            counts.update(_by_table(job.counts))
    counts["minions"] = steps.ask(_all, sa.select(sa.func.count()).select_from(_MINIONS))[0][0]
    return +counts


def _by_table(counts: Counts) -> Counter[str]:
    found: Counter[str] = Counter()
    for (name, _), rows in counts.items():
        found[name] += rows
    return found


def _minions(steps: Steps) -> Iterator[tuple[str, bytes]]:
    last = ""
    query = sa.select(_MINIONS.c.minion_id).order_by(_MINIONS.c.minion_id).limit(_MOST_ROWS)
    while names := [str(row[0]) for row in steps.ask(_all, query.where(_MINIONS.c.minion_id > last))]:
        last = names[-1]
        yield from _rows(steps, "minions", _MINIONS.c.minion_id.in_(names))


def _pieces(connection: Connection, found: Sequence[AgedJob], rows: int) -> list[Piece]:
    return list(aged_jobs.pieces(connection, found, rows))


def _piece(steps: Steps, piece: Piece) -> Iterator[tuple[str, bytes]]:
    if not piece.is_rest:
        for name in ("states", "returns"):
            table = TABLES[name]
            condition: sa.ColumnElement[bool] = table.c.jid.in_(piece.jids)
            if piece.minions is not None:
                condition &= table.c.minion_id.in_(piece.minions)
            yield from _rows(steps, name, condition)
    if piece.minions is None:
        yield from _rows(steps, "jobs", JOBS.c.jid.in_(piece.jids))


def _rows(steps: Steps, name: str, condition: sa.ColumnElement[bool]) -> Iterator[tuple[str, bytes]]:
    table, order = TABLES[name], _ORDER[name]
    sizes = steps.ask(_all, sa.select(*order, _bytes(table)).where(condition).order_by(*order))
    for some in grouped(sizes, lambda row: row[-1], _MOST_BYTES, _MOST_ROWS):
        keys: list[tuple[Any, ...]] = [tuple(row)[:-1] for row in some]
        for line in steps.ask(lines_of, name, keys):
            yield name, line


def lines_of(connection: Connection, name: str, keys: Sequence[tuple[Any, ...]], *, locks: bool = False) -> list[bytes]:
    """
    Return some rows as lines.

    :param connection: to the database.
    :param name: of their table.
    :param keys: which rows, by the columns that order the table.
    :param locks: nobody may change them before the transaction ends.
    """
    order = _ORDER[name]
    query = sa.select(*columns(TABLES[name])).where(which(name, keys)).order_by(*order)
    if locks:
        query = query.with_for_update()
    return [line_of(name, dict(row._mapping)) for row in connection.execute(query)]


def which(name: str, keys: Sequence[tuple[Any, ...]]) -> sa.ColumnElement[bool]:
    """
    Return the condition of some rows.

    :param name: of their table.
    :param keys: which rows, by the columns that order the table.
    """
    return among(_ORDER[name], keys)


def place_of(name: str) -> tuple[str, ...]:
    """
    Return the columns that order a table, by which :func:`which` knows its rows.

    :param name: of the table.
    """
    return tuple(column.name for column in _ORDER[name])


def _bytes(table: sa.Table) -> sa.ColumnElement[int]:
    """Return the size of what is large in a row."""
    total: sa.ColumnElement[int] = sa.literal_column("0", sa.Integer())
    for column in table.c:
        if isinstance(column.type, (sa.JSON, sa.Text)):
            total = total + sa.func.coalesce(sa.func.length(sa.cast(column, sa.Text)), 0)
    return total


def _all(connection: Connection, query: sa.Select[Any]) -> Sequence[sa.Row[Any]]:
    return connection.execute(query).all()
