"""What there is of our tables in a database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from salt_eventsd.database import migrate, schema
from salt_eventsd.database.dialects import dialect_of
from salt_eventsd.database.views import definitions
from salt_eventsd.exceptions import WorkerError

State = Literal["current", "older", "newer", "none"]


@dataclass(frozen=True)
class Made:
    """
    The tables of a database.

    :param version: of the tables, None if there are none of ours.
    :param expected: the version that this release works with.
    :param tables: each with its size in bytes; None where the database does not tell.
    :param missing: the tables, indexes and views that are not there.
    """

    version: str | None
    expected: str
    tables: dict[str, int | None]
    missing: list[str]

    @property
    def state(self) -> State:
        """How the version compares to the expected one."""
        if self.version is None:
            return "none"
        if self.version == self.expected:
            return "current"
        return "older" if self.version < self.expected else "newer"


def made(engine: Engine) -> Made:
    """
    Look at a database.

    :param engine: of the database; one that only reads is enough.
    :raises WorkerError: it is away.
    """
    try:
        with engine.connect() as connection, connection.begin():
            return _look(connection)
    except FileNotFoundError:
        return Made(None, migrate.HEAD, {}, [])
    except Exception as exc:
        raise exc if isinstance(exc, WorkerError) else dialect_of(engine).faults.classify(exc) from exc


def _look(connection: Connection) -> Made:
    found = migrate.version(connection)
    if found is None:
        return Made(None, migrate.HEAD, {}, [])
    dialect = dialect_of(connection)
    inspector = sa.inspect(connection)
    there = set(inspector.get_table_names())
    views = set(inspector.get_view_names())
    tables: dict[str, int | None] = {}
    missing: list[str] = []
    wanted = schema.indexes(partial=dialect.ddl.partial_indexes)
    for name in sorted(schema.metadata.tables):
        if name not in there:
            missing.append(name)
            continue
        tables[name] = dialect.ddl.bytes_of(connection, name) or None
        indexes = {one["name"] for one in inspector.get_indexes(name)}
        missing += [str(index.name) for table, index in wanted if table == name and index.name not in indexes]
    missing += [name for name in definitions(dialect) if name not in views]
    # What a newer release has in place of them, this one does not know.
    return Made(found, migrate.HEAD, tables, missing if found == migrate.HEAD else [])
