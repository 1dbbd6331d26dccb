"""
Types of the columns of the built-in tables, where a database does not have the usual ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.types import TypeEngine


@dataclass(frozen=True)
class Types:
    """
    A database's own types; None where the usual one is right.

    Migrations that were released use them, so a type must not change here once a release has made tables with it.

    :param json: JSON documents.
    :param text: texts of any length.
    :param time: times in UTC, with microseconds.
    :param row_id: a primary key that the database numbers.
    :param code: integers of 64 bits.
    :param table_options: options of each table, named as SQLAlchemy does, without the dialect's name in front.
    """

    json: TypeEngine[Any] | None = None
    text: TypeEngine[Any] | None = None
    time: TypeEngine[Any] | None = None
    row_id: TypeEngine[Any] | None = None
    code: TypeEngine[Any] | None = None
    table_options: Mapping[str, str] = field(default_factory=dict)
