"""In what the tables of a database differ from those of the models."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from salt_eventsd.database import schema
from salt_eventsd.database.dialects import dialect_of


def differences(connection: sa.Connection, **options: Any) -> list[Any]:
    """
    Return in what a database's tables and indexes are not those of the models.

    :param connection: to the database.
    :param options: of alembic's comparison.
    """
    ddl = dialect_of(connection).ddl
    known = {index.name for _, index in schema.indexes(partial=ddl.partial_indexes)}

    def is_there(_: Any, name: str | None, kind: str, is_found: bool, __: Any) -> bool:
        return kind != "index" or is_found or name in known

    told = {"version_table": schema.VERSION_TABLE, "include_object": is_there, **options}
    if told.get("compare_server_default"):
        # What an older release writes gets marks by defaults that each database has in its own way.
        told["compare_server_default"] = lambda _, __, column, *___: False if column.name == "slow_ms" else None
    return list(compare_metadata(MigrationContext.configure(connection, opts=told), schema.metadata))
