"""
Bring a database's tables to the version this release knows: alembic makes missing ones and upgrades old ones.

Alembic is imported only when there is something to do, which is once in a database's life and once a release.
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from salt_eventsd.common.imports import without
from salt_eventsd.database.deadlines import PATIENCE
from salt_eventsd.database.dialects import Dialect
from salt_eventsd.database.migrations import indexes
from salt_eventsd.database.schema import VERSION_TABLE
from salt_eventsd.exceptions import Held, Refused

#: The newest version in ``migrations/versions``.
HEAD = "0007"

#: How long a step of an upgrade may take.
_UPGRADE_SECONDS = 6 * 3600.0

_VERSION = sa.table(VERSION_TABLE, sa.column("version_num"))


def version(connection: Connection) -> str | None:
    """
    Return the version of a database's tables, None if it has none of ours.

    :param connection: to the database.
    """
    if not sa.inspect(connection).has_table(VERSION_TABLE):
        return None
    return connection.execute(sa.select(_VERSION.c.version_num)).scalar()


def ensure(engine: Engine, dialect: Dialect) -> bool:
    """
    Do what :func:`ensure_on` does, over a connection of its own.

    :param engine: of the database.
    :param dialect: what differs in it.
    """
    with engine.connect() as connection:
        return ensure_on(connection, dialect)


def ensure_on(connection: Connection, dialect: Dialect) -> bool:
    """
    Make or upgrade the tables if need be, and their indexes where that takes no time that matters.

    :param connection: to the database, with no transaction begun.
    :param dialect: what differs in it.
    :returns: whether all indexes are there, too; if not, :mod:`~salt_eventsd.database.migrations.builder` makes them.
    :raises Held: the tables are of a newer release than this.
    """
    found = version(connection)
    if found is not None and found > HEAD:
        raise Held(f"the tables are of version {found}, but this salt-eventsd knows {HEAD}: upgrade salt-eventsd")
    try:
        is_whole = found == HEAD and indexes.are_made(connection)
        is_left = not is_whole and found == HEAD and indexes.takes_long(connection, dialect)
        connection.rollback()
        return is_whole if is_whole or is_left else _make(connection, dialect, found)
    except sa.exc.DBAPIError as exc:
        if found != HEAD or not isinstance(dialect.faults.classify(exc), (Held, Refused)):
            raise
        # Who may write rows and not look after indexes can go on: without them, questions take longer.
        connection.rollback()
        return False


def _make(connection: Connection, dialect: Dialect, found: str | None) -> bool:
    is_whole = patient = False
    try:
        with connection.begin():
            dialect.ddl.lock(connection)
            patient = True
            connection.info[PATIENCE] = _UPGRADE_SECONDS
            dialect.session.be_patient(connection)
            if found is not None:
                dialect.ddl.hurry(connection)
            # Another master may have done it while we waited for the lock.
            if version(connection) != HEAD:
                upgrade(connection)
            is_whole = indexes.are_made(connection)
            if not is_whole and not indexes.takes_long(connection, dialect):
                is_whole = indexes.make(connection, beside=False)
        return is_whole
    finally:
        if not connection.invalidated:
            # Only now that the version is committed: whoever gets the lock next has to see it.
            dialect.ddl.unlock(connection)
            connection.rollback()
            if patient:
                # The next statement opens a new connection, with the usual limits.
                connection.invalidate()


def upgrade(connection: Connection) -> None:
    """
    Make the tables, or bring them to the newest version.

    :param connection: in a transaction that keeps others from doing the same.
    """
    with without("mako.ext.pygmentplugin"):
        from alembic.migration import MigrationContext
        from alembic.operations import Operations
        from alembic.script import ScriptDirectory

    # Alembic's commands keep their state in a module, and another worker may be migrating at the same time.
    scripts = ScriptDirectory(str(Path(__file__).parent / "migrations"))
    context = MigrationContext.configure(
        connection,
        opts={"version_table": VERSION_TABLE, "fn": lambda found, _: scripts._upgrade_revs("head", found)},
    )
    with context.begin_transaction():
        context.run_migrations(op=Operations(context))
