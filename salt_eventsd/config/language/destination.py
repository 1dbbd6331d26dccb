"""
Destination: what a rule writes that names a table with columns, or a statement with parameters, of the user's own.

Both are compiled here from the configuration alone. Whether the database has such a table shows when it is reached
(:mod:`salt_eventsd.database.user_tables.tables`). Values are always bound, and never pasted into a statement.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from dataclasses import field as made
from typing import Any, Protocol

from salt_eventsd.config.language.fields import MISSING, Constant, Facts, Field, compile_value
from salt_eventsd.config.language.parameters import parameters, quoted
from salt_eventsd.exceptions import Refused

#: Fields that are "" in an event that does not have them: an alarm, for example, has no jid.
_OFTEN_MISSING = ("jid", "minion_id", "fun", "kind", "phase")


class DestinationRule(Protocol):
    """The part of a :class:`salt_eventsd.config.structs.EventRule` that says where it writes."""

    @property
    def into(self) -> str | None:
        """The name of a built-in table."""

    @property
    def table(self) -> str | None:
        """The name of a table of the user's own."""

    @property
    def columns(self) -> Mapping[str, Any]:
        """Its columns, and where their values come from."""

    @property
    def upsert(self) -> tuple[str, ...]:
        """The columns that decide which row is replaced."""

    @property
    def statement(self) -> str | None:
        """A statement of the user's own."""

    @property
    def fields(self) -> Mapping[str, Any]:
        """Its parameters, and where their values come from."""

    @property
    def missing(self) -> str | None:
        """What becomes of an event that lacks a field: ``refuse``, or null is written."""


@dataclass(frozen=True)
class Destination:
    """
    A compiled destination.

    :param name: the rule's whole name.
    :param table: the table, "" for a statement.
    :param statement: the statement, "" for a table.
    :param values: column or parameter -> where its value comes from.
    :param upsert: the columns that decide which row is replaced; none for plain inserts.
    :param refuses: whether an event that lacks a field is refused; otherwise null is written.
    """

    name: str
    table: str
    statement: str
    values: Mapping[str, Field | Constant]
    upsert: tuple[str, ...]
    refuses: bool
    _sources: tuple[tuple[str, Callable[[Facts], Any], bool], ...] = made(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        of_each = [
            (key, source.of, isinstance(source, Field) and source.root in _OFTEN_MISSING)
            for key, source in self.values.items()
        ]
        object.__setattr__(self, "_sources", tuple(of_each))

    def row(self, facts: Facts) -> dict[str, Any]:
        """
        Return the values of an event, by column or parameter.

        :param facts: what is known of the event.
        :raises Refused: the event lacks a field, and :attr:`refuses` is set.
        """
        row = {}
        for key, of, may_be_empty in self._sources:
            value = of(facts)
            if value is MISSING or (may_be_empty and value == ""):
                if self.refuses:
                    source = self.values[key]
                    raise Refused(f"the event has no {source.text if isinstance(source, Field) else key}")
                value = None
            row[key] = value
        return row


def destination_of(name: str, rule: DestinationRule) -> Destination:
    """
    Compile where a rule writes.

    :param name: the rule's whole name.
    :param rule: a rule that :func:`check` has found right, with a table or a statement.
    """
    given = rule.columns if rule.table is not None else rule.fields
    return Destination(
        name=name,
        table=rule.table or "",
        statement=rule.statement or "",
        values={key: compile_value(value) for key, value in given.items()},
        upsert=rule.upsert,
        refuses=rule.missing == "refuse",
    )


def check(rule: DestinationRule) -> None:
    """
    Check where a rule writes.

    :param rule: the rule.
    :raises ValueError: says what is wrong, and what would be right: ``<key>: ...``.
    """
    ways = [key for key in ("into", "table", "statement") if getattr(rule, key) is not None]
    if len(ways) > 1:
        raise ValueError(f"{ways[1]}: there is {ways[0]} already; one of into, table and statement")
    if rule.table is not None:
        _check_table(rule)
    elif rule.columns or rule.upsert:
        raise ValueError(f"{'columns' if rule.columns else 'upsert'}: belongs to table, which is missing")
    if rule.statement is not None:
        _check_statement(rule)
    elif rule.fields:
        raise ValueError("fields: belongs to statement, which is missing")
    for key, values in (("columns", rule.columns), ("fields", rule.fields)):
        for name, value in values.items():
            try:
                compile_value(value)
            except ValueError as exc:
                raise ValueError(f"{key}.{name}: {exc}") from None


def _check_table(rule: DestinationRule) -> None:
    if not rule.table:
        raise ValueError("table: expected a table's name, or schema.table")
    if not rule.columns:
        raise ValueError("columns: missing; expected column: field, such as {server: data.id}")
    for column in rule.upsert:
        if column not in rule.columns:
            raise ValueError(f"upsert: {column!r} is not among columns ({', '.join(rule.columns)})")


def _check_statement(rule: DestinationRule) -> None:
    if not (rule.statement or "").strip():
        raise ValueError("statement: expected SQL such as INSERT INTO t (a) VALUES (:a)")
    names = parameters(rule.statement or "")
    for name in quoted(rule.statement or ""):
        raise ValueError(f"statement: :{name} stands in quotes or a comment; expected it bare, as values are bound")
    for name in names:
        if name not in rule.fields:
            raise ValueError(f"fields.{name}: missing; the statement has :{name} (a plain colon is \\:)")
    for name in rule.fields:
        if name not in names:
            raise ValueError(f"fields.{name}: the statement has no :{name}")
