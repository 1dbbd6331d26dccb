"""
Make indexes while others write: a thread that does so once, and ends.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from sqlalchemy.engine import Engine

from salt_eventsd.database.deadlines import PATIENCE
from salt_eventsd.database.dialects import dialect_of
from salt_eventsd.database.migrations import indexes
from salt_eventsd.redact.error_text import one_line

log = logging.getLogger(__name__)

#: How long a statement may take.
BUILD_SECONDS = 6 * 3600.0
#: Where another engine is making them, or something went wrong, it is looked at again after so long; twice as long each
#: time.
_AGAIN_SECONDS, _AGAIN_AT_MOST = 15.0, 1800.0


class Builder:
    """
    Makes the indexes of a database in a thread of its own.

    :param make_engine: makes an engine of the database, with connections of its own.
    """

    def __init__(self, make_engine: Callable[[], Engine]) -> None:
        self._make_engine = make_engine
        self._stop = threading.Event()
        self._mutex = threading.Lock()
        self._thread: threading.Thread | None = None
        # What went wrong at the last try, which is told once.
        self._said = ""

    def start(self) -> None:
        """Start the thread, if it does not run."""
        with self._mutex:
            if (self._thread is None or not self._thread.is_alive()) and not self._stop.is_set():
                self._thread = threading.Thread(target=self._run, name="eventsd-indexes", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """End the thread after the index that it is making."""
        self._stop.set()

    def _run(self) -> None:
        engine = self._make_engine()
        wait = _AGAIN_SECONDS
        try:
            while not self._stop.is_set() and not self._once(engine):
                self._stop.wait(wait)
                wait = min(2 * wait, _AGAIN_AT_MOST)
        finally:
            engine.dispose()

    def _once(self, engine: Engine) -> bool:
        try:
            return build(engine, lambda: not self._stop.is_set())
        except Exception as exc:
            said, self._said = self._said, one_line(exc)
            level = logging.DEBUG if said == self._said else logging.WARNING
            log.log(level, "eventsd: an index was not made, which only makes questions slower: %s", self._said)
            return False


def build(engine: Engine, go_on: Callable[[], bool] = lambda: True) -> bool:
    """
    Make the indexes that are missing, and hold up nobody who writes meanwhile.

    :param engine: of the database, whose tables are there.
    :param go_on: asked before each index; if it says no, the rest is left.
    :returns: whether all are made; not if somebody else is about it.
    """
    dialect = dialect_of(engine)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.info[PATIENCE] = BUILD_SECONDS
        dialect.session.be_patient(connection)
        dialect.ddl.hurry(connection)
        try:
            if indexes.are_made(connection):
                return True
            if not dialect.ddl.lock_indexes(connection):
                return False
            log.info("eventsd: making indexes beside what is written; until then, some questions take longer")
            return indexes.make(connection, beside=True, go_on=go_on)
        finally:
            # The lock and the limits are those of the connection.
            connection.invalidate()
