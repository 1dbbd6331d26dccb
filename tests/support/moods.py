"""
Faults of a database that still answers: nobody may write, a table is locked or missing, no connection is free.

Each fault is a context manager over a target, which repairs it at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress

import sqlalchemy as sa

from salt_eventsd.database import schema
from tests.support.servers import PostgreSQL, Server
from tests.support.targets import Target

Mood = Callable[[Target], AbstractContextManager[None]]

_CLERK = "clerk"


def clerk(target: Target) -> str:
    """
    Return the URL of a user who may do only what the engine must do. (Limits do not apply to administrators.)

    :param target: the database.
    """
    server, name = _where(target)
    if isinstance(server, PostgreSQL):
        with suppress(sa.exc.ProgrammingError):
            server.execute(f"CREATE ROLE {_CLERK} LOGIN PASSWORD '{_CLERK}'")
        target.execute(
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {_CLERK}",
            f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {_CLERK}",
        )
    else:
        server.execute(f"CREATE USER IF NOT EXISTS '{_CLERK}'@'%' IDENTIFIED BY '{_CLERK}'")
        # Table by table, so that a test can revoke the rights to one.
        for table in [*schema.metadata.tables, schema.VERSION_TABLE]:
            server.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {name}.{table} TO '{_CLERK}'@'%'")
    url = sa.make_url(target.url).set(username=_CLERK, password=_CLERK)
    return url.render_as_string(hide_password=False)


@contextmanager
def table_locked(target: Target) -> Iterator[None]:
    """Another client holds a lock on the table of the returns."""
    server, _ = _where(target)
    engine = sa.create_engine(target.url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        if isinstance(server, PostgreSQL):
            connection.exec_driver_sql("LOCK TABLE eventsd_returns IN ACCESS EXCLUSIVE MODE")
        else:
            connection.exec_driver_sql("LOCK TABLES eventsd_returns WRITE")
        yield


@contextmanager
def table_missing(target: Target) -> Iterator[None]:
    """The table of the returns has another name."""
    target.execute("ALTER TABLE eventsd_returns RENAME TO eventsd_elsewhere")
    yield
    target.execute("ALTER TABLE eventsd_elsewhere RENAME TO eventsd_returns")


@contextmanager
def read_only(target: Target) -> Iterator[None]:
    """Nobody may write, as on a standby."""
    server, name = _where(target)
    if isinstance(server, PostgreSQL):
        server.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        disconnect(target)
        yield
        server.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
        disconnect(target)
    else:
        server.execute("SET GLOBAL read_only = ON")
        yield
        server.execute("SET GLOBAL read_only = OFF")


@contextmanager
def no_permission(target: Target) -> Iterator[None]:
    """The user of :func:`clerk` may not write the returns."""
    server, name = _where(target)
    if isinstance(server, PostgreSQL):
        target.execute(f"REVOKE INSERT ON eventsd_returns FROM {_CLERK}")
        yield
        target.execute(f"GRANT INSERT ON eventsd_returns TO {_CLERK}")
    else:
        server.execute(f"REVOKE INSERT ON {name}.eventsd_returns FROM '{_CLERK}'@'%'")
        yield
        server.execute(f"GRANT INSERT ON {name}.eventsd_returns TO '{_CLERK}'@'%'")


@contextmanager
def out_of_connections(target: Target) -> Iterator[None]:
    """The user of :func:`clerk` gets no new connection, and has lost the old ones."""
    server, name = _where(target)
    if isinstance(server, PostgreSQL):
        server.execute(f"ALTER DATABASE {name} CONNECTION LIMIT 0", f"ALTER ROLE {_CLERK} CONNECTION LIMIT 0")
        disconnect(target)
        yield
        server.execute(f"ALTER DATABASE {name} CONNECTION LIMIT -1", f"ALTER ROLE {_CLERK} CONNECTION LIMIT -1")
    else:
        # A limit of 0 would mean no limit. So one is allowed, and taken as soon as the engine has lost its connections.
        server.execute(f"ALTER USER '{_CLERK}'@'%' WITH MAX_USER_CONNECTIONS 1")
        engine = sa.create_engine(clerk(target), poolclass=sa.NullPool)
        taken = None
        while taken is None:
            disconnect(target)
            with suppress(sa.exc.OperationalError):
                taken = engine.connect()
        yield
        taken.close()
        server.execute(f"ALTER USER '{_CLERK}'@'%' WITH MAX_USER_CONNECTIONS 0")


def disconnect(target: Target) -> None:
    """
    Cut the engine's connections, as an administrator would.

    :param target: the database.
    """
    server, name = _where(target)
    if isinstance(server, PostgreSQL):
        server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'salt-eventsd'")
        return
    found = target.history.rows(
        "SELECT id FROM information_schema.processlist WHERE db = :db AND id <> connection_id()", db=name
    )
    for row in found:
        with suppress(sa.exc.DBAPIError):
            server.execute(f"KILL {row['id']}")


def _where(target: Target) -> tuple[Server, str]:
    assert target.server
    name = sa.make_url(target.url).database
    assert name
    return target.server, name
