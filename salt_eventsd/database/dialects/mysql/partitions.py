"""
Partitions of MySQL and MariaDB: parts of a table, whose bounds need to be part of each key of it. A table is written
anew to get them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import ClassVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from salt_eventsd.database.dialects.base.faults import number_of, original_of
from salt_eventsd.database.dialects.base.partitions import BEFORE, REST, Occupied, Partitions, Range, bound

_PARTS = sa.text(
    "SELECT partition_name, partition_description FROM information_schema.partitions"
    " WHERE table_schema = DATABASE() AND table_name = :name AND partition_name IS NOT NULL"
    " ORDER BY partition_ordinal_position"
)
#: A wait for a lock was too long; so was a statement.
_TOO_LONG = frozenset((1205, 1969))
#: The user has no right to lock tables.
_MAY_NOT_LOCK = 1044
_BOUND = re.compile(r"(\d{4})-?(\d\d)-?(\d\d)")


class MySQLPartitions(Partitions):
    """Makes and drops partitions."""

    known: ClassVar = True
    rewrites: ClassVar = True
    has_no_lower: ClassVar = True

    def ranges(self, connection: Connection, table: sa.Table) -> list[Range] | None:
        """See :class:`Partitions`."""
        rows = connection.execute(_PARTS, {"name": table.name}).all()
        if not rows:
            return None
        found: list[Range] = []
        for name, text in rows:
            if name == REST:
                found.append(Range(None, None))
                continue
            day = _BOUND.search(str(text))
            begin = None if name == BEFORE else _BOUND.search(name)
            lower, upper = (date(*map(int, one.groups())) if one else None for one in (begin, day))
            found.append(Range(lower, upper))
        return found

    def source(self, table: sa.Table, one: Range) -> str:
        """See :class:`Partitions`."""
        return f"{table.name} PARTITION ({one.name})"

    def convert(
        self, connection: Connection, table: sa.Table, column: sa.Column[object], ranges: Sequence[Range]
    ) -> None:
        """See :class:`Partitions`. One statement, which the server does as a whole or not at all."""
        key = f"DROP PRIMARY KEY, ADD PRIMARY KEY (id, {column.name})" if "id" in table.c else ""
        connection.exec_driver_sql(
            f"ALTER TABLE {table.name} {key} PARTITION BY RANGE COLUMNS({column.name}) ({_parts(column, ranges)})"
        )

    def add(
        self,
        connection: Connection,
        table: sa.Table,
        column: sa.Column[object],
        ranges: Sequence[Range],
        patience: float,
    ) -> None:
        """See :class:`Partitions`."""
        change = f"ALTER TABLE {table.name} REORGANIZE PARTITION {REST} INTO ({_parts(column, ranges)})"
        try:
            with _locked(connection, [f"{table.name} WRITE"], patience):
                connection.exec_driver_sql(change)
        except sa.exc.DBAPIError as exc:
            if number_of(original_of(exc)) != _MAY_NOT_LOCK:
                raise
            # Nor does the change itself wait for long; but once it has the table, it may take its time.
            with _occupied(), _hurrying(connection, patience, ends=False):
                connection.exec_driver_sql(change)

    def drop(
        self,
        connection: Connection,
        found: Sequence[tuple[sa.Table, Range]],
        looked_at: Sequence[sa.Table],
        may_go: Callable[[], bool],
        patience: float,
    ) -> bool:
        """See :class:`Partitions`."""
        written = sorted({table.name for table, _ in found})
        read = sorted({table.name for table in looked_at}.difference(written))
        with _locked(connection, [f"{name} WRITE" for name in written] + [f"{name} READ" for name in read], patience):
            if not may_go():
                return False
            for table, one in found:
                connection.exec_driver_sql(f"ALTER TABLE {table.name} DROP PARTITION {one.name}")
            return True


@contextmanager
def _locked(connection: Connection, locks: Sequence[str], patience: float) -> Iterator[None]:
    """
    Have some tables for oneself. No transaction outlives a change of a table, but such a lock does.

    :param connection: in a transaction.
    :param locks: names of tables, each with ``READ`` or ``WRITE``.
    :param patience: so many seconds it may wait for them.
    :raises Occupied: somebody has one of them.
    """
    run = connection.exec_driver_sql
    try:
        with _occupied(), _hurrying(connection, patience, ends=True):
            run(f"LOCK TABLES {', '.join(locks)}")
        yield
    finally:
        if not connection.invalidated:
            run("UNLOCK TABLES")


@contextmanager
def _occupied() -> Iterator[None]:
    try:
        yield
    except sa.exc.DBAPIError as exc:
        if number_of(original_of(exc)) in _TOO_LONG:
            raise Occupied from exc
        raise


@contextmanager
def _hurrying(connection: Connection, seconds: float, *, ends: bool) -> Iterator[None]:
    """Limit how long a lock may be waited for; and, if it ``ends``, how long a statement may take."""
    # A limit of locks is of whole seconds; MariaDB has a finer one of statements, and MySQL, which has not, reads a
    # comment.
    run = connection.exec_driver_sql
    takes = f", SESSION max_statement_time = {seconds:.3f}" if ends else ""
    run(
        "SET @eventsd_waits = @@lock_wait_timeout /*M!100101 , @eventsd_takes = @@max_statement_time */,"
        f" SESSION lock_wait_timeout = {math.ceil(seconds)} /*M!100101 {takes} */"
    )
    try:
        yield
    finally:
        if not connection.invalidated:
            try:
                run(
                    "SET SESSION lock_wait_timeout = @eventsd_waits"
                    " /*M!100101 , SESSION max_statement_time = @eventsd_takes */"
                )
            except sa.exc.DBAPIError:
                # Nobody is to get it from the pool with these limits, nor with a lock.
                connection.invalidate()
                raise


def _parts(column: sa.Column[object], ranges: Sequence[Range]) -> str:
    parts = [
        f"PARTITION {one.name} VALUES LESS THAN ('{bound(column, one.upper)}')"
        for one in ranges
        if one.upper is not None
    ]
    return ", ".join([*parts, f"PARTITION {REST} VALUES LESS THAN (MAXVALUE)"])
