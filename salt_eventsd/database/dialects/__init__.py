"""
All that differs between the databases, in one place: insert-or-ignore, upsert, NUL, sizes, connection settings.

Column types that differ are in :mod:`salt_eventsd.database.schema`, as variants of one type.
"""

from __future__ import annotations

from salt_eventsd.database.dialects.base import Dialect, Upsert, file_of, may_make
from salt_eventsd.database.dialects.mysql import MariaDB, MySQL
from salt_eventsd.database.dialects.postgresql import NUL_SYMBOL, PostgreSQL

__all__ = [
    "BACKENDS",
    "NUL_SYMBOL",
    "Dialect",
    "MariaDB",
    "MySQL",
    "PostgreSQL",
    "Upsert",
    "dialect_for",
    "file_of",
    "may_make",
]

_KINDS: tuple[type[Dialect], ...] = (Dialect, PostgreSQL, MySQL, MariaDB)
#: SQLAlchemy's names of the databases there are dialects for.
BACKENDS = tuple(kind.name for kind in _KINDS)


def dialect_for(backend: str) -> Dialect:
    """
    Return what differs for a backend.

    :param backend: SQLAlchemy's name of it, one of :data:`BACKENDS`.
    """
    return next(kind() for kind in _KINDS if kind.name == backend)
