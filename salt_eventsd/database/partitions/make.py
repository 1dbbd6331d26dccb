"""Turn tables into tables of partitions, and make partitions ahead of time."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime, timezone
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from salt_eventsd.database import migrate, schema
from salt_eventsd.database.deadlines import PATIENCE
from salt_eventsd.database.dialects import Dialect, dialect_of
from salt_eventsd.database.dialects.base.partitions import Occupied, Range, bound
from salt_eventsd.database.partitions import ranges
from salt_eventsd.database.partitions.tries import tries
from salt_eventsd.database.rows.digest import NO_JID
from salt_eventsd.exceptions import Held
from salt_eventsd.redact.error_text import one_line

log = logging.getLogger(__name__)

#: The tables, each with the column that decides.
COLUMNS: Mapping[sa.Table, sa.Column[Any]] = {
    schema.returns: schema.returns.c.jid,
    schema.states: schema.states.c.jid,
    schema.events: schema.events.c.stamp,
}
#: So many rows in no partition are counted.
MOST_OUTSIDE = 10_000
#: So long it is tried to add partitions to a table that others have, in seconds.
_AHEAD_SECONDS = 5.0
#: How long a large table may take, in seconds.
_CONVERT_SECONDS = 24 * 3600.0


def found(connection: Connection, dialect: Dialect) -> dict[sa.Table, list[Range]]:
    """
    Return the tables that have partitions, with their ranges.

    :param connection: to the database.
    :param dialect: of it.
    """
    if not dialect.partitions.known:
        return {}
    told = {table: dialect.partitions.ranges(connection, table) for table in COLUMNS}
    return {table: parts for table, parts in told.items() if parts is not None}


def ensure(connection: Connection, dialect: Dialect, every: str) -> None:
    """
    See to it that tables without rows have partitions, and that there are enough of them ahead.

    :param connection: with no transaction begun.
    :param dialect: of the database.
    :param every: ``month``, ``day``, or ``none``, which makes only those that are missing ahead of others.
    :raises WorkerError: the user may not do so.
    """
    if not dialect.partitions.known:
        return
    with connection.begin():
        told = found(connection, dialect)
        today = _today()
        empty = [table for table in COLUMNS if every != "none" and table not in told and _is_empty(connection, table)]
        missing = {table: _missing(every, parts, today) for table, parts in told.items()}
    for table in empty:
        _convert(connection, dialect, table, every, only_empty=True)
    for table in [table for table, parts in missing.items() if parts]:
        _add(connection, dialect, table, every, today)


def _add(connection: Connection, dialect: Dialect, table: sa.Table, every: str, today: date) -> None:
    for patience in tries(_AHEAD_SECONDS):
        try:
            with _locked(connection, dialect):
                # Another master may have done it while we waited for the lock.
                if parts := _missing(every, dialect.partitions.ranges(connection, table) or [], today):
                    dialect.partitions.add(connection, table, COLUMNS[table], parts, patience)
        except Occupied:
            continue
        return
    raise Occupied(f"somebody else has {table.name}, and did not leave it within {_AHEAD_SECONDS:g} s")


def ensure_or_say(connection: Connection, dialect: Dialect, every: str) -> None:
    """
    Do as :func:`ensure` does; where that cannot be done, the log says so, and rows go where there is a place for them.

    :param connection: with no transaction begun.
    :param dialect: of the database.
    :param every: ``month``, ``day`` or ``none``.
    """
    try:
        ensure(connection, dialect, every)
    except Exception as exc:
        if connection.invalidated:
            raise
        connection.rollback()
        log.warning("eventsd: partitions were not made, and rows go into others meanwhile: %s", one_line(exc))


def partition(engine: Engine, every: str) -> dict[str, list[str]]:
    """
    Turn all tables that have no partitions yet into tables of partitions.

    :param engine: of the database.
    :param every: ``month`` or ``day``.
    :returns: the names of the partitions by that of their table, of the tables that had none.
    :raises WorkerError: it cannot be done; what was done before stays, and the next try goes on with the rest.
    """
    dialect = dialect_of(engine)
    try:
        with engine.connect() as connection:
            if (version := migrate.version(connection)) != migrate.HEAD:
                raise Held(f"the tables are of version {version}, expected {migrate.HEAD}: the engine upgrades them")
            if not dialect.partitions.known:
                raise Held("this database has no partitions; expected PostgreSQL, MariaDB or MySQL")
            connection.rollback()
            connection.info[PATIENCE] = _CONVERT_SECONDS
            dialect.session.be_patient(connection)
            # PostgreSQL would take back what is set in a transaction that is rolled back.
            connection.commit()
            made = {}
            for table in COLUMNS:
                if parts := _convert(connection, dialect, table, every, only_empty=False):
                    made[table.name] = [one.name for one in parts]
            # It has other limits than those that are used again.
            connection.invalidate()
            return made
    except Exception as exc:
        raise dialect.faults.classify(exc) from exc


def outside(connection: Connection) -> dict[str, int]:
    """
    Return how many rows are in no partition of a time, by table, without what has no jid; no
    more are counted than one above :data:`MOST_OUTSIDE`.

    :param connection: to the database.
    """
    counts = {}
    for table, parts in found(connection, dialect_of(connection)).items():
        uppers = [one.upper for one in parts if one.upper is not None]
        column = COLUMNS[table]
        if not uppers:
            continue
        query = sa.select(sa.literal(1)).where(column >= _value(column, max(uppers)))
        if column.name == "jid":
            query = query.where(column.not_in(sorted(NO_JID)))
        rows = connection.scalar(sa.select(sa.func.count()).select_from(query.limit(MOST_OUTSIDE + 1).subquery())) or 0
        if rows:
            counts[table.name] = rows
    return counts


def within(table: sa.Table, one: Range, column: sa.Column[Any] | None = None) -> sa.ColumnElement[bool]:
    """
    Return the condition that a row is in a range.

    :param table: whose ranges they are.
    :param one: the range, not that of the rest.
    :param column: of another table, with the same kind of values; otherwise the one that decides.
    """
    column = COLUMNS[table] if column is None else column
    condition: sa.ColumnElement[bool] = sa.true()
    if one.lower is not None:
        condition &= column >= _value(column, one.lower)
    if one.upper is not None:
        condition &= column < _value(column, one.upper)
    return condition


def _value(column: sa.Column[Any], day: date) -> Any:
    is_time = isinstance(column.type, sa.DateTime)
    return datetime(day.year, day.month, day.day, tzinfo=timezone.utc) if is_time else bound(column, day)


def _convert(connection: Connection, dialect: Dialect, table: sa.Table, every: str, *, only_empty: bool) -> list[Range]:
    dialect.partitions.begin(connection, table)
    with _locked(connection, dialect):
        is_empty = _is_empty(connection, table)
        if dialect.partitions.ranges(connection, table) is not None or (only_empty and not is_empty):
            return []
        today = _today()
        parts = ranges.since(every, _oldest(connection, table), today)
        if not is_empty and not dialect.partitions.rewrites:
            # The table as it is becomes the first of them.
            begun = next(at for at, one in enumerate(parts) if one.upper is not None and one.upper > today)
            parts = [Range(None, parts[begun].upper), *parts[begun + 1 :]]
        dialect.partitions.convert(connection, table, COLUMNS[table], parts)
        return parts


@contextmanager
def _locked(connection: Connection, dialect: Dialect) -> Iterator[None]:
    try:
        with connection.begin():
            dialect.ddl.lock(connection)
            yield
    finally:
        if not connection.invalidated:
            dialect.ddl.unlock(connection)
            connection.rollback()


def _missing(every: str, parts: list[Range], today: date) -> list[Range]:
    uppers = [one.upper for one in parts if one.upper is not None]
    if not uppers:
        return []
    days = [one for one in parts if one.lower and one.upper and (one.upper - one.lower).days == 1]
    return ranges.ahead(every if every != "none" else ranges.DAY if days else ranges.MONTH, max(uppers), today)


def _oldest(connection: Connection, table: sa.Table) -> date:
    column = COLUMNS[table]
    query = sa.select(sa.func.min(column))
    if column.name == "jid":
        # Job ids that are none of a time come before.
        query = query.where(column >= "1970")
    value = connection.scalar(query)
    try:
        return value.date() if isinstance(value, datetime) else datetime.strptime(str(value)[:8], "%Y%m%d").date()
    except ValueError:
        return _today()


def _is_empty(connection: Connection, table: sa.Table) -> bool:
    return connection.scalar(sa.select(sa.literal(1)).select_from(table).limit(1)) is None


def _today() -> date:
    return datetime.now(timezone.utc).date()
