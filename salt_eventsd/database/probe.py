"""
Try on a database what the engine is going to do there, and undo it: make the tables, insert into each, delete.

Where making a table ends the transaction (MySQL, MariaDB), it could not be undone. There the database is asked for
tables that cannot be made, because a column is in them twice: it checks permissions first, and answers for those.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from datetime import datetime, timezone
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from salt_eventsd.database import migrate, schema
from salt_eventsd.database.dialects import Dialect
from salt_eventsd.database.keeping import Keeper
from salt_eventsd.exceptions import Held, Refused, Transient

KeeperOf = Callable[[Dialect, Connection, sa.Table], Keeper]


def try_out(
    connection: Connection, dialect: Dialect, tables: Iterable[sa.Table], keeper_of: KeeperOf, found: str | None
) -> str:
    """
    Try it and undo it; return what the user may not do though writing does not need it, "" for nothing.

    :param connection: to the database; its transaction is rolled back.
    :param dialect: what differs in it.
    :param tables: into which the worker inserts.
    :param keeper_of: returns what keeps the rows of one of them.
    :param found: the version of the tables there are.
    :raises Held: the database does not allow it.
    :raises Exception: the database cannot be asked.
    """
    try:
        if dialect.ddl.commits and found is None:
            _ask(connection, dialect, tables)
            return ""
        if found is None:
            dialect.ddl.lock(connection)
            if migrate.version(connection) is None:
                migrate.upgrade(connection)
        elif found != migrate.HEAD:
            _try_an_upgrade(connection, dialect, tables)
            return ""
        return _try_rows(connection, dialect, tables, keeper_of)
    finally:
        connection.rollback()


def _try_rows(connection: Connection, dialect: Dialect, tables: Iterable[sa.Table], keeper_of: KeeperOf) -> str:
    kept = []
    for table in tables:
        is_receipts = table is schema.receipts
        row = _row(table, dialect, as_objects=is_receipts)
        try:
            with connection.begin_nested():
                if is_receipts:
                    connection.execute(sa.insert(table), [row])
                else:
                    keeper_of(dialect, connection, table)(connection, [row])
        except Exception as exc:
            error = dialect.faults.classify(exc)
            if isinstance(error, Refused):
                # The same error over a real event would bury that event, and the others would be written.
                raise Transient(f"{table.name} refuses a row that was only a trial: {error}") from exc
            raise error from exc
        first = next(iter(table.primary_key.columns))
        marked = table.c.digest if "digest" in table.c else first
        try:
            with connection.begin_nested():
                connection.execute(sa.delete(table).where(marked == row[marked.name]))
        except Exception as exc:
            error = dialect.faults.classify(exc)
            if is_receipts or not isinstance(error, Held):
                raise error from exc
            kept.append(table.name)
    return f"may not delete from {', '.join(kept)}" if kept else ""


def _row(table: sa.Table, dialect: Dialect, *, as_objects: bool) -> dict[str, Any]:
    """Make a row that is not a copy of any other."""
    now = datetime.now(timezone.utc)
    mark = f"eventsd-check-{secrets.token_hex(8)}"

    def value(column: sa.Column[Any]) -> Any:
        kind = column.type
        if column.nullable:
            return None
        if isinstance(kind, sa.String):
            return mark[-kind.length :] if kind.length else mark
        if isinstance(kind, sa.DateTime):
            return now if as_objects else dialect.time(now.timestamp())
        if isinstance(kind, sa.JSON):
            return dialect.json(b"null")
        if isinstance(kind, sa.Boolean):
            return False
        return secrets.randbits(62) if isinstance(kind, sa.BigInteger) else 0

    return {column.name: value(column) for column in table.columns if column.autoincrement is not True}


def _try_an_upgrade(connection: Connection, dialect: Dialect, tables: Iterable[sa.Table]) -> None:
    """Try only what an upgrade needs: rows do not fit old tables, and to change those may take long."""
    for table in tables:
        first = next(iter(table.primary_key.columns)).name
        nothing = sa.select(sa.null()).where(sa.false())
        _said(connection, dialect, sa.insert(table).from_select([first], nothing))
        if dialect.ddl.commits:
            _said(connection, dialect, sa.text(f"ALTER TABLE {table.name} DROP COLUMN eventsd_check"))
    made = "eventsd_check (a INT, a INT)" if dialect.ddl.commits else f"eventsd_check_{secrets.token_hex(4)} (a INT)"
    _said(connection, dialect, sa.text(f"CREATE TABLE {made}"))


def _ask(connection: Connection, dialect: Dialect, tables: Iterable[sa.Table]) -> None:
    for statement in (
        f"CREATE TABLE {schema.VERSION_TABLE} (a INT, a INT)",
        *(sql for table in tables for sql in _uses(table)),
    ):
        _said(connection, dialect, sa.text(statement))


def _uses(table: sa.Table) -> Iterable[str]:
    name, column = table.name, next(iter(table.primary_key.columns)).name
    yield f"CREATE INDEX eventsd_check ON {name} ({column})"
    yield f"ALTER TABLE {name} DROP COLUMN eventsd_check"
    yield f"INSERT INTO {name} ({column}) VALUES (NULL)"
    yield f"SELECT {column} FROM {name} WHERE 1 = 0"
    yield f"UPDATE {name} SET {column} = NULL WHERE 1 = 0"
    if table is schema.receipts:
        yield f"DELETE FROM {name} WHERE 1 = 0"


def _said(connection: Connection, dialect: Dialect, statement: Any) -> None:
    """Raise if the database does not allow a statement; one that it allows and cannot execute is fine."""
    # A savepoint does not outlive the transaction, which such a statement ends.
    commits = dialect.ddl.commits
    try:
        with nullcontext() if commits else connection.begin_nested():
            connection.execute(statement)
    except sa.exc.DBAPIError as exc:
        if not (commits and dialect.ddl.is_impossible(exc)):
            raise dialect.faults.classify(exc) from exc
