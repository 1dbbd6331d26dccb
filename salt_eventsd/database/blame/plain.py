"""
Make up rows to see whether a table takes any. They are as plain as rows can be, written in a savepoint and undone.

For a built-in table the row is that of a job, a return or an event of the engine's own. For a user's rule it is the
last row that was taken; where only a value can be to blame, it may also be one of values that are surely not too long,
too large or malformed. What could not be undone is not tried: a statement that does more than change a table, or a
table without transactions.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

from sqlalchemy.engine import Connection

from salt_eventsd.database.dialects import Dialect
from salt_eventsd.event import parse as events
from salt_eventsd.event.codec import decode
from salt_eventsd.event.frame import pack_frame, read_tag
from salt_eventsd.event.parse import Event

#: The minion and the user of events that are made up.
_NAME = "eventsd-probe"
#: A statement that changes rows and nothing else.
_CHANGE = re.compile(r"\s*(INSERT|REPLACE|UPDATE|DELETE|MERGE)\b", re.IGNORECASE)


def plain_event(table: str) -> Event:
    """
    Return an event of the engine's own, with a row for a built-in table.

    :param table: its name in the config.
    """
    now = datetime.now(timezone.utc).replace(tzinfo=None)
    jid = now.strftime("%Y%m%d%H%M%S%f")
    data: dict[str, Any] = {"_stamp": now.isoformat(), "jid": jid, "fun": "state.apply"}
    if table == "jobs":
        tag = f"salt/job/{jid}/new"
        data.update(tgt=_NAME, tgt_type="glob", user=_NAME, arg=[], minions=[_NAME])
    elif table == "events":
        tag = f"{_NAME}/{jid}"
    else:
        tag = f"salt/job/{jid}/ret/{_NAME}"
        state = {"name": "a", "__id__": "a", "__sls__": "a", "__run_num__": 0, "result": True, "changes": {}}
        state.update(comment="", duration=0.1, start_time="00:00:00.000000")
        data.update(id=_NAME, success=True, retcode=0, fun_args=[], cmd="_return")
        data["return"] = {"test_|-a_|-a_|-nop": state}
    head = read_tag(pack_frame(tag, data), time.time())
    read = decode(head.payload)
    return events.build(head, read, events.function_of(read), "", table if table in ("jobs", "events") else "returns")


def plain_value(kind: str) -> Any:
    """
    Return a value that a column takes if it takes any at all.

    :param kind: of the column, as :mod:`salt_eventsd.database.dialects.base.reflection` has it.
    """
    if kind in ("time", "date", "clock"):
        return datetime.now(timezone.utc)
    values = {"json": {}, "array": [], "boolean": False, "integer": 0, "bits": 0, "number": 0}
    return values.get(kind, "0" if kind == "other" else "x")


def is_undone(connection: Connection, dialect: Dialect, statement: str, table: str, schema: str | None = None) -> bool:
    """
    Return whether all that a statement does can be undone.

    :param connection: to the database.
    :param dialect: of the database.
    :param statement: of the user's, "" where only rows are inserted.
    :param table: the only table it touches, "" if that is not certain.
    :param schema: of the table.
    """
    if statement and not _CHANGE.match(statement):
        return False
    return dialect.reflection.can_undo(connection, table, schema)


def plain_parameters(names: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """
    Yield values for the parameters of a statement, whose types only the database knows.

    :param names: of its parameters.
    """
    yield dict.fromkeys(names)
    yield dict.fromkeys(names, "0")
