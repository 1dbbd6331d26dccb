"""
What writes the events of one rule: into a table, whose columns are known, or by a statement, whose types are not.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from salt_eventsd.database.blame.faults import meaning
from salt_eventsd.database.blame.plain import is_undone, plain_parameters, plain_value
from salt_eventsd.database.dialects import Dialect
from salt_eventsd.database.user_tables.shape import Shape, look_at, table_names
from salt_eventsd.database.user_tables.statements import Executor, can_explain, explain, traits_of
from salt_eventsd.database.user_tables.values import Converter, Values
from salt_eventsd.event.parse import Event
from salt_eventsd.exceptions import Doubtful, EventsdError, Transient
from salt_eventsd.language.destination import Destination
from salt_eventsd.language.fields import Constant, Facts, Field

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
    :param values: converts values.
    :param node_id: the master's (or minion's) id.
    :ivar key: the key of the config that says where it writes.
    :ivar lane: rows of one lane are alike and are written together, whichever rule they are of.
    :ivar table: the only table it touches, in lower case; "" if that is not certain.
    :ivar appends: it adds a row whatever is there.
    :ivar is_judged_by_database: what the database calls a fault of the table or statement is one, and not of a value.
    """

    key: str
    lane: object
    table: str
    appends: bool
    is_judged_by_database: bool

    def __init__(self, destination: Destination, values: Values, node_id: str) -> None:
        self._destination = destination
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
        Write rows of its lane.

        :param connection: in a transaction.
        :param rows: in the order of their events.
        """
        raise NotImplementedError

    def plain_rows(self, connection: Connection) -> Iterable[Row]:
        """
        Return rows that are taken if any are, none where what is written cannot be undone.

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


class TableWriter(Writer):
    """
    Adds rows to a table, or replaces those of the same key.

    :param connection: to the database, to look at the table.
    :param dialect: of the database.
    :raises Unfit: the table is not as the rule wants it.
    """

    is_judged_by_database = True

    def __init__(
        self, connection: Connection, destination: Destination, values: Values, node_id: str, dialect: Dialect
    ) -> None:
        super().__init__(destination, values, node_id)
        self.key = f"eventsd: events.{destination.name}.table"
        shape = self._fitting(connection)
        names = {given: column.name for given in destination.values if (column := shape.find(given))}
        for given, name in names.items():
            convert = values.for_column(shape.columns[name].kind, _is_json(destination.values[given]))
            self._treat(given, name, convert)
        columns = tuple(names.values())
        self._upsert = tuple(names[given] for given in destination.upsert)
        self.table = shape.table.name.lower()
        self.appends = not self._upsert
        self.lane = (shape.table.fullname, columns, self._upsert)
        self._sorts = dialect.name == "postgresql"
        self._place = shape.table.name, shape.table.schema
        kinds = {name: shape.columns[name].kind for name in columns}
        self._plain = {name: values.for_column(kind, False)(plain_value(kind)) for name, kind in kinds.items()}
        self._least = {name: self._plain[name] if shape.columns[name].required else None for name in columns}
        alone = not shape.has_other_key(self._upsert, columns)
        self._insert = dialect.adder(connection, shape.table, columns, self._upsert, alone)
        is_counted = self.appends or set(columns) > set(self._upsert)
        self._counts = is_counted and not dialect.takes_silently(connection, shape.table)
        self._into = (shape.table, columns)

    def look(self, connection: Connection) -> None:
        """See :class:`Writer`."""
        self._fitting(connection)

    def try_out(self, connection: Connection) -> None:
        """See :class:`Writer`."""
        table, columns = self._into
        nothing = sa.select(*(sa.null() for _ in columns)).where(sa.false())
        trials: list[Any] = [sa.insert(table).from_select(list(columns), nothing)]
        if self._upsert:
            trials.append(sa.update(table).where(sa.false()).values(dict.fromkeys(columns)))
            trials.append(sa.select(*(table.c[name] for name in self._upsert)).where(sa.false()))
        for trial in trials:
            try:
                with connection.begin_nested():
                    connection.execute(trial)
            except Exception as exc:
                error = meaning(exc)
                if isinstance(error, Transient):
                    raise error from exc
                raise Unfit([f"{self.key}: the database does not take it: {error}"]) from exc

    def plain_rows(self, connection: Connection) -> Iterable[Row]:
        """See :class:`Writer`."""
        return (self._plain, self._least)

    def can_undo(self, connection: Connection) -> bool:
        """See :class:`Writer`."""
        return is_undone(connection, "", *self._place)

    def write(self, connection: Connection, rows: Sequence[Row]) -> None:
        """
        See :class:`Writer`. Of the rows of one key the last is written.

        :raises Doubtful: the table did not take them all, and nobody has said why.
        """
        rows = self._latest(rows) if self._upsert else rows
        taken = self._insert(connection, rows)
        if self._counts and 0 <= taken < len(rows):
            raise Doubtful(
                f"{self.key}: the table did not take {len(rows) - taken} of {len(rows)} rows and did not say why: "
                "a trigger, a rule or a constraint of its own keeps them out"
            )

    def _fitting(self, connection: Connection) -> Shape:
        destination = self._destination
        shape = look_at(connection, destination.table)
        if shape is None:
            hint = _meant(destination.table, table_names(connection, destination.table))
            raise Unfit([f"{self.key}: no such table {destination.table!r} in the database{hint}"])
        if problems := [f"eventsd: events.{destination.name}.{problem}" for problem in _misfits(destination, shape)]:
            raise Unfit(problems)
        return shape

    def _latest(self, rows: Sequence[Row]) -> list[Row]:
        """PostgreSQL does not write a row twice in one statement. A key with a null in it is like no other."""
        latest: dict[object, Row] = {}
        for number, row in enumerate(rows):
            key = tuple(bytes(value) if isinstance(value := row[name], msgspec.Raw) else value for name in self._upsert)
            place: object = number if None in key else key
            latest.pop(place, None)
            latest[place] = row
        if not self._sorts:
            return list(latest.values())
        # In one order everywhere, so that two batches in flight do not lock each other out.
        return [latest[place] for place in sorted(latest, key=repr)]


