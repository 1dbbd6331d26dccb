"""
What a table of the user's own looks like: its columns, what kind of values they take, and its keys.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.engine import Connection
from sqlalchemy.types import UserDefinedType

#: How PostgreSQL itself writes the types of a table's columns.
_TYPES = sa.text(
    "SELECT a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_attribute a"
    " JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.relname = :table AND a.attnum > 0 AND NOT a.attisdropped"
    " AND CASE WHEN CAST(:schema AS text) IS NULL THEN pg_table_is_visible(c.oid) ELSE n.nspname = :schema END"
)
#: Whether a column of a key has a default, or is numbered.
_NUMBERED = sa.text(
    "SELECT bool_or(a.atthasdef OR a.attidentity <> '') FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid"
    " JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace n ON n.oid = t.relnamespace"
    " JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = ANY (i.indkey)"
    " WHERE c.relname = :key AND t.relname = :table AND n.nspname = :schema"
)
#: MariaDB has no type for JSON, but a check that it puts on columns declared so.
_JSON_CHECK = re.compile(r"json_valid\(`((?:[^`]|``)+)`\)", re.IGNORECASE)
#: Kind of values -> the types of SQLAlchemy that take them. The first that fits counts.
_KINDS: tuple[tuple[str, tuple[type, ...]], ...] = (
    ("json", (sa.JSON,)),
    ("array", (sa.ARRAY,)),
    ("bits", (mysql.BIT,)),
    ("boolean", (sa.Boolean,)),
    ("integer", (sa.Integer, mysql.YEAR)),
    ("number", (sa.Numeric, sa.Float)),
    ("time", (sa.DateTime,)),
    ("date", (sa.Date,)),
    ("clock", (sa.Time,)),
    ("bytes", (sa.LargeBinary, sa.BINARY, sa.VARBINARY)),
    ("text", (sa.String,)),
)


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
        Return whether a row may be in another one's way by another key than its own.

        :param key: its own.
        :param filled: the columns it has values for.
        """
        return any(
            other and other != frozenset(key) and not any(self._is_numbered(name, filled) for name in other)
            for other in self.keys
        )

    def _is_numbered(self, name: str, filled: Collection[str]) -> bool:
        return name not in filled and name in self.columns and self.columns[name].numbered


class _AsItIs(UserDefinedType[Any]):
    """A type by the name the database gave it."""

    cache_ok = True

    def __init__(self, sql: str) -> None:
        self.sql = sql

    def get_col_spec(self, **_: Any) -> str:
        return self.sql


def look_at(connection: Connection, name: str) -> Shape | None:
    """
    Return what a table looks like now, None if there is none.

    :param connection: to the database.
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
    backend = connection.dialect.name
    documents = _json_columns(connection, name, schema) if backend in ("mysql", "mariadb") else frozenset()
    columns = {
        column["name"]: Column(
            column["name"],
            "json" if column["name"] in documents else _kind(column["type"]),
            required=not column["nullable"] and not _has_default(column),
            computed="computed" in column,
            numbered=column.get("autoincrement") is True,
        )
        for column in found
    }
    types: dict[str, Any] = {}
    if backend == "postgresql":
        types = {
            column: _AsItIs(sql) for column, sql in connection.execute(_TYPES, {"table": name, "schema": schema}).all()
        }
    elif backend in ("mysql", "mariadb"):
        # Sent as text, a value is judged by the column alone, as strictly as in any other insert. Bits have no text.
        types = {
            column.name: mysql.BIGINT(unsigned=True) if column.kind == "bits" else mysql.LONGTEXT()
            for column in columns.values()
        }
    sent = [sa.Column(column, types.get(column, sa.types.NullType())) for column in columns]
    table = sa.Table(name, sa.MetaData(), *sent, schema=schema)
    return Shape(table, columns, tuple(dict.fromkeys(_keys(inspector, name, schema))), folds=backend != "postgresql")


def table_names(connection: Connection, name: str) -> list[str]:
    """
    Return the tables there are where one was looked for.

    :param name: of the table that is not there, perhaps as ``schema.table``.
    """
    inspector = sa.inspect(connection)
    schema, dot, _ = name.partition(".")
    if dot and schema in inspector.get_schema_names():
        return [f"{schema}.{one}" for one in inspector.get_table_names(schema=schema)]
    return inspector.get_table_names()


def numbers_key(connection: Connection, error: Any) -> bool:
    """
    Return whether a unique key that was violated has a column for which the database makes up values.

    A sequence that was set back makes them double, and no event is to blame.

    :param connection: to the database.
    :param error: from SQLAlchemy.
    """
    found: Any = getattr(getattr(error, "orig", None), "diag", None)
    if connection.dialect.name != "postgresql" or not getattr(found, "constraint_name", None):
        # In the others numbers follow the largest there is.
        return False
    asked = {"schema": found.schema_name, "table": found.table_name, "key": found.constraint_name}
    return bool(connection.execute(_NUMBERED, asked).scalar())


def _kind(type_: Any) -> str:
    # A domain is a type with conditions.
    type_ = type_.data_type if isinstance(type_, postgresql.DOMAIN) else type_
    return next((kind for kind, types in _KINDS if isinstance(type_, types)), "other")


def _has_default(column: Any) -> bool:
    return (
        column.get("default") is not None
        or column.get("autoincrement") is True
        or "identity" in column
        or "computed" in column
    )


def _json_columns(connection: Connection, name: str, schema: str | None) -> frozenset[str]:
    quoted = connection.dialect.identifier_preparer.format_table(sa.Table(name, sa.MetaData(), schema=schema))
    made = connection.exec_driver_sql(f"SHOW CREATE TABLE {quoted}").one()[1]
    return frozenset(column.replace("``", "`") for column in _JSON_CHECK.findall(made))


def _keys(inspector: sa.Inspector, name: str, schema: str | None) -> Iterable[frozenset[str]]:
    yield frozenset(inspector.get_pk_constraint(name, schema=schema)["constrained_columns"])
    # SQLite keeps a unique constraint as an index that it shows only when asked for.
    asked = {"include_auto_indexes": True} if inspector.dialect.name == "sqlite" else {}
    for index in inspector.get_indexes(name, schema=schema, **asked):
        columns = index["column_names"]
        is_partial = any(key.endswith("_where") and value is not None for key, value in _options(index).items())
        # An index over an expression, or over some of the rows, is no key of the table.
        if index["unique"] and not is_partial and all(column is not None for column in columns):
            yield frozenset(column for column in columns if column is not None)
        elif index["unique"] and inspector.dialect.name in ("mysql", "mariadb"):
            # What an upsert of theirs runs into, and no key for one of the user's.
            yield frozenset(column or "(expression)" for column in columns)


def _options(index: Any) -> Mapping[str, Any]:
    options: Mapping[str, Any] = index.get("dialect_options") or {}
    return options
