"""
End what a database takes too long for: a client-side limit on each statement, for whatever driver.

TCP notices a server that is gone without a word. It does not notice one that is frozen, or stands behind a proxy that
acknowledges and hands on nothing; and neither the server's own limits nor those of most drivers end such a wait. So a
thread here shuts the socket down, and the driver that waits for it finds the connection lost.
"""

from __future__ import annotations

import os
import threading
import time
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from salt_eventsd.database.dialects.base.session import Session
from salt_eventsd.exceptions import Lost

#: The key of a connection's ``info`` that says how many seconds a statement may take instead.
PATIENCE = "eventsd_patience"
#: The limits are as exact as this, in seconds.
_TICK_SECONDS = 0.2


class _Watchman:
    """Knows how long each connection in use may be silent, and cuts off those that are longer."""

    def __init__(self) -> None:
        self._change = threading.Condition()
        self._until: dict[int, tuple[float, Any, Session]] = {}
        self._late: set[int] = set()
        self._thread: threading.Thread | None = None

    def set(self, connection: Any, session: Session, seconds: float) -> None:
        """Give a driver's connection so much time from now on."""
        with self._change:
            self._until[id(connection)] = (time.monotonic() + seconds, connection, session)
            if len(self._until) == 1:
                self._change.notify()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="eventsd-deadlines", daemon=True)
                self._thread.start()

    def clear(self, connection: Any) -> None:
        """Stop watching a connection."""
        with self._change:
            self._until.pop(id(connection), None)
            self._late.discard(id(connection))

    def is_late(self, connection: Any) -> bool:
        """Say whether a connection's time ran out, and it was cut off."""
        return id(connection) in self._late

    def _run(self) -> None:
        while True:
            with self._change:
                while not self._until:
                    self._change.wait()
                now = time.monotonic()
                for key, (until, connection, session) in list(self._until.items()):
                    if now >= until:
                        del self._until[key]
                        self._late.add(key)
                        session.cut(connection)
            time.sleep(_TICK_SECONDS)


_WATCHMAN = _Watchman()


def _begin_anew() -> None:
    # What the parent waits for is the parent's to cut off, and its lock may never be released here.
    global _WATCHMAN
    _WATCHMAN = _Watchman()


os.register_at_fork(after_in_child=_begin_anew)


def limit(engine: Engine, session: Session, seconds: float, ping_seconds: float) -> None:
    """
    Limit how long each statement, commit and rollback of an engine may take.

    A connection is asked whether it is alive before it is used again, and thrown away if not.

    :param engine: of the database.
    :param session: how its connections are cut off.
    :param seconds: for each step.
    :param ping_seconds: for that question.
    """

    def again(connection: Connection, *_: Any) -> None:
        if not connection.invalidated:
            _WATCHMAN.set(connection.connection.dbapi_connection, session, connection.info.get(PATIENCE, seconds))

    sa.event.listen(engine, "before_cursor_execute", again)
    sa.event.listen(engine, "commit", again)
    sa.event.listen(engine, "rollback", again)

    # This listener comes first, so that what others ask over a new connection has a limit, too.
    @sa.event.listens_for(engine, "connect", insert=True)
    def _made(connection: Any, record: Any) -> None:
        record.info["fresh"] = True
        _WATCHMAN.set(connection, session, seconds)

    @sa.event.listens_for(engine, "checkout")
    def _taken(connection: Any, record: Any, _proxy: Any) -> None:
        if record.info.pop("fresh", False):
            return
        _WATCHMAN.set(connection, session, ping_seconds)
        try:
            engine.dialect.do_ping(connection)
        except Exception as exc:
            # Most likely the other connections of the pool are lost, too.
            raise sa.exc.InvalidatePoolError from exc
        _WATCHMAN.set(connection, session, seconds)

    @sa.event.listens_for(engine, "checkin")
    @sa.event.listens_for(engine, "close")
    @sa.event.listens_for(engine, "invalidate")
    @sa.event.listens_for(engine, "close_detached")
    def _over(connection: Any, *_: Any) -> None:
        if connection is not None:
            _WATCHMAN.clear(connection)

    @sa.event.listens_for(engine, "handle_error")
    def _told(context: Any) -> None:
        connection = context.connection
        if connection is None or connection.invalidated:
            return
        timed_out = context.is_disconnect and "timed out" in str(context.original_exception)
        if timed_out or _WATCHMAN.is_late(connection.connection.dbapi_connection):
            context.is_disconnect = True
            raise Lost(f"the database has not answered within {seconds:g} s (timeout)")
