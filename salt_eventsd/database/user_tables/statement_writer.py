"""
Writes the events of a rule by a statement of the user's own, of whose types only the database knows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy.engine import Connection

from salt_eventsd.config.language.destination import Destination
from salt_eventsd.database.blame.plain import is_undone, plain_parameters
from salt_eventsd.database.dialects import Dialect
from salt_eventsd.database.user_tables.statements import Executor, explain, traits_of
from salt_eventsd.database.user_tables.values import Values
from salt_eventsd.database.user_tables.writer import Row, Unfit, Writer, is_json
from salt_eventsd.exceptions import Transient


class StatementWriter(Writer):
    """
    Executes a statement.

    :param connection: to the database, to have it look at the statement.
    :raises Unfit: the database does not understand it.
    """

    def __init__(
        self, connection: Connection, destination: Destination, dialect: Dialect, values: Values, node_id: str
    ) -> None:
        super().__init__(destination, dialect, values, node_id)
        self.key = f"eventsd: events.{destination.name}.statement"
        self.is_judged_by_database = not dialect.statements.can_explain(destination.statement)
        self.look(connection)
        for name, source in destination.values.items():
            self._treat(name, name, values.for_parameter(is_json(source)))
        self.group = destination.statement
        self.table, self.appends = traits_of(destination.statement)
        self._execute = Executor(connection, dialect, destination.statement)

    def look(self, connection: Connection) -> None:
        """See :class:`Writer`."""
        error = explain(connection, self._dialect, self._destination.statement, list(self._destination.values))
        if isinstance(error, Transient):
            raise error
        if error is not None:
            raise Unfit([f"{self.key}: the database does not take it: {error}"])

    def plain_rows(self, connection: Connection) -> Iterable[Row]:
        """See :class:`Writer`."""
        return plain_parameters(tuple(self._destination.values))

    def can_undo(self, connection: Connection) -> bool:
        """See :class:`Writer`."""
        return is_undone(connection, self._dialect, self._destination.statement, self.table)

    def write(self, connection: Connection, rows: Sequence[Row]) -> None:
        """See :class:`Writer`."""
        self._execute(connection, rows)
