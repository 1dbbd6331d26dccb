"""
What is found out of a database over a connection: how its tables take rows, and how large values may be.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from sqlalchemy.engine import Connection

from salt_eventsd.database import schema
from salt_eventsd.database.attempt import Tables
from salt_eventsd.database.dialects import Dialect
from salt_eventsd.database.keeping import keeper
from salt_eventsd.database.rows import RowBuilder
from salt_eventsd.database.user_tables.values import Values

#: The built-in tables that have rows of events, by their names in the config, in the order in which they are written.
TABLES = {
    "jobs": schema.jobs,
    "returns": schema.returns,
    "states": schema.states,
    "events": schema.events,
    "minions": schema.minions,
}


class Known(NamedTuple):
    """What is known of the built-in tables, and of values."""

    tables: Tables
    values: Values


def learn(connection: Connection, dialect: Dialect, make_builder: Callable[..., RowBuilder], truncate: bool) -> Known:
    """
    Find it out, with our tables there.

    :param connection: with no transaction begun.
    :param dialect: of the database; it learns, too.
    :param make_builder: makes a builder of rows, given how large values may be and whether return codes have 64 bits.
    :param truncate: keep the beginning of a value that is too large, rather than refuse its event.
    """
    # SQLAlchemy asks for the version only once, but the address may lead to another server, or an upgraded one.
    connection.dialect.initialize(connection)
    dialect.learn(connection)
    largest = dialect.largest_value(connection)
    wide_codes = dialect.ddl.is_wide(connection, schema.returns.name, "retcode")
    keepers = {name: keeper(dialect, connection, table) for name, table in TABLES.items()}
    connection.rollback()
    builder = make_builder(largest=largest, wide_codes=wide_codes)
    return Known(Tables(dialect, builder, keepers), Values(dialect, largest, truncate))
