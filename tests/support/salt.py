"""
Tools for tests on a real bus: fire frames as fast as the bus takes them, and wait for their rows in a database.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import salt.payload
import salt.transport.frame
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

Value = TypeVar("Value")

_LOOK_SECONDS = 0.1


def wait_until(look: Callable[[], Value], what: str, timeout_seconds: float = 20.0) -> Value:
    """
    Call a function until its result is true, and return that.

    :param look: the function.
    :param what: what the test waits for, for the text of a failure.
    :param timeout_seconds: fail after so long.
    """
    deadline = time.monotonic() + timeout_seconds
    while not (seen := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"no {what} within {timeout_seconds:g} s; last seen: {seen!r}")
        time.sleep(_LOOK_SECONDS)
    return seen


class RawBus:
    """
    The socket of an event bus that takes events, used as Salt's own processes use it: one connection, no reply.

    ``SaltEvent.fire_event`` would make a round trip through an event loop for each event.

    :param pull_socket: ``<sock_dir>/master_event_pull.ipc``.
    """

    def __init__(self, pull_socket: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.connect(str(pull_socket))

    def fire(self, tag: str, data: dict[str, Any]) -> None:
        """
        Fire an event as Salt does; add a ``_stamp`` if it has none.

        :param tag: the tag.
        :param data: the payload.
        """
        stamped = {"_stamp": datetime.now(timezone.utc).replace(tzinfo=None).isoformat(), **data}
        self.fire_raw(tag.encode() + b"\n\n" + salt.payload.dumps(stamped, use_bin_type=True))

    def fire_raw(self, frame: bytes) -> None:
        """
        Put a frame on the bus as it is.

        :param frame: tag, two line feeds, payload; or anything else.
        """
        self._socket.sendall(salt.transport.frame.frame_msg_ipc(frame, raw_body=True))

    def fire_returns(self, jid: str, minion_ids: Iterable[str], **fields: Any) -> None:
        """
        Fire a job's returns.

        :param jid: the jid of the job.
        :param minion_ids: the minions that return, one return each.
        :param fields: fields that replace those of the payload.
        """
        for minion_id in minion_ids:
            data = {"jid": jid, "id": minion_id, "fun": "test.ping", "fun_args": [], "return": True, "retcode": 0}
            self.fire(f"salt/job/{jid}/ret/{minion_id}", {**data, "success": True, **fields})

    def close(self) -> None:
        """Disconnect. The bus still delivers the events that were fired."""
        self._socket.close()

    def __enter__(self) -> RawBus:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class History:
    """
    A database with the engine's tables, seen from outside. It need not exist yet.

    :param url: the URL, for SQLAlchemy.
    """

    def __init__(self, url: str) -> None:
        self._engine = sa.create_engine(url, poolclass=sa.NullPool)

    @classmethod
    def of_file(cls, path: Path) -> History:
        """
        Return the history in an SQLite file. Reading it does not create the file.

        :param path: the file.
        """
        return cls(f"sqlite:///file:{path}?mode=ro&uri=true")

    def rows(self, sql: str, **values: Any) -> list[dict[str, Any]]:
        """
        Return the rows of a query.

        :param sql: the query.
        :param values: the values of its ``:name`` parameters.
        """
        with self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(sa.text(sql), values).mappings()]

    def count(self, table: str, where: str = "1 = 1", **values: Any) -> int:
        """
        Return how many rows a table has; 0 while the table or the database does not exist.

        :param table: its name.
        :param where: a condition.
        :param values: the values of the condition's ``:name`` parameters.
        """
        try:
            found = self.rows(f"SELECT count(*) AS found FROM {table} WHERE {where}", **values)
        except DBAPIError:
            return 0
        return int(found[0]["found"])

    def wait_for(
        self, count: int, table: str, where: str = "1 = 1", timeout_seconds: float = 20.0, **values: Any
    ) -> None:
        """
        Wait until a table has exactly so many rows.

        :param count: how many.
        :param table: its name.
        :param where: a condition.
        :param timeout_seconds: fail after so long.
        :param values: the values of the condition's ``:name`` parameters.
        """
        deadline = time.monotonic() + timeout_seconds
        while (found := self.count(table, where, **values)) != count:
            if time.monotonic() > deadline or found > count:
                raise AssertionError(
                    f"{table} where {where} ({values}): {found} rows after {timeout_seconds:g} s, not {count}"
                )
            time.sleep(_LOOK_SECONDS)
