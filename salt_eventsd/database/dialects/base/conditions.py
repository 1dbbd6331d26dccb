"""
Conditions that all databases read alike.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from salt_eventsd.common.globs import Part, Wild


def like(parts: list[Part]) -> str:
    """
    Return parts of a glob as a pattern for ``LIKE``, with ``!`` to escape.

    :param parts: without any that only some characters fit.
    """
    wild = {Wild.MANY: "%", Wild.ONE: "_"}
    return "".join(wild[one] if isinstance(one, Wild) else re.sub(r"([!%_])", r"!\1", str(one)) for one in parts)


def among(columns: Sequence[sa.ColumnElement[Any]], keys: Sequence[Sequence[Any]]) -> sa.ColumnElement[bool]:
    """
    Return the condition that a row is one of several.

    :param columns: of a key, the first of which an index begins with.
    :param keys: theirs.
    """
    firsts = columns[0].in_(list(dict.fromkeys(key[0] for key in keys)))
    # PostgreSQL and SQLite look for lists of whole keys in all rows, and for the first column in the index.
    return firsts if len(columns) == 1 else sa.and_(firsts, sa.tuple_(*columns).in_(keys))


def behind(columns: Sequence[sa.ColumnElement[Any]], key: Sequence[Any]) -> sa.ColumnElement[bool]:
    """
    Return the condition that a row comes after another one, in the order of a key.

    :param columns: of the key.
    :param key: that of the other row.
    """
    # A comparison of whole rows would be shorter, but MariaDB looks for that in no index.
    first, value = columns[0], key[0]
    later: sa.ColumnElement[bool] = first > value
    if len(columns) == 1:
        return later
    return sa.and_(first >= value, sa.or_(later, behind(columns[1:], key[1:])))