class StatementWriter(Writer):
    """
    Executes a statement.

    :param connection: to the database, to have it look at the statement.
    :raises Unfit: the database does not understand it.
    """

    def __init__(self, connection: Connection, destination: Destination, values: Values, node_id: str) -> None:
        super().__init__(destination, values, node_id)
        self.key = f"eventsd: events.{destination.name}.statement"
        self.is_judged_by_database = not can_explain(connection.dialect.name, destination.statement)
        self.look(connection)
        for name, source in destination.values.items():
            self._treat(name, name, values.for_parameter(_is_json(source)))
        self.lane = destination.statement
        self.table, self.appends = traits_of(destination.statement)
        self._execute = Executor(connection, destination.statement)

    def look(self, connection: Connection) -> None:
        """See :class:`Writer`."""
        error = explain(connection, self._destination.statement, list(self._destination.values))
        if isinstance(error, Transient):
            raise error
        if error is not None:
            raise Unfit([f"{self.key}: the database does not take it: {error}"])

    def plain_rows(self, connection: Connection) -> Iterable[Row]:
        """See :class:`Writer`."""
        return plain_parameters(tuple(self._destination.values))

    def can_undo(self, connection: Connection) -> bool:
        """See :class:`Writer`."""
        return is_undone(connection, self._destination.statement, self.table)

    def write(self, connection: Connection, rows: Sequence[Row]) -> None:
        """See :class:`Writer`."""
        self._execute(connection, rows)


def _misfits(destination: Destination, shape: Shape) -> Iterator[str]:
    """Yield what does not fit, each with its key below the rule's."""
    filled: set[str] = set()
    fits = True
    for given in destination.values:
        column = shape.find(given)
        if column is None:
            fits = False
            yield f"columns.{given}: no such column in {destination.table}{_meant(given, shape.columns)}"
        elif column.computed:
            yield f"columns.{given}: the database computes it; leave it out"
        else:
            filled.add(column.name)
    for column in shape.columns.values():
        if fits and column.required and column.name not in filled:
            yield f"columns: {destination.table}.{column.name} must have a value (NOT NULL, no default); add it"
    key = frozenset(column.name for given in destination.upsert if (column := shape.find(given)))
    if fits and key and key not in shape.keys:
        listed = ", ".join(f"[{', '.join(sorted(one))}]" for one in sorted(shape.keys, key=sorted) if one)
        yield (
            f"upsert: [{', '.join(destination.upsert)}] is no primary or unique key of {destination.table}; "
            f"{f'there is {listed}' if listed else 'it has none'}"
        )


def _meant(name: str, known: Iterable[str]) -> str:
    listed = list(known)
    folded = {one.lower(): one for one in listed}
    if close := difflib.get_close_matches(name.lower(), folded, 1):
        return f"; did you mean {folded[close[0]]!r}?"
    return f"; there are {', '.join(listed[:20])}" if listed else "; there are none"


def _is_json(source: Field | Constant) -> bool:
    return isinstance(source, Field) and source.as_json
