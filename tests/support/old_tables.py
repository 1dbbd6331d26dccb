"""Tables as older releases have made them."""

from __future__ import annotations

from pathlib import Path

from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory

from salt_eventsd.database import migrate, schema
from tests.support.stores import Database

_SCRIPTS = ScriptDirectory(str(Path(migrate.__file__).parent / "migrations"))
#: The versions before today's, the oldest first.
OLD_VERSIONS = sorted(one.revision for one in _SCRIPTS.walk_revisions() if one.revision != migrate.HEAD)
LAST_OLD = OLD_VERSIONS[-1]


def make_old_tables(database: Database, version: str) -> None:
    """
    Make the tables as they were in an older version.

    :param database: an empty one.
    :param version: one of :data:`OLD_VERSIONS`.
    """
    with database.engine.connect() as connection, connection.begin():
        context = MigrationContext.configure(
            connection,
            opts={"version_table": schema.VERSION_TABLE, "fn": lambda found, _: _SCRIPTS._upgrade_revs(version, found)},
        )
        with context.begin_transaction():
            context.run_migrations(op=Operations(context))
