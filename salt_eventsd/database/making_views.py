"""Make views in a database whose tables are there: those of ours that are missing, and those for other programs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from salt_eventsd.database import compat, migrate, views
from salt_eventsd.database.dialects import dialect_of
from salt_eventsd.exceptions import Held, WorkerError

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
#: All of ours ask tables that begin so.
_OURS = "eventsd_"


def make_missing(engine: Engine) -> list[str]:
    """
    Make the views that are not there, as where the user had no right to make views when the tables were made.

    :param engine: of the database.
    :returns: their names.
    :raises WorkerError: the database is away, or refuses.
    """
    with _changing(engine) as connection:
        there = set(sa.inspect(connection).get_view_names())
        wanted = {name: sql for name, sql in views.definitions(dialect_of(connection)).items() if name not in there}
        return _make(connection, wanted, "")


def make_compatible(engine: Engine, schema: str | None = None) -> list[str]:
    """
    Make the views that have the names of the tables of Salt's own returners.

    :param engine: of the database.
    :param schema: of PostgreSQL, or the name of another database of MariaDB's, in which they are to be; it is there.
    :returns: their names.
    :raises Held: a name is taken by what is not ours.
    :raises WorkerError: the database is away, or refuses.
    """
    if schema is not None and not _NAME.fullmatch(schema):
        raise Held(f"schema: expected a name of letters, digits and underscores, got {schema!r}")
    with _changing(engine) as connection:
        inspector = sa.inspect(connection)
        tables = {*inspector.get_table_names(schema), *inspector.get_view_names(schema)}
        for name in compat.NAMES:
            if name in tables and not _is_ours(connection, name, schema):
                raise Held(
                    f"there is a {name} that is not ours, perhaps a table of one of Salt's returners; give"
                    " schema=NAME, a schema (PostgreSQL) or database (MariaDB) for the views alone"
                )
        return _make(connection, compat.definitions(dialect_of(connection)), f"{schema}." if schema else "")


@contextmanager
def _changing(engine: Engine) -> Iterator[Connection]:
    """A transaction in which nobody else changes the schema."""
    dialect = dialect_of(engine)
    try:
        with engine.connect() as connection:
            try:
                with connection.begin():
                    dialect.ddl.lock(connection)
                    if migrate.version(connection) != migrate.HEAD:
                        raise Held(f"there are no tables of version {migrate.HEAD}: eventsd.schema upgrade")
                    yield connection
            finally:
                if not connection.invalidated:
                    dialect.ddl.unlock(connection)
                    connection.rollback()
    except Exception as exc:
        raise exc if isinstance(exc, WorkerError) else dialect.faults.classify(exc) from exc


def _make(connection: Connection, wanted: Mapping[str, str], prefix: str) -> list[str]:
    # Without this a percent sign would start a parameter.
    plain = connection.execution_options(no_parameters=True)
    for name, sql in wanted.items():
        plain.exec_driver_sql(f"DROP VIEW IF EXISTS {prefix}{name}")
        plain.exec_driver_sql(f"CREATE VIEW {prefix}{name} AS {sql}")
    return [f"{prefix}{name}" for name in wanted]


def _is_ours(connection: Connection, name: str, schema: str | None) -> bool:
    inspector = sa.inspect(connection)
    if name not in inspector.get_view_names(schema):
        return False
    return _OURS in str(inspector.get_view_definition(name, schema))
