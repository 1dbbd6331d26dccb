"""
What matters when tables are made or changed: locks, sizes, and what a change does to the transaction.
"""

from __future__ import annotations

from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.schema import CreateColumn, CreateIndex


class Ddl:
    """
    Changes of the schema.

    :cvar commits: a statement that changes the schema ends the transaction, so it cannot be undone.
    :cvar builds_beside: an index can be made while others write.
    :cvar partial_indexes: there are indexes over some rows of a table only.
    """

    commits: ClassVar[bool] = False
    builds_beside: ClassVar[bool] = False
    partial_indexes: ClassVar[bool] = True

    def lock(self, connection: Connection) -> None:
        """
        Keep others from changing the schema until the transaction ends.

        :param connection: in a transaction.
        """

    def unlock(self, connection: Connection) -> None:
        """
        Undo :meth:`lock` where the end of the transaction does not.

        :param connection: to the database.
        """

    def hurry(self, connection: Connection) -> None:
        """
        Have a change of the schema fail that has to wait for others, for whoever writes would wait behind it.

        :param connection: to the database; until its transaction ends, or it is closed.
        """

    def lock_indexes(self, connection: Connection) -> bool:
        """
        Keep others from making indexes, until the connection is closed; return False if somebody does so now.

        :param connection: to the database.
        """
        return True

    def make_index(self, connection: Connection, index: sa.Index, *, beside: bool) -> None:
        """
        Make an index.

        :param connection: to the database; in no transaction if ``beside``.
        :param index: of one of our tables.
        :param beside: hold up nobody who writes.
        """
        connection.execute(CreateIndex(index))

    def drop_index(self, connection: Connection, name: str, table: str, *, beside: bool) -> None:
        """
        Drop an index.

        :param connection: as in :meth:`make_index`.
        :param name: the index's.
        :param table: the table's name.
        :param beside: as in :meth:`make_index`.
        """
        connection.exec_driver_sql(f"DROP INDEX {name}")

    def has_index(self, connection: Connection, table: str, name: str) -> bool:
        """
        Return whether a table has an index.

        :param connection: to the database.
        :param table: the table's name.
        :param name: the index's.
        """
        return name in {one["name"] for one in sa.inspect(connection).get_indexes(table)}

    def mark_others(self, connection: Connection, table: str, name: str, value: str) -> None:
        """
        Have rows marked that an engine of an older release writes from now on, which does not know what to mark. Where
        the database has no such default, or one engine at a time, they are not.

        :param connection: to the database.
        :param table: the table's name.
        :param name: the column's of the marks, of numbers.
        :param value: the column whose value is the mark.
        """

    def broken_indexes(self, connection: Connection) -> list[tuple[str, str]]:
        """
        Return the indexes of our tables that were interrupted while they were made, each with its table.

        :param connection: to the database.
        """
        return []

    def bytes_of(self, connection: Connection, table: str) -> int:
        """
        Return about how many bytes a table takes, as the server tells it; 0 where it does not.

        :param connection: to the database.
        :param table: its name.
        """
        return 0

    def is_wide(self, connection: Connection, table: str, column: str) -> bool:
        """
        Return whether a column of integers has 64 bits.

        :param connection: to the database.
        :param table: the table's name.
        :param column: the column's name.
        """
        return True

    def extend_key(self, connection: Connection, table: str, column: sa.Column[Any]) -> None:
        """
        Add a column to a table and to the end of its primary key.

        :param connection: to the database.
        :param table: the table's name.
        :param column: with a default, so that the rows that are there have it.
        """
        key = sa.inspect(connection).get_pk_constraint(table)
        for change in (
            f"ADD COLUMN {definition(connection, column)}",
            f"DROP CONSTRAINT {key['name']}, ADD PRIMARY KEY ({', '.join((*key['constrained_columns'], column.name))})",
        ):
            connection.exec_driver_sql(f"ALTER TABLE {table} {change}")

    def finish(self, connection: Connection, table: str) -> None:
        """
        Give a table that an interrupted migration has made the form that a new one would have.

        :param connection: to the database.
        :param table: its name.
        """

    def is_impossible(self, error: BaseException) -> bool:
        """
        Return whether a statement on the schema failed because it makes no sense, so that it would have been allowed.

        Only databases that :attr:`commits` is true of are asked such statements.

        :param error: from SQLAlchemy.
        """
        return False

    def is_forbidden_view(self, error: BaseException) -> bool:
        """
        Return whether a view was not made because that takes a right which making tables does not take.

        :param error: from SQLAlchemy.
        """
        return False


def definition(connection: Connection, column: sa.Column[Any]) -> str:
    """
    Return a column as it is written in a statement.

    :param connection: to the database.
    :param column: of no table.
    """
    return str(CreateColumn(column).compile(dialect=connection.dialect))
