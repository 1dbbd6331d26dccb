"""
The indexes: which are missing, and how they are made. They are no part of a version, because in a large history they
take minutes, and everything works without them, only slower.

In small tables, and in SQLite, they are made together with the tables. In large ones
:class:`~salt_eventsd.database.migrations.builder.Builder` makes them while others write. That all of them have been
made is noted in the table of locks; one that somebody drops afterwards stays dropped.
"""

from __future__ import annotations

import logging
import time
import zlib
from collections.abc import Callable, Iterable, Mapping
from functools import partial

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from salt_eventsd.database import schema
from salt_eventsd.database.dialects import Dialect, dialect_of
from salt_eventsd.database.migrations.fill import count_states, mark_longest
from salt_eventsd.exceptions import EventsdError, Lost
from salt_eventsd.redact.error_text import one_line

log = logging.getLogger(__name__)

#: In a table of no more than this, all indexes are made within a second or two, in bytes.
SMALL = 32 * 2**20
#: Indexes that earlier releases made, each with its table.
GONE = {
    "eventsd_returns_of_states": "eventsd_returns",
    "eventsd_returns_of_minion": "eventsd_returns",
    "eventsd_returns_by_minion": "eventsd_returns",
    "eventsd_states_slow": "eventsd_states",
}
_PREFIX = "indexes "


class NotMade(EventsdError):
    """
    Some indexes could not be made, or dropped; all others are.

    :param failed: what was said of each.
    """

    def __init__(self, failed: Mapping[str, Exception]) -> None:
        super().__init__("; ".join(f"{name}: {one_line(error)}" for name, error in failed.items()))
        self.failed = failed


def are_made(connection: Connection) -> bool:
    """
    Say whether all indexes of this release have been made.

    :param connection: to a database with our tables.
    """
    noted = sa.select(schema.locks.c.name).where(schema.locks.c.name == _note(connection))
    return connection.execute(noted).first() is not None


def takes_long(connection: Connection, dialect: Dialect) -> bool:
    """
    Say whether to make what is missing would keep writers waiting, and need not.

    :param connection: to a database with our tables.
    :param dialect: what differs in it.
    """
    if not dialect.ddl.builds_beside:
        return False
    tables = {table for table, _ in _missing(connection)}
    return any(dialect.ddl.bytes_of(connection, table) > SMALL for table in sorted(tables))


def make(connection: Connection, *, beside: bool, go_on: Callable[[], bool] = lambda: True) -> bool:
    """
    Make the indexes that are missing, drop those that are of no use any more, fill the columns that are new, and note
    that it is done.

    :param connection: to a database with our tables; in no transaction if ``beside``.
    :param beside: hold up nobody who writes meanwhile.
    :param go_on: asked before each index; if it says no, the rest is left.
    :returns: whether all are made.
    :raises NotMade: some are not, and all others are.
    """
    dialect = dialect_of(connection)
    ddl = dialect.ddl
    failed: dict[str, Exception] = {}

    def attempt(name: str, step: Callable[[], bool | None]) -> bool | None:
        try:
            return step()
        except Exception as exc:
            # What is made in one transaction is made as a whole, and over a lost connection nothing is.
            if not beside or isinstance(dialect.faults.classify(exc), Lost):
                raise
            failed.setdefault(name, exc)
            return None

    def drop(found: Iterable[tuple[str, str]]) -> None:
        for name, table in found:
            attempt(name, partial(ddl.drop_index, connection, name, table, beside=beside))

    # One that was interrupted is in the way of its successor, and every writer pays for it.
    drop(ddl.broken_indexes(connection))
    for _, index in _missing(connection):
        if not go_on():
            return False
        begun = time.monotonic()
        step = partial(_made, connection, index, beside=beside, go_on=go_on)
        if attempt(str(index.name), step) is False:
            return False
        if (took := time.monotonic() - begun) > 1 and index.name not in failed:
            log.info("eventsd: made the index %s in %.0f s", index.name, took)
    drop(ddl.broken_indexes(connection) if failed else _needless(connection))
    if not count_states(connection, go_on):
        return False
    if failed:
        raise NotMade(failed)
    name = _note(connection)
    connection.execute(sa.delete(schema.locks).where(schema.locks.c.name.like(f"{_PREFIX}%")))
    connection.execute(sa.insert(schema.locks).values(name=name, holder="", until=0, done=int(time.time())))
    return True


def _made(connection: Connection, index: sa.Index, *, beside: bool, go_on: Callable[[], bool]) -> bool:
    """Make an index, after what it is over; return whether that is done."""
    # Questions ask by the index as soon as it is there: so all that took long is marked before.
    if index.info.get("marks") and not mark_longest(connection, go_on):
        return False
    dialect_of(connection).ddl.make_index(connection, index, beside=beside)
    return True


def _wanted(connection: Connection) -> list[tuple[str, sa.Index]]:
    return schema.indexes(partial=dialect_of(connection).ddl.partial_indexes)


def _missing(connection: Connection) -> list[tuple[str, sa.Index]]:
    there = {table: _names(connection, table) for table in schema.metadata.tables}
    return [(table, index) for table, index in _wanted(connection) if index.name not in there[table]]


def _needless(connection: Connection) -> list[tuple[str, str]]:
    """Return the indexes that are of no use here any more, each with its table."""
    wanted = {index.name for _, index in _wanted(connection)}
    known = [(str(index.name), name) for name, table in schema.metadata.tables.items() for index in table.indexes]
    others = {name: table for name, table in known if name not in wanted}
    there = {table: _names(connection, table) for table in schema.metadata.tables}
    return [(name, table) for name, table in (GONE | others).items() if name in there[table]]


def _names(connection: Connection, table: str) -> set[str | None]:
    return {one["name"] for one in sa.inspect(connection).get_indexes(table)}


def _note(connection: Connection) -> str:
    """The name of the note, which is another one if there are other indexes."""
    names = ",".join(str(index.name) for _, index in _wanted(connection))
    return f"{_PREFIX}{zlib.crc32(names.encode()):08x}"
