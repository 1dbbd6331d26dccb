"""
The frames that a history has of a time, table after table, the oldest first.

An event that several rules have taken may stand in several tables. It was on the bus once, so it comes once: as the
row of the job or the return that it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from salt_eventsd.common.grouping import grouped
from salt_eventsd.database import schema
from salt_eventsd.database.dialects.base.conditions import among
from salt_eventsd.database.retention.pace import Pace
from salt_eventsd.database.transfer.frames import Recorded, recorded
from salt_eventsd.database.transfer.pages import AT_ONCE, Found, fetch
from salt_eventsd.database.transfer.slices import Placed, Slice, Span, page, slices
from salt_eventsd.database.transfer.tries import Tries
from salt_eventsd.event.parse import function_of, identity

_TABLES = {"jobs": schema.jobs, "returns": schema.returns, "events": schema.events}
#: In this order they are read.
TABLES = tuple(_TABLES)
#: A page of keys has so many rows.
_PAGE_ROWS = 1000


class Piece(NamedTuple):
    """
    All that a part of the line has.

    :param span: the part.
    :param rows: how many rows are in it.
    :param frames: what was on the bus of it.
    """

    span: Span
    rows: int
    frames: list[Recorded]


class History:
    """
    A history, read for a replay.

    :param engine: one that reads it.
    :param pace: waits before something is tried again.
    """

    def __init__(self, engine: Engine, pace: Pace) -> None:
        self._database = Tries(engine, pace)

    def require_tables(self) -> None:
        """
        Look whether the tables are there.

        :raises WorkerError: they are not, or the database is away.
        """
        self._database.require_tables("to replay")

    def pieces(self, table: str, span: Span) -> Iterator[Piece]:
        """
        Yield what is in a part of the line.

        :param table: one of :data:`TABLES`.
        :param span: the part.
        :raises WorkerError: the database is away.
        """

        def pages(start: datetime | None, end: datetime, digest: int | None) -> list[Placed]:
            return self._database.ask(page, _TABLES[table], start, end, digest, _PAGE_ROWS)

        for one in slices(pages, span, _PAGE_ROWS):
            yield Piece(one.span, len(one.keys), self._frames(table, one))

    def _frames(self, table: str, one: Slice) -> list[Recorded]:
        found: list[Found] = []
        for some in grouped(one.keys, lambda _: 1, AT_ONCE):
            found += self._database.ask(fetch, _TABLES[table], some)
        found.sort(key=lambda each: (each.row["stamp"], each.row.get("id") or 0))
        if table == "events":
            found = self._database.ask(_once, found)
        return [frame for each in found if (frame := recorded(table, each.row))]


def _once(connection: Connection, found: Sequence[Found]) -> list[Found]:
    """Return the rows of events that are no row of another table as well."""
    told = []
    for each in found:
        jid, minion_id, _, phase = identity(None, each.row["tag"])
        told.append((each, jid, minion_id or each.row["master_id"], phase))
    starts = [jid for _, jid, _, phase in told if phase == "new"]
    returns = [(jid, minion_id) for _, jid, minion_id, phase in told if phase == "ret"]
    known: set[tuple[str, ...]] = set()
    for some in grouped(starts, lambda _: 1, AT_ONCE):
        query = sa.select(schema.jobs.c.jid, schema.jobs.c.fun).where(schema.jobs.c.jid.in_(some))
        known.update(("new", jid, fun or "") for jid, fun in connection.execute(query))
    for pairs in grouped(returns, lambda _: 1, AT_ONCE):
        own = schema.returns.c
        query = sa.select(own.jid, own.minion_id).where(among((own.jid, own.minion_id), pairs)).distinct()
        known.update(("ret", jid, minion_id) for jid, minion_id in connection.execute(query))
    return [each for each, jid, minion_id, phase in told if _key(each, jid, minion_id, phase) not in known]


def _key(each: Found, jid: str, minion_id: str, phase: str) -> tuple[str, ...]:
    # Two masters may give one id to two jobs; the later one of them stands here alone.
    return (phase, jid, _function(each)) if phase == "new" else (phase, jid, minion_id)


def _function(each: Found) -> str:
    frame = recorded("events", each.row)
    return function_of(frame.data) if frame else ""
