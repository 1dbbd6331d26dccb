"""
Say whether something in partitions is to be kept, while everybody who writes waits for the answer.

Each question reads one partition by an index that ends in the time, and so what is young and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from salt_eventsd.database import schema
from salt_eventsd.database.dialects import dialect_of
from salt_eventsd.database.dialects.base.partitions import Range
from salt_eventsd.database.retention.aged_jobs import RETURNS, STATES
from salt_eventsd.database.retention.keep import Limits

_EVENTS = schema.events


def is_kept(connection: Connection, parts: Sequence[tuple[sa.Table, Range]], limits: Limits) -> bool:
    """
    Say whether some row is to be kept, of returns, states and events.

    :param connection: to the database.
    :param parts: the partitions, each with its table.
    :param limits: since when rows are too old.
    """
    partitions = dialect_of(connection).partitions
    for table, one in parts:
        rows = sa.select(sa.literal(1)).select_from(sa.text(partitions.source(table, one))).limit(1)
        if any(connection.scalar(rows.where(condition)) for condition in _young(table, limits)):
            return True
    return False


def _young(table: sa.Table, limits: Limits) -> Iterator[sa.ColumnElement[bool]]:
    if table is RETURNS:
        success = _column(RETURNS.c.success)
        yield sa.and_(success == sa.false(), _since(RETURNS, limits.failed))
        yield sa.and_(_since(RETURNS, limits.returns), sa.or_(success.is_(None), success == sa.true()))
    elif table is STATES:
        result = _column(STATES.c.result)
        for condition in (result == sa.true(), result == sa.false(), result.is_(None)):
            yield sa.and_(condition, _since(STATES, limits.states))
    else:
        yield _since(_EVENTS, limits.events)


def _since(table: sa.Table, limit: datetime | None) -> sa.ColumnElement[bool]:
    return sa.true() if limit is None else _column(table.c.stamp) >= limit


def _column(column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    # Of no table, since a partition stands after FROM.
    return sa.literal_column(column.name, column.type)
