"""
What a table of the user's own looks like: its columns, what kind of values they take, and its keys.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from salt_eventsd.database.dialects import Dialect


@dataclass(frozen=True)
class Column:
    """
    A column.

    :param kind: what it takes: "text", "json", "time" and so on, "other" for what needs no treatment.
    :param required: a row needs a value for it: no null, and no default.
    :param computed: the database makes the value; a row must not have one.
    :param numbered: the database makes a number of its own where a row has no value.
    """

    name: str
    kind: str
    required: bool
    computed: bool
    numbered: bool = False


@dataclass(frozen=True)
class Shape:
    """
    A table.

    :param table: as its rows are sent, which is not always how they are kept.
    :param keys: the columns of its primary key and of each unique key.
    :param folds: whether upper and lower case are one in the names of columns.
    """

    table: sa.Table
    columns: Mapping[str, Column]
    keys: tuple[frozenset[str], ...]
    folds: bool

    def find(self, name: str) -> Column | None:
        """Return a column by its name."""
        if name in self.columns or not self.folds:
            return self.columns.get(name)
        return next((column for key, column in self.columns.items() if key.lower() == name.lower()), None)

    def has_other_key(self, key: Collection[str], filled: Collection[str]) -> bool:
        """
        Return whether another key than its own may make a row collide with one that is there.

        :param key: its own.
        :param filled: the columns it has values for.
        """
        return any(
            other and other != frozenset(key) and not any(self._is_numbered(name, filled) for name in other)
            for other in self.keys
        )

    def _is_numbered(self, name: str, filled: Collection[str]) -> bool:
        return name not in filled and name in self.columns and self.columns[name].numbered


def look_at(connection: Connection, dialect: Dialect, name: str) -> Shape | None:
    """
    Return what a table looks like now, None if there is none.

    :param connection: to the database.
    :param dialect: of the database.
    :param name: ``table`` or ``schema.table``.
    """
    inspector = sa.inspect(connection)
    schema: str | None = None
    if not inspector.has_table(name):
        schema, _, name = name.partition(".")
        if not name or not inspector.has_table(name, schema=schema):
            return None
    with warnings.catch_warnings():
        # A type that SQLAlchemy does not know is sent as it is.
        warnings.simplefilter("ignore", sa.exc.SAWarning)
        found = inspector.get_columns(name, schema=schema)
    reflection = dialect.reflection
    documents = reflection.documents(connection, name, schema)
    columns = {
        column["name"]: Column(
            column["name"],
            "json" if column["name"] in documents else reflection.kind(column["type"]),
            required=not column["nullable"] and not _has_default(column),
            computed="computed" in column,
            numbered=column.get("autoincrement") is True,
        )
        for column in found
    }
    types = reflection.sent_as(connection, name, schema, {column.name: column.kind for column in columns.values()})
    sent = [sa.Column(column, types.get(column, sa.types.NullType())) for column in columns]
    table = sa.Table(name, sa.MetaData(), *sent, schema=schema)
    keys = tuple(dict.fromkeys(_keys(inspector, dialect, name, schema)))
    return Shape(table, columns, keys, reflection.folds)


def table_names(connection: Connection, name: str) -> list[str]:
    """
    Return the tables there are where one was looked for.

    :param connection: to the database.
    :param name: of the table that is not there, perhaps as ``schema.table``.
    """
    inspector = sa.inspect(connection)
    schema, dot, _ = name.partition(".")
    if dot and schema in inspector.get_schema_names():
        return [f"{schema}.{one}" for one in inspector.get_table_names(schema=schema)]
    return inspector.get_table_names()


def _has_default(column: Any) -> bool:
    return (
        column.get("default") is not None
        or column.get("autoincrement") is True
        or "identity" in column
        or "computed" in column
    )


def _keys(inspector: sa.Inspector, dialect: Dialect, name: str, schema: str | None) -> Iterable[frozenset[str]]:
    yield frozenset(inspector.get_pk_constraint(name, schema=schema)["constrained_columns"])
    for index in inspector.get_indexes(name, schema=schema, **dialect.reflection.index_options):
        if index["unique"] and (key := dialect.reflection.key_of(index)) is not None:
            yield key
