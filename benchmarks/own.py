"""
Rules with tables and statements of the user's own, to be timed beside the built-in tables.

The table has the columns that a user would typically keep of a return. In a usual statement, all values stand in one
place. A statement that uses a value again for a key that exists already cannot be combined into one for many rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import sqlalchemy as sa

from salt_eventsd.config.structs import EventRule
from salt_eventsd.event.chunk import OWN
from salt_eventsd.event.parse import Event, for_route

RULE, TABLE = "returns.subs.own", "own_returns"
_COLUMNS = {
    "jid": "jid",
    "minion_id": "minion_id",
    "fun": "fun",
    "retcode": "data.retcode",
    "returned": "data.return | json",
    "stamp": "stamp",
}
_KEY = ["jid", "minion_id"]
_TYPES = {
    "sqlite": "INTEGER, returned TEXT, stamp DATETIME",
    "postgresql": "INTEGER, returned JSONB, stamp TIMESTAMPTZ",
    "mysql": "INTEGER, returned LONGTEXT, stamp DATETIME(6)",
}


def rules(kind: str) -> dict[str, EventRule]:
    """
    Return the rules to time, each with a description.

    :param kind: the kind of the database.
    """
    insert = f"INSERT INTO {TABLE} ({', '.join(_COLUMNS)}) VALUES ({', '.join(f':{name}' for name in _COLUMNS)})"
    conflict = "ON DUPLICATE KEY UPDATE" if kind == "mariadb" else f"ON CONFLICT ({', '.join(_KEY)}) DO UPDATE SET"
    given = {
        "own table": {"table": TABLE, "columns": _COLUMNS},
        "own table, by key": {"table": TABLE, "columns": _COLUMNS, "upsert": _KEY},
        "own statement": {"statement": insert, "fields": _COLUMNS},
        "own statement, by key": {"statement": f"{insert} {conflict} retcode = :retcode", "fields": _COLUMNS},
    }
    return {what: msgspec.convert(rule, EventRule) for what, rule in given.items()}


def of_rule(events: Sequence[Event]) -> list[Event]:
    """
    Return events as the rule sends them.

    :param events: the returns of minions.
    """
    return [for_route(event, RULE, OWN) for event in events]


def make_table(engine: sa.Engine) -> None:
    """
    Make the table.

    :param engine: SQLAlchemy's engine of an empty database.
    """
    columns = f"jid VARCHAR(64), minion_id VARCHAR(255), fun VARCHAR(255), retcode {_TYPES[engine.dialect.name]}"
    with engine.connect() as connection, connection.begin():
        connection.exec_driver_sql(f"CREATE TABLE {TABLE} ({columns}, PRIMARY KEY ({', '.join(_KEY)}))")
