"""
All that differs between the databases, in one place: insert-or-ignore, upsert, NUL, sizes, connection settings.

Column types that differ are in :mod:`salt_eventsd.database.schema`, as variants of one type.
"""

from __future__ import annotations

from collections.abc import Iterable

from salt_eventsd.database.dialects.base import Dialect, Upsert
from salt_eventsd.database.dialects.mysql import MariaDB, MySQL
from salt_eventsd.database.dialects.postgresql import NUL_SYMBOL, PostgreSQL

__all__ = ["NUL_SYMBOL", "Dialect", "MariaDB", "MySQL", "PostgreSQL", "Upsert", "dialect_for"]


def dialect_for(backend: str) -> Dialect:
    """
    Return what differs for a backend.

    :param backend: SQLAlchemy's name of it.
    """
    kinds: Iterable[type[Dialect]] = (PostgreSQL, MySQL, MariaDB)
    return next((kind() for kind in kinds if kind.name == backend), Dialect())
