"""Rows come back from a file: those that the database does not have. Doing so twice adds nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from salt_eventsd.common.grouping import grouped
from salt_eventsd.database import schema
from salt_eventsd.database.archive.file import BadArchive
from salt_eventsd.database.archive.lines import TABLES, Line, key_of, read, row_of
from salt_eventsd.database.archive.reading import Reading
from salt_eventsd.database.dialects import Dialect, dialect_of
from salt_eventsd.database.dialects.base.conditions import among
from salt_eventsd.database.keeping import Plain, keeper
from salt_eventsd.database.retention.aged_jobs import in_utc
from salt_eventsd.database.retention.pace import Pace
from salt_eventsd.database.retention.steps import Steps
from salt_eventsd.database.rows.longest import mark_longest

_STEP_BYTES = 8 * 2**20
_MOST_ROWS = 500


class Restore:
    """
    Restores a file into one database.

    :param engine: of the database.
    :param path: of the file.
    :param pace: how much a step takes, and when to stop.
    """

    def __init__(self, engine: Engine, path: Path, pace: Pace | None = None) -> None:
        self._steps = Steps(engine, pace)
        self._path = path
        self._dialect = dialect_of(engine)
        #: How many rows of each table were not there and were added, also after an error.
        self.added: dict[str, int] = {}

    def count(self) -> Mapping[str, int]:
        """
        Return how many rows of the file the database does not have, by table.

        :raises BadArchive: the file is not whole.
        :raises WorkerError: the database is away, or its tables are of another version.
        """
        with self._steps.looking():
            return self._all(lambda some: self._steps.ask(_count, some))

    def run(self) -> Mapping[str, int]:
        """
        Add the rows that the database does not have, and return how many they were.

        :raises BadArchive: the file is not whole, and nothing was added.
        :raises Busy: a purge of this database is running.
        :raises WorkerError: the database is away, or refuses; what was added before stays.
        """
        with self._steps.changing():
            self._steps.ask(self._dialect.learn)
            return self._all(lambda some: self._steps.change(_add, self._dialect, some))

    def _all(self, step: Callable[[Sequence[bytes]], Mapping[str, int]]) -> Mapping[str, int]:
        file = Reading(self._path)
        try:
            file.verify()
            for some in self._groups(file):
                for name, rows in step(some).items():
                    self.added[name] = self.added.get(name, 0) + rows
        except BadArchive as exc:
            if self.added:
                raise BadArchive(f"{exc}; it was whole when this began, and was changed meanwhile") from None
            raise
        finally:
            file.close()
        return self.added

    def _groups(self, file: Reading) -> Iterator[list[bytes]]:
        yield from grouped(file.lines(), len, _STEP_BYTES, min(_MOST_ROWS, self._size()))

    def _size(self) -> int:
        return self._steps.pace.rows if self._steps.changes else self._steps.pace.looks


def _count(connection: Connection, texts: Sequence[bytes]) -> Mapping[str, int]:
    return {name: len(lines) for name, lines in _missing(connection, texts) if lines}


def _add(connection: Connection, dialect: Dialect, texts: Sequence[bytes]) -> tuple[Mapping[str, int], int]:
    counts: dict[str, int] = {}
    for name, lines in _missing(connection, texts):
        if not lines:
            continue
        table = TABLES[name]
        rows = [row_of(line, dialect) for line in lines]
        if table is schema.states:
            # An older archive has no marks, and what is there already may have been marked in its stead.
            mark_longest(rows)
        if table is schema.minions:
            keeper(dialect, connection, table)(connection, rows)
        else:
            # What a row says of a job is not merged with what is there: that is newer.
            names = [column.name for column in table.columns if column.autoincrement is not True]
            insert = dialect.inserts.inserter(connection, table, names, schema.key_of(table))
            Plain(dialect, table, insert, dialect.inserts.counts(connection))(connection, rows)
        counts[name] = len(rows)
    return counts, sum(counts.values())


def _missing(connection: Connection, texts: Sequence[bytes]) -> Iterator[tuple[str, list[Line]]]:
    """Yield the rows of some lines that are not there, by table; of two with one key only the first."""
    lines = [read(text) for text in texts]
    for name, table in TABLES.items():
        some = {_comparable(key_of(line)): line for line in reversed(lines) if line.table == name}
        there = _there(connection, table, list(some)) if some else set()
        yield name, [line for key, line in reversed(some.items()) if key not in there]


def _there(connection: Connection, table: sa.Table, keys: Sequence[tuple[Any, ...]]) -> set[tuple[Any, ...]]:
    columns = [table.c[name] for name in schema.key_of(table)]
    found = connection.execute(sa.select(*columns).where(among(columns, keys))).all()
    return {_comparable(row) for row in found}


def _comparable(key: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(in_utc(value) if hasattr(value, "utcoffset") else value for value in key)
