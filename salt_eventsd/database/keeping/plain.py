"""Keep rows of which a copy with the same key says nothing new."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from salt_eventsd.database import schema
from salt_eventsd.database.dialects import Dialect, Inserter, Row
from salt_eventsd.exceptions import Doubtful

Key = tuple[Any, ...]

#: So many rows are looked up in one statement.
AT_ONCE = 200
#: Where the database does not count what it inserts, so many keys are remembered as those of rows that are there.
_MOST_REMEMBERED = 20_000


class Plain:
    """
    Keeps rows of which a copy with the same key says nothing new.

    :param dialect: of the database.
    :param table: the table.
    :param insert: inserts rows that are not there.
    :param counts: whether ``insert`` returns how many were inserted.
    """

    def __init__(self, dialect: Dialect, table: sa.Table, insert: Inserter, counts: bool) -> None:
        self._table = table
        self._insert = insert
        self._counts = counts
        self._key = schema.key_of(table)
        #: Keys that this connection has seen in the table; their rows may be replaced and need not be looked for again.
        self._seen: set[Key] = set()
        self._among = dialect.inserts.there

    def __call__(self, connection: Connection, rows: Sequence[Row]) -> None:
        """
        See to it that rows are in the table.

        :param connection: in a transaction.
        :param rows: what is to be there.
        :raises Doubtful: some of them are not, and nobody has said why.
        """
        taken = self._insert(connection, rows)
        if self._counts and taken == len(rows):
            return
        wanted = self._by_key(rows)
        if not self._counts:
            self._look_once(connection, wanted)
        elif taken != len(wanted):
            self._look(connection, wanted)

    def _look_once(self, connection: Connection, wanted: dict[Key, Row]) -> None:
        new = {key: row for key, row in wanted.items() if key not in self._seen}
        self._look(connection, new)
        if len(self._seen) + len(new) > _MOST_REMEMBERED:
            self._seen.clear()
        self._seen.update(new)

    def _look(self, connection: Connection, wanted: dict[Key, Row]) -> None:
        self._must_be_there(wanted, [key for key, _ in self._there(connection, wanted)])

    def _must_be_there(self, wanted: Collection[Key], found: Collection[Key]) -> None:
        """Raise if keys are missing. Those with a time are only counted: each database writes times in its own way."""
        if "stamp" in self._key:
            missing = len(wanted) - len(found)
        else:
            missing = len(set(wanted) - set(found))
        if missing > 0:
            raise Doubtful(
                f"{self._table.name} did not take {missing} of the rows and did not say why: "
                "a trigger, a rule or another unique key of the table keeps them out"
            )

    def _by_key(self, rows: Iterable[Row]) -> dict[Key, Row]:
        return {tuple(row[name] for name in self._key): row for row in rows}

    def _there(
        self, connection: Connection, wanted: Iterable[Key], more: Sequence[str] = ()
    ) -> Iterator[tuple[Key, Sequence[Any]]]:
        """Yield which keys are in the table, times left out, each with further columns of its row."""
        names = [name for name in self._key if name != "stamp"]
        keys = list(wanted)
        for start in range(0, len(keys), AT_ONCE):
            some = keys[start : start + AT_ONCE]
            for row in self._among(connection, self._table, self._key, some, (*names, *more)):
                yield tuple(row[: len(names)]), row[len(names) :]
