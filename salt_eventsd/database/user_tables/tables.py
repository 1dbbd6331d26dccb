"""
Tables and statements of the user's own: what a worker's rules write, checked against the database, many rows at once.

The first event for a table has it looked at, and so has the next one after anything went wrong: nobody has to restart
the engine after mending a table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy.engine import Connection

from salt_eventsd.config.language.destination import Destination, destination_of
from salt_eventsd.config.structs import EventRule
from salt_eventsd.database.blame.evidence import Rejected
from salt_eventsd.database.dialects import Dialect
from salt_eventsd.database.user_tables.statement_writer import StatementWriter
from salt_eventsd.database.user_tables.table_writer import TableWriter
from salt_eventsd.database.user_tables.values import Values
from salt_eventsd.database.user_tables.writer import Row, Unfit, Writer
from salt_eventsd.event.parse import Event
from salt_eventsd.exceptions import Doubtful, Held, Refused, Transient, WorkerError

#: Of no more masters than so many it is remembered what writes their events.
_MOST_MASTERS = 100
#: What writes the events of a rule, by the rule's name.
Writers = Mapping[str, Writer]


class Failed(Exception):
    """
    The database did not take some rows; the cause says why.

    :param target: the name of the table or the rule whose rows they are.
    :param writer: the rule's, None for a built-in table.
    """

    def __init__(self, target: str, writer: Writer | None = None) -> None:
        super().__init__(target)
        self.target = target
        self.writer = writer


class UserTables:
    """
    The rules of one worker that write to tables and statements of the user's own.

    :param rules: all rules of the worker, by whole name.
    :param node_id: the master's (or minion's) id.
    :param dialect: of the database.
    """

    def __init__(self, rules: Mapping[str, EventRule], node_id: str, dialect: Dialect) -> None:
        self._destinations = {name: destination_of(name, rule) for name, rule in rules.items() if rule.is_own}
        self._node_id = node_id
        self._dialect = dialect
        # By the master whose events they write, and the rule.
        self._writers: dict[str, dict[str, Writer]] = {}

    def writers(self, connection: Connection, names: Iterable[str], values: Values, master: str = "") -> Writers:
        """
        Return what writes the events of some rules; a rule that is not configured any more has no writer.

        :param connection: to the database.
        :param names: of the rules, as their events have them.
        :param values: converts values.
        :param master: whose events they are; "" for those of the node.
        :raises Held: a rule does not fit the database.
        """
        master = master or self._node_id
        known = self._writers
        made = dict(known.get(master, {}))
        for name in names:
            if name not in made and (destination := self._destinations.get(name)):
                try:
                    made[name] = self._writer(connection, destination, values, master)
                except Unfit as exc:
                    first, *others = exc.problems
                    more = f" (and {len(others)} more, see salt-run eventsd.check)" if others else ""
                    raise Held(first + more) from None
        # Another thread may be using the old mapping.
        self._writers = {**(known if len(known) < _MOST_MASTERS else {}), master: made}
        return made

    def problems(self, connection: Connection) -> list[str]:
        """
        Return what does not fit the database as it is now, a line for each problem.

        :param connection: to the database.
        :raises WorkerError: it cannot be asked.
        """
        found: list[str] = []
        for destination in self._destinations.values():
            try:
                self._writer(connection, destination, Values(self._dialect), self._node_id).try_out(connection)
            except Unfit as exc:
                found += exc.problems
        return found

    def forget(self) -> None:
        """Look at all tables and statements again when they are next used."""
        self._writers = {}

    def _writer(self, connection: Connection, destination: Destination, values: Values, node_id: str) -> Writer:
        kind = StatementWriter if destination.statement else TableWriter
        return kind(connection, destination, self._dialect, values, node_id)


def row_of(writers: Writers, event: Event) -> tuple[Writer, Row]:
    """
    Return what writes an event, and its row.

    :param writers: from :meth:`UserTables.writers`.
    :param event: the event.
    :raises Refused: there is no row to be made of it, or no rule for it any more.
    """
    writer = writers.get(event.rule)
    if writer is None:
        raise Refused(
            f"no rule events.{event.rule} with a table or a statement is left in the config; put it back, and requeue"
        )
    return writer, writer.row(event)


def write(connection: Connection, rows: Iterable[tuple[Writer, Row]]) -> None:
    """
    Write rows, together where their order does not matter.

    :param connection: in a transaction.
    :param rows: in the order of their events.
    :raises Failed: the database did not take them.
    """
    waiting: dict[object, tuple[Writer, list[Row]]] = {}
    for writer, row in rows:
        if writer.group not in waiting:
            if any(_collide(writer, other) for other, _ in waiting.values()):
                _flush(connection, waiting)
            waiting[writer.group] = (writer, [])
        waiting[writer.group][1].append(row)
    _flush(connection, waiting)


def classify(connection: Connection, dialect: Dialect, error: BaseException) -> WorkerError:
    """
    Classify an error of a try that was undone: a fault of the rule, or an answer that the event may have caused as well
    as the table.

    :param connection: in the transaction, behind the savepoint that was rolled back to.
    :param dialect: of the database.
    :param error: :class:`Failed`, or what has no table to be told with.
    """
    faults = dialect.faults
    if not isinstance(error, Failed):
        return faults.classify(error)
    cause = error.__cause__ or error
    meant = faults.classify(cause)
    if isinstance(cause, Doubtful):
        return Rejected(str(cause), error.target)
    if isinstance(meant, Transient) or isinstance(cause, WorkerError):
        return meant
    looks_general = isinstance(meant, Held)
    is_a_value = faults.can_only_be_a_value(cause)
    if (writer := error.writer) is not None:
        if looks_general:
            try:
                writer.look(connection)
            except Unfit as exc:
                return Held(exc.problems[0])
            except Exception as exc:
                return faults.classify(exc)
            if not writer.is_judged_by_database and faults.may_be_a_value(cause):
                looks_general, is_a_value = False, True
        # The event is to blame for a row that is there already, unless the database itself makes up the key.
        is_a_value = is_a_value or (faults.is_double(cause) and not dialect.reflection.numbers_key(connection, cause))
    return Rejected(str(meant), error.target, looks_general, is_a_value, faults.is_without_place(cause))


def _collide(one: Writer, other: Writer) -> bool:
    """Whether the order of their rows matters."""
    if one.appends and other.appends:
        return False
    return not one.table or not other.table or one.table == other.table


def _flush(connection: Connection, waiting: dict[object, tuple[Writer, list[Row]]]) -> None:
    for writer, rows in waiting.values():
        try:
            writer.write(connection, rows)
        except Exception as exc:
            raise Failed(writer.key, writer) from exc
    waiting.clear()
