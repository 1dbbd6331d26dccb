"""
Writes the events of a rule into a table of the user's own, whose columns are known.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from salt_eventsd.config.language.destination import Destination
from salt_eventsd.database.blame.plain import is_undone, plain_value
from salt_eventsd.database.dialects import Dialect
from salt_eventsd.database.user_tables.shape import Shape, look_at, table_names
from salt_eventsd.database.user_tables.values import Values
from salt_eventsd.database.user_tables.writer import Row, Unfit, Writer, is_json
from salt_eventsd.exceptions import Doubtful, Transient


class TableWriter(Writer):
    """
    Adds rows to a table, or replaces those of the same key.

    :param connection: to the database, to look at the table.
    :raises Unfit: the table is not as the rule wants it.
    """

    is_judged_by_database = True

    def __init__(
        self, connection: Connection, destination: Destination, dialect: Dialect, values: Values, node_id: str
    ) -> None:
        super().__init__(destination, dialect, values, node_id)
        self.key = f"eventsd: events.{destination.name}.table"
        shape = self._fitting(connection)
        names = {given: column.name for given in destination.values if (column := shape.find(given))}
        for given, name in names.items():
            convert = values.for_column(shape.columns[name].kind, is_json(destination.values[given]))
            self._treat(given, name, convert)
        columns = tuple(names.values())
        self._upsert = tuple(names[given] for given in destination.upsert)
        self.table = shape.table.name.lower()
        self.appends = not self._upsert
        self.group = (shape.table.fullname, columns, self._upsert)
        self._sorts = dialect.inserts.sorts_upserts
        self._place = shape.table.name, shape.table.schema
        kinds = {name: shape.columns[name].kind for name in columns}
        self._plain = {name: values.for_column(kind, False)(plain_value(kind)) for name, kind in kinds.items()}
        self._least = {name: self._plain[name] if shape.columns[name].required else None for name in columns}
        alone = not shape.has_other_key(self._upsert, columns)
        self._insert = dialect.inserts.adder(connection, shape.table, columns, self._upsert, alone)
        is_counted = self.appends or set(columns) > set(self._upsert)
        self._counts = is_counted and not dialect.inserts.takes_silently(connection, shape.table)
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
                error = self._dialect.faults.classify(exc)
                if isinstance(error, Transient):
                    raise error from exc
                raise Unfit([f"{self.key}: the database does not take it: {error}"]) from exc

    def plain_rows(self, connection: Connection) -> Iterable[Row]:
        """See :class:`Writer`."""
        return (self._plain, self._least)

    def can_undo(self, connection: Connection) -> bool:
        """See :class:`Writer`."""
        return is_undone(connection, self._dialect, "", *self._place)

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
        shape = look_at(connection, self._dialect, destination.table)
        if shape is None:
            hint = _meant(destination.table, table_names(connection, destination.table))
            raise Unfit([f"{self.key}: no such table {destination.table!r} in the database{hint}"])
        if problems := [f"eventsd: events.{destination.name}.{problem}" for problem in _misfits(destination, shape)]:
            raise Unfit(problems)
        return shape

    def _latest(self, rows: Sequence[Row]) -> list[Row]:
        """Return the last row of each key, as an upsert may not write one twice. A key with a null equals no other."""
        latest: dict[object, Row] = {}
        for number, row in enumerate(rows):
            key = tuple(bytes(value) if isinstance(value := row[name], msgspec.Raw) else value for name in self._upsert)
            place: object = number if None in key else key
            latest.pop(place, None)
            latest[place] = row
        if not self._sorts:
            return list(latest.values())
        # Always in the same order, so that two batches in flight do not block each other.
        return [latest[place] for place in sorted(latest, key=repr)]


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
