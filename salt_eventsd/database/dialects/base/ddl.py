"""
What matters when tables are made or changed: locks, sizes, and what a change does to the transaction.
"""

from __future__ import annotations

from typing import ClassVar

from sqlalchemy.engine import Connection


class Ddl:
    """
    Changes of the schema.

    :cvar commits: a statement that changes the schema ends the transaction, so it cannot be undone.
    """

    commits: ClassVar[bool] = False

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
