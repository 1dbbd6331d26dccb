"""
Many rows by ``LOAD DATA LOCAL``, in a savepoint, which costs MariaDB half of what an insert does.

The statement leaves out what is there already, and makes any value fit its column: text is cut, and ``zz`` is 0. It
warns of each, however the session is set. So it counts only if every row went in and nothing was said.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from salt_eventsd.database.dialects.base.bulk import Row
from salt_eventsd.database.dialects.base.faults import number_of, original_of
from salt_eventsd.database.dialects.base.lines import BETWEEN, END, MARK, Lines
from salt_eventsd.database.dialects.base.quickly import Quick
from salt_eventsd.database.dialects.mysql.faults import MySQLFaults
from salt_eventsd.database.dialects.mysql.prepared import NO_STATEMENTS, Prepared
from salt_eventsd.database.dialects.mysql.reflection import MySQLReflection
from salt_eventsd.exceptions import Transient

#: The server, or something before it, does not let anybody load.
_FORBIDDEN = frozenset((1148, 2068, 3948, 4166))
_ASKED = ("local_infile", "max_allowed_packet", "wsrep_on", "wsrep_load_data_splitting")
_SETTINGS = f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({', '.join(map(repr, _ASKED))})"

#: One savepoint after the other: a further one of the same name takes the place of the one before. To release each, and
#: to have SQLAlchemy make them, takes as long as to load many rows.
_BEGIN, _UNDO = "SAVEPOINT eventsd_load", "ROLLBACK TO SAVEPOINT eventsd_load"

_CHARSETS = sa.text(
    "SELECT DISTINCT character_set_name FROM information_schema.columns"
    " WHERE table_schema = DATABASE() AND table_name = :name AND character_set_name IS NOT NULL"
)


def by_load(table: sa.Table, columns: Sequence[str], packet_bytes: int, as_bytes: bool = False) -> Quick:
    """
    Return what loads rows into a table, and inserts large ones by prepared statements.

    :param table: one of ours.
    :param columns: its columns that are inserted.
    :param packet_bytes: how long the values of a statement may be.
    :param as_bytes: :func:`takes_bytes` says so.
    """
    # One of them is a word of SQL.
    names = ", ".join(f"`{name}`" for name in columns)
    into = (
        f"INTO TABLE {table.name} CHARACTER SET {'binary' if as_bytes else 'utf8mb4'}"
        f" FIELDS TERMINATED BY {_literal(BETWEEN)} ESCAPED BY {_literal(MARK)}"
        f" LINES TERMINATED BY {_literal(END)} ({names})"
    )
    values = itemgetter(*columns)
    faults = MySQLFaults()
    statements = Prepared(table, columns, packet_bytes, as_bytes)
    took_bytes = _look_for(table, columns) if as_bytes else _no_look
    is_forbidden = lacks_statements = False

    def has_loaded(connection: Connection, rows: Sequence[Row]) -> bool:
        link: Any = connection.connection.dbapi_connection
        with link.offering(_LINES.of(rows, values)) as name:
            found: Any = connection.exec_driver_sql(f"LOAD DATA LOCAL INFILE '{name}' {into}")
        return bool(found.rowcount == len(rows) and found.context.cursor.warning_count == 0)

    def load(connection: Connection, rows: Sequence[Row]) -> int | None:
        nonlocal is_forbidden, lacks_statements
        if is_forbidden:
            return None
        large, others = ((), rows) if lacks_statements else statements.apart(rows)
        failed: Exception | None = None
        connection.exec_driver_sql(_BEGIN)
        try:
            if (
                statements.insert(connection, large)
                and (not others or has_loaded(connection, others))
                and took_bytes(connection)
            ):
                return len(rows)
        except Exception as exc:
            failed = exc
        try:
            connection.exec_driver_sql(_UNDO)
        except Exception as exc:
            if failed is None:
                raise
            # A deadlock ends the transaction, savepoints and all.
            raise failed from exc
        if failed:
            number = number_of(original_of(failed))
            # Some of these are of a server that takes nothing at all: then what is tried next says so.
            lacks = number in NO_STATEMENTS
            if not lacks and isinstance(faults.classify(failed), Transient):
                raise failed
            is_forbidden = number in _FORBIDDEN
            lacks_statements = lacks_statements or lacks
        return None

    return load


def can_load(connection: Connection, table: sa.Table) -> bool:
    """
    Return whether both sides let rows be loaded into a table, and it can be undone.

    :param connection: to the database.
    :param table: one of ours.
    """
    link: Any = connection.connection.dbapi_connection
    if not getattr(link, "can_send", False):
        return False
    found: dict[str, str] = dict(connection.exec_driver_sql(_SETTINGS).all())
    # A cluster may commit every 10,000 rows of what is loaded, and with them the transaction.
    splits = found.get("wsrep_on") == found.get("wsrep_load_data_splitting") == "ON"
    has_room = int(found.get("max_allowed_packet", 0)) > link.packet_bytes
    may_load = found.get("local_infile") == "ON" and has_room and not splits
    return may_load and MySQLReflection().can_undo(connection, table.name)


def takes_bytes(connection: Connection, table: sa.Table) -> bool:
    """
    Return whether the server keeps what it is told are bytes as the text they are, having looked once at whether they
    are that; as text, they would be gone through sign by sign before.

    :param connection: to the database.
    :param table: one of ours.
    """
    if not getattr(connection.dialect, "is_mariadb", False):
        return False
    # In a table of another character set, bytes would become other signs.
    return set(connection.execute(_CHARSETS, {"name": table.name}).scalars()) == {"utf8mb4"}


def _no_look(_: Connection) -> bool:
    return True


def _look_for(table: sa.Table, columns: Sequence[str]) -> Callable[[Connection], bool]:
    """Return what says whether a table that was just written into keeps bytes as texts."""
    texts = [name for name in columns if isinstance(table.c[name].type, (sa.String, sa.JSON))]
    are_texts = " AND ".join(f"CHARSET(`{name}`) = 'utf8mb4'" for name in texts)
    look = f"SELECT {are_texts} FROM {table.name} LIMIT 1"
    looked_in: Any = ()

    def took_bytes(connection: Connection) -> bool:
        nonlocal looked_in
        transaction: Any = connection.get_transaction()
        # Nobody changes the table before the end of the transaction; but to go back to a savepoint lets go of it, and
        # there may be one around this.
        is_held = connection.get_nested_transaction() is None
        if is_held and looked_in is transaction:
            return True
        if connection.exec_driver_sql(look).scalar_one() != 1:
            return False
        if is_held:
            looked_in = transaction
        return True

    return took_bytes


def _usual(text: bytes) -> bytes:
    return text


def _odd(text: str) -> str:
    # An expression would take fifty times as long where a text is nothing but signs.
    return text.replace(MARK, MARK + MARK).replace(BETWEEN, MARK + BETWEEN).replace(END, MARK + END)


def _literal(sign: str) -> str:
    return f"X'{ord(sign):02X}'"


_LINES = Lines(null=f"{MARK}N", usual=_usual, odd=_odd, end=END)
