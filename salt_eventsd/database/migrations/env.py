"""Alembic's entry: run the migrations on the connection that :mod:`salt_eventsd.database.migrate` hands over."""

from __future__ import annotations

from alembic import context

from salt_eventsd.database.schema import VERSION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
)
with context.begin_transaction():
    context.run_migrations()
