"""
All that differs between the databases: a folder for each, and what they share in :mod:`~.dialects.base`;
:mod:`~.dialects.beginning` is how an index over long texts is spelled in each.

To add a database, make a folder like the others and name its dialect in :data:`KINDS`. No module outside this package
asks for the name of a database: it takes the dialect, and asks what differs.
"""

from __future__ import annotations

from sqlalchemy.engine import Connection, Engine

from salt_eventsd.database.dialects.base import Dialect
from salt_eventsd.database.dialects.base.bulk import Inserter, Row
from salt_eventsd.database.dialects.base.insert import Upsert
from salt_eventsd.database.dialects.base.statements import Parts
from salt_eventsd.database.dialects.mysql import MariaDB, MySQL
from salt_eventsd.database.dialects.postgresql import NUL_SYMBOL, PostgreSQL
from salt_eventsd.database.dialects.sqlite import SQLite

__all__ = [
    "BACKENDS",
    "DRIVERS",
    "KINDS",
    "NUL_SYMBOL",
    "Dialect",
    "Inserter",
    "MariaDB",
    "MySQL",
    "Parts",
    "PostgreSQL",
    "Row",
    "SQLite",
    "Upsert",
    "dialect_for",
    "dialect_of",
]

#: The dialects there are.
KINDS: tuple[type[Dialect], ...] = (SQLite, PostgreSQL, MySQL, MariaDB)
#: SQLAlchemy's names of their databases.
BACKENDS = tuple(kind.name for kind in KINDS)
#: What may stand as ``driver`` for short -> SQLAlchemy's name of dialect and driver.
DRIVERS = {short: whole for kind in KINDS for short, whole in kind.session.drivers.items()}


def dialect_for(backend: str) -> Dialect:
    """
    Return a dialect.

    :param backend: SQLAlchemy's name of the database.
    :raises KeyError: it is not in :data:`BACKENDS`.
    """
    return {kind.name: kind for kind in KINDS}[backend]()


def dialect_of(connected: Connection | Engine) -> Dialect:
    """
    Return the dialect of a database.

    :param connected: to it.
    """
    return dialect_for(connected.dialect.name)
