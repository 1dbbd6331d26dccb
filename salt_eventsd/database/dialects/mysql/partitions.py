"""
Partitions of MySQL and MariaDB: parts of a table, whose bounds need to be part of each key of it. A table is written
anew to get them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import ClassVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from salt_eventsd.database.dialects.base.partitions import BEFORE, REST, Partitions, Range, bound

_PARTS = sa.text(
    "SELECT partition_name, partition_description FROM information_schema.partitions"
    " WHERE table_schema = DATABASE() AND table_name = :name AND partition_name IS NOT NULL"
    " ORDER BY partition_ordinal_position"
)
#: So long a change waits for whoever has the table, such as a backup; writers wait behind it.
_PATIENCE_SECONDS = 2
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

    def convert(
        self, connection: Connection, table: sa.Table, column: sa.Column[object], ranges: Sequence[Range]
    ) -> None:
        """See :class:`Partitions`. One statement, which the server does as a whole or not at all."""
        key = f"DROP PRIMARY KEY, ADD PRIMARY KEY (id, {column.name})" if "id" in table.c else ""
        connection.exec_driver_sql(
            f"ALTER TABLE {table.name} {key} PARTITION BY RANGE COLUMNS({column.name}) ({_parts(column, ranges)})"
        )

    def add(self, connection: Connection, table: sa.Table, column: sa.Column[object], ranges: Sequence[Range]) -> None:
        """See :class:`Partitions`."""
        with _hurry(connection):
            connection.exec_driver_sql(
                f"ALTER TABLE {table.name} REORGANIZE PARTITION {REST} INTO ({_parts(column, ranges)})"
            )

    def drop(
        self,
        connection: Connection,
        found: Sequence[tuple[sa.Table, Range]],
        looked_at: Sequence[sa.Table],
        may_go: Callable[[], bool],
    ) -> bool:
        """See :class:`Partitions`. No transaction outlives a change of a table, but such a lock does."""
        run = connection.exec_driver_sql
        written = sorted({table.name for table, _ in found})
        read = sorted({table.name for table in looked_at}.difference(written))
        with _hurry(connection), _unlocking(connection):
            run(f"LOCK TABLES {', '.join([f'{name} WRITE' for name in written] + [f'{name} READ' for name in read])}")
            if not may_go():
                return False
            for table, one in found:
                run(f"ALTER TABLE {table.name} DROP PARTITION {one.name}")
            return True


@contextmanager
def _hurry(connection: Connection) -> Iterator[None]:
    run = connection.exec_driver_sql
    run(f"SET @eventsd_waits = @@lock_wait_timeout, SESSION lock_wait_timeout = {_PATIENCE_SECONDS}")
    try:
        yield
    finally:
        if not connection.invalidated:
            run("SET SESSION lock_wait_timeout = @eventsd_waits")


@contextmanager
def _unlocking(connection: Connection) -> Iterator[None]:
    try:
        yield
    finally:
        if not connection.invalidated:
            connection.exec_driver_sql("UNLOCK TABLES")


def _parts(column: sa.Column[object], ranges: Sequence[Range]) -> str:
    parts = [
        f"PARTITION {one.name} VALUES LESS THAN ('{bound(column, one.upper)}')"
        for one in ranges
        if one.upper is not None
    ]
    return ", ".join([*parts, f"PARTITION {REST} VALUES LESS THAN (MAXVALUE)"])
