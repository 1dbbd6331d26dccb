"""
Copy the tables of a history into another database, while engines may write into both.

Only rows go that are not there, told by the columns that tell a row from a copy of it. So a copy that was stopped goes
on where it was, and one that is made again takes along what has come since.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from salt_eventsd.database import migrate, schema
from salt_eventsd.database.dialects import Inserter, Row
from salt_eventsd.database.keeping import keeper
from salt_eventsd.database.made import made
from salt_eventsd.database.retention.pace import Pace
from salt_eventsd.database.rows.longest import mark_longest
from salt_eventsd.database.rows.merging import AnotherJob
from salt_eventsd.database.transfer.cells import Recoder
from salt_eventsd.database.transfer.pages import Entry, Found, Key, fetch, groups, page, present
from salt_eventsd.database.transfer.tries import Tries
from salt_eventsd.exceptions import Held
from salt_eventsd.workers.isolate import isolate

#: In this order a question finds a job before its returns. Whose turn it is to purge is each database's own matter.
TABLES = (
    schema.jobs,
    schema.returns,
    schema.states,
    schema.events,
    schema.minions,
    schema.stats,
    schema.receipts,
)
#: Of these a row may have changed since it was copied.
_GROWING = (schema.jobs, schema.minions)
#: A page of keys has no more than this.
_PAGE_ROWS = 2000
#: If more rows than this are refused and none is taken, the table is to blame.
_FEW = 10
#: Puts rows into a table.
Put = Callable[[Connection, sa.Table, Sequence[Found]], None]


@dataclass
class Copied:
    """
    What became of one table.

    :param table: its name.
    :param rows: how many the history has.
    :param copied: how many were not there, and are now.
    :param there: how many were there already.
    :param missing: how many are not there, as was looked up in the end.
    :param refused: how many the other database did not take.
    :param why: what it said of the first of them.
    """

    table: str
    rows: int = 0
    copied: int = 0
    there: int = 0
    missing: int = 0
    refused: int = 0
    why: str = ""


class Copy:
    """
    Copies one history.

    :param source: an engine that reads it.
    :param target: an engine that writes into the other database.
    :param pace: how much of the time it may be at it.
    :param tell: called after each page with what has become of the table so far.
    """

    def __init__(self, source: Engine, target: Engine, pace: Pace, tell: Callable[[Copied], None]) -> None:
        self._source = Tries(source, pace)
        self._target = Tries(target, pace)
        self._pace = pace
        self._tell = tell
        self._dialect = self._target.dialect
        self._recoder: Recoder | None = None
        self._inserters: dict[tuple[str, bool], Inserter] = {}

    @property
    def shortened(self) -> int:
        """How many values were too large for the other database."""
        return self._recoder.shortened if self._recoder else 0

    def count(self) -> list[Copied]:
        """
        Return how many rows are to go, and change nothing.

        :raises WorkerError: a database is away, or has no tables of this version.
        """
        self._source.require_tables("to copy")
        found = made(self._target.engine).version
        if found not in (None, migrate.HEAD):
            raise Held(f"the tables there are of version {found}, expected {migrate.HEAD}: eventsd.schema upgrade")
        return [self._look(table, is_empty=found is None) for table in TABLES]

    def run(self) -> list[Copied]:
        """
        Copy what is not there, and look in the end whether it is.

        :raises WorkerError: a database is away, or refuses; what was copied before stays.
        """
        self._source.require_tables("to copy")
        self._target.take(lambda: migrate.ensure(self._target.engine, self._dialect))
        self._recoder = self._target.ask(self._learn)
        told = []
        for table in TABLES:
            one = self._copy(table)
            one.missing = self._look(table).missing
            told.append(one)
        return told

    def _copy(self, table: sa.Table) -> Copied:
        told = Copied(table.name)
        if "id" in table.c and (last := self._source.ask(_last_id, table)):
            self._target.ask(lambda connection: self._dialect.inserts.pass_id(connection, table, last))
        for entries in self._pages(table):
            keys = [one.key for one in entries]
            there = self._target.ask(present, table, keys)
            new = [one for one in entries if one.key not in there]
            told.rows += len(entries)
            told.there += len(there)
            for some in groups(new):
                told.copied += self._send(table, some, told, self._insert)
            if table in _GROWING:
                for some in groups(one for one in entries if one.key in there):
                    self._send(table, some, told, self._merge)
            self._tell(told)
        return told

    def _send(self, table: sa.Table, some: Sequence[Entry], told: Copied, put: Put) -> int:
        """Send rows, and return how many were taken."""
        with self._pace.step():
            found = self._source.ask(fetch, table, [one.key for one in some])
            refusals = isolate(found, lambda rows: self._target.ask(put, table, rows)) if found else []
        if len(refusals) == len(found) > _FEW:
            raise Held(f"{table.name} takes no row: {refusals[0][1]}")
        told.refused += len(refusals)
        told.why = told.why or (refusals[0][1] if refusals else "")
        return len(found) - len(refusals)

    def _insert(self, connection: Connection, table: sa.Table, found: Sequence[Found]) -> None:
        rows = self._recoded(table, found)
        if table is schema.states:
            # In the history they may have no marks yet.
            mark_longest(rows)
        if "id" not in table.c:
            self._inserter(connection, table)(connection, rows)
            return
        ids = sa.select(table.c.id).where(table.c.id.in_([row["id"] for row in rows]))
        taken = set(connection.execute(ids).scalars())
        if own := [row for row in rows if row["id"] not in taken]:
            self._inserter(connection, table)(connection, own)
        if others := [row for row in rows if row["id"] in taken]:
            # An engine that writes into this database has given the number to another row.
            without = [{name: value for name, value in row.items() if name != "id"} for row in others]
            self._inserter(connection, table, with_id=False)(connection, without)

    def _inserter(self, connection: Connection, table: sa.Table, *, with_id: bool = True) -> Inserter:
        found = self._inserters.get((table.name, with_id))
        if found is None:
            columns = [column.name for column in table.columns if with_id or column.name != "id"]
            found = self._dialect.inserts.inserter(connection, table, columns, schema.key_of(table))
            self._inserters[table.name, with_id] = found
        return found

    def _merge(self, connection: Connection, table: sa.Table, found: Sequence[Found]) -> None:
        rows = self._recoded(table, found)
        try:
            keeper(self._dialect, connection, table)(connection, rows)
        except AnotherJob:
            # Two masters gave two jobs one id; the one that is there stays.
            if len(rows) > 1:
                raise
        if table is schema.minions:
            for one in found:
                (minion_id,), first = one.key, one.row["first_seen"]
                earlier = sa.and_(table.c.minion_id == minion_id, table.c.first_seen > first)
                connection.execute(sa.update(table).where(earlier).values(first_seen=first))

    def _look(self, table: sa.Table, *, is_empty: bool = False) -> Copied:
        told = Copied(table.name)
        for entries in self._pages(table):
            keys: list[Key] = [one.key for one in entries]
            there = 0 if is_empty else len(self._target.ask(present, table, keys))
            told.rows += len(keys)
            told.there += there
            told.missing += len(keys) - there
        return told

    def _pages(self, table: sa.Table) -> Iterator[list[Entry]]:
        after: Key | None = None
        while entries := self._source.ask(page, table, after, _PAGE_ROWS):
            yield entries
            after = entries[-1].key

    def _recoded(self, table: sa.Table, found: Sequence[Found]) -> list[Row]:
        assert self._recoder is not None
        return [self._recoder.row(table, one.row) for one in found]

    def _learn(self, connection: Connection) -> Recoder:
        self._dialect.learn(connection)
        wide_codes = self._dialect.ddl.is_wide(connection, schema.returns.name, "retcode")
        return Recoder(self._dialect, self._dialect.largest_value(connection), wide_codes)


def _last_id(connection: Connection, table: sa.Table) -> int | None:
    found: int | None = connection.execute(sa.select(sa.func.max(table.c.id))).scalar()
    return found
