"""
Insert in the quickest way the database has, where that is likely to succeed, and else carefully.

The quickest ways know no conflict clause: one row that is there already, or that the table refuses, fails all of them.
So what they do not take is inserted the careful way, which has the last word on every row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
from sqlalchemy.engine import Connection

from salt_eventsd.common import chances
from salt_eventsd.database.dialects.base.bulk import Inserter, Row

#: Fewer rows cost more in a try of their own than they save, unless they are large. 0 is never to try.
FEWEST_ROWS = 20
#: A row with a longer value is large, in bytes or characters: to take it out of a document costs a database more.
LARGE_VALUE = 2**14

#: So many failures in a row may be chance.
CHANCES = chances.CHANCES

#: Inserts all rows and returns how many the database counts, or leaves everything as it was and returns None.
Quick = Callable[[Connection, Sequence[Row]], "int | None"]


class Quickly:
    """
    Inserts rows quickly or carefully. Each connection has one of its own for each table, and learns anew.

    Where copies are usual, as of a second master, the quick way fails each time. Then it is left out for a while, and
    tried again.

    :param quick: the quick way.
    :param carefully: inserts rows whatever is there already.
    """

    def __init__(self, quick: Quick, carefully: Inserter) -> None:
        self._quick = quick
        self._carefully = carefully
        self._chances = chances.Chances(CHANCES)

    def __call__(self, connection: Connection, rows: Sequence[Row]) -> int:
        """
        Insert rows, and return how many the database counts as inserted.

        :param connection: in a transaction.
        :param rows: all with the same columns.
        """
        if not FEWEST_ROWS or (len(rows) < FEWEST_ROWS and not any(map(_is_large, rows))):
            return self._carefully(connection, rows)
        if not self._chances.take():
            return self._carefully(connection, rows)
        taken = self._quick(connection, rows)
        if taken is not None:
            self._chances.succeeded()
            return taken
        self._chances.failed()
        return self._carefully(connection, rows)


def _is_large(row: Row) -> bool:
    return any(isinstance(value, (str, msgspec.Raw)) and len(value) > LARGE_VALUE for value in row.values())
