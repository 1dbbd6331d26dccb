"""
How rows get into tables: added, left out where their key is there already, or replacing the row of the same key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from salt_eventsd.database.dialects.base.bulk import Inserter, by_driver
from salt_eventsd.workers.write import Behind

#: Adds a conflict clause to an insert of the database's own kind.
Conflict = Callable[[Any], Any]


class Upsert(NamedTuple):
    """
    How the later of two rows with one key wins.

    :param key: the columns of the key.
    :param decides: the column whose larger value is the later.
    :param replaces: the other columns taken from the later row.
    """

    key: tuple[str, ...]
    decides: str
    replaces: tuple[str, ...]


class Inserts:
    """
    Makes the inserters of a database, with ``ON CONFLICT``.

    :cvar counts_upserts: an upsert says how many rows it was given, and not how many it has changed.
    :cvar reads_old_rows: a plain select does not see what other sessions have committed since the transaction began.
    :cvar behind: how a worker catches up. While a server has one batch, the rows of the next are made; and each batch
        costs some ten statements, however large it is.
    :cvar has_one_writer: the database has one writer at a time.
    :cvar takes_lines: rows of tables of ours mostly go into it as lines of text (:mod:`.lines`).
    :cvar undoes_all: there are no tables that know no transactions.
    :cvar sorts_upserts: two upserts that name the same rows in different orders can block each other.
    """

    behind: ClassVar[Behind] = Behind(overlap=1, times=4)
    counts_upserts: ClassVar[bool] = True
    reads_old_rows: ClassVar[bool] = False
    has_one_writer: ClassVar[bool] = False
    takes_lines: ClassVar[bool] = False
    undoes_all: ClassVar[bool] = True
    sorts_upserts: ClassVar[bool] = False

    def insert(self, table: sa.Table) -> Any:
        """
        Return an insert of the database's own kind.

        :param table: the table.
        """
        return sa.insert(table)

    def bulk(self, connection: Connection, table: sa.Table, columns: Sequence[str], conflict: Conflict) -> Inserter:
        """
        Return the cheapest way to insert many rows.

        :param connection: to the database, to ask what it can do.
        :param table: the table.
        :param columns: the columns that are inserted.
        :param conflict: adds the conflict clause to the insert.
        """
        return by_driver(conflict(self.insert(table)), columns)

    def inserter(self, connection: Connection, table: sa.Table, columns: Sequence[str], key: Sequence[str]) -> Inserter:
        """
        Return how rows get into a table of ours; a row whose key is there already is left out.

        A row that breaks another constraint is an error, except in MySQL, where the caller has to look.

        :param connection: to the database, to ask what it can do.
        :param table: the table.
        :param columns: the columns that are inserted.
        :param key: the columns that tell a row from a copy of it.
        """
        return self.bulk(
            connection, table, columns, lambda insert: insert.on_conflict_do_nothing(index_elements=list(key))
        )

    def there(
        self,
        connection: Connection,
        table: sa.Table,
        key: Sequence[str],
        keys: Sequence[Sequence[Any]],
        names: Sequence[str],
    ) -> Iterable[Sequence[Any]]:
        """
        Return the rows of a table that have one of some keys.

        :param connection: in a transaction.
        :param table: one of ours.
        :param key: the columns of the key.
        :param keys: the values of these columns for each row, as they are when rows are inserted.
        :param names: the columns that are wanted.
        """
        # Columns without types: values are sent as they are when they are inserted.
        columns: list[Any] = [sa.column(name) for name in key]
        is_one = columns[0].in_([one for (one,) in keys]) if len(key) == 1 else sa.tuple_(*columns).in_(keys)
        select: Any = sa.select(*[sa.column(name) for name in names]).select_from(sa.table(table.name)).where(is_one)
        # Another session may have committed the row since our transaction began; reading with a lock shows it.
        return connection.execute(select.with_for_update(read=True) if self.reads_old_rows else select)

    def counts(self, connection: Connection) -> bool:
        """
        Return whether :meth:`inserter` says how many rows were inserted, without those that were left out.

        :param connection: to the database.
        """
        return True

    def upserter(self, connection: Connection, table: sa.Table, columns: Sequence[str], latest: Upsert) -> Inserter:
        """
        Return how rows get into a table in which each key has one row, the latest.

        :param connection: to the database, to ask what it can do.
        :param table: the table.
        :param columns: the columns that are inserted.
        :param latest: the key and the columns that a later row replaces.
        """

        def conflict(insert: Any) -> Any:
            return insert.on_conflict_do_update(
                index_elements=list(latest.key),
                set_={name: insert.excluded[name] for name in (latest.decides, *latest.replaces)},
                where=table.c[latest.decides] <= insert.excluded[latest.decides],
            )

        return self.bulk(connection, table, columns, conflict)

    def adder(
        self, connection: Connection, table: sa.Table, columns: Sequence[str], key: Sequence[str], alone: bool = True
    ) -> Inserter:
        """
        Return how rows get into a table of the user's own: each is added, or replaces the row of the same key.

        :param connection: to the database, to ask what it can do.
        :param table: the table.
        :param columns: the columns that are inserted.
        :param key: the columns of the key, none to add every row.
        :param alone: no other key of the table can be in a row's way.
        """
        if not key:
            return self.bulk(connection, table, columns, lambda insert: insert)
        return self.bulk(connection, table, columns, lambda insert: self.replacing(insert, key, columns))

    def replacing(self, insert: Any, key: Sequence[str], columns: Sequence[str]) -> Any:
        """
        Return an insert with the clause by which a row replaces that of the same key.

        :param insert: from :meth:`insert`.
        :param key: the columns of the key.
        :param columns: the columns that are inserted.
        """
        others = {name: insert.excluded[name] for name in columns if name not in key}
        if not others:
            return insert.on_conflict_do_nothing(index_elements=list(key))
        return insert.on_conflict_do_update(index_elements=list(key), set_=others)

    def takes_silently(self, connection: Connection, table: sa.Table) -> bool:
        """
        Return whether a table of the user's own takes rows that the database does not count: a view, for example.

        :param connection: to the database.
        :param table: the table.
        """
        return table.name in sa.inspect(connection).get_view_names(schema=table.schema)

    def pass_id(self, connection: Connection, table: sa.Table, last: int) -> None:
        """
        Have a table of ours number its next rows from behind an id, whose rows are about to be inserted.

        Most databases do so by themselves when a row with that id is there.

        :param connection: in a transaction.
        :param table: with a column ``id``.
        :param last: the largest id that others will have.
        :raises Held: the user may not do that.
        """

    def mend(self, connection: Connection, error: BaseException) -> str:
        """
        Mend what made an insert fail, if that can be done.

        :param connection: in a transaction, behind the savepoint that was rolled back to.
        :param error: what was raised.
        :returns: what was done, "" for nothing.
        :raises Held: it would have to be mended and cannot be.
        """
        return ""

    def check_constraints(self, connection: Connection) -> None:
        """
        Check now the constraints that the database would check only at the commit.

        :param connection: in a transaction.
        """
