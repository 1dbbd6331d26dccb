"""
What writes the events of one rule: what the writers of tables and of statements have in common.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy.engine import Connection

from salt_eventsd.config.language.destination import Destination
from salt_eventsd.config.language.fields import Constant, Facts, Field
from salt_eventsd.database.dialects import Dialect
from salt_eventsd.database.user_tables.values import Converter, Values
from salt_eventsd.event.parse import Event
from salt_eventsd.exceptions import EventsdError

Row = dict[str, Any]


class Unfit(EventsdError):
    """
    A rule does not fit the database.

    :param problems: a line for each, which names the key.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Writer:
    """
    Writes the events of a rule.

    :param destination: the rule, compiled.
    :param dialect: of the database.
    :param values: converts values.
    :param node_id: the master's (or minion's) id.
    :ivar key: the key of the config that says where it writes.
    :ivar group: rows of one group are alike and are written together, whichever rule they are of.
    :ivar table: the only table it touches, in lower case; "" if that is not certain.
    :ivar appends: it adds a row, whatever rows are there.
    :ivar is_judged_by_database: the database tells a fault of the table or statement from one of a value.
    """

    key: str
    group: object
    table: str
    appends: bool
    is_judged_by_database: bool

    def __init__(self, destination: Destination, dialect: Dialect, values: Values, node_id: str) -> None:
        self._destination = destination
        self._dialect = dialect
        self._values = values
        self._node_id = node_id
        #: Name in the rule, name in the row, converter.
        self._treated: list[tuple[str, str, Converter]] = []
        self._constants: Row = {}

    def row(self, event: Event) -> Row:
        """
        Return the row of an event.

        :param event: the event.
        :raises Refused: a field is missing that must not be, or the row is too large for the database.
        """
        found = self._destination.row(Facts(event, self._node_id))
        row = {
            name: None if (value := found[given]) is None else convert(value) for given, name, convert in self._treated
        }
        row.update(self._constants)
        self._values.must_fit(row, len(event.body) + len(event.returned))
        return row

    def write(self, connection: Connection, rows: Sequence[Row]) -> None:
        """
        Write rows of its group.

        :param connection: in a transaction.
        :param rows: in the order of their events.
        """
        raise NotImplementedError

    def plain_rows(self, connection: Connection) -> Iterable[Row]:
        """
        Return plain rows, which the database takes if it takes any; nothing where they could not be undone.

        :param connection: to the database.
        """
        raise NotImplementedError

    def can_undo(self, connection: Connection) -> bool:
        """
        Return whether what it writes can be undone.

        :param connection: to the database.
        """
        raise NotImplementedError

    def look(self, connection: Connection) -> None:
        """
        See whether the rule fits the database.

        :raises Unfit: it does not.
        :raises WorkerError: the database cannot be asked.
        """
        raise NotImplementedError

    def try_out(self, connection: Connection) -> None:
        """
        See whether the database would let rows be written, without writing any.

        :raises Unfit: it would not.
        """

    def _treat(self, given: str, name: str, convert: Converter) -> None:
        source = self._destination.values[given]
        if isinstance(source, Constant):
            # PyYAML takes half of a surrogate pair, and no database does.
            value = source.value
            clean = value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
            self._constants[name] = None if clean is None else convert(clean)
        else:
            self._treated.append((given, name, convert))


def is_json(source: Field | Constant) -> bool:
    """
    Return whether a field's values are JSON text already.

    :param source: where a rule takes a value from.
    """
    return isinstance(source, Field) and source.as_json
