"""
Purge by itself: a thread that does so each night, at a time that is the engine's own, so that the engines of several
masters do not begin together.
"""

from __future__ import annotations

import logging
import threading
import zlib
from datetime import datetime

from sqlalchemy.engine import Engine

from salt_eventsd.database.dialects import dialect_of
from salt_eventsd.database.partitions import make
from salt_eventsd.database.retention.keep import Keep
from salt_eventsd.database.retention.lock import Busy, was_interrupted
from salt_eventsd.database.retention.pace import Pace
from salt_eventsd.database.retention.purge import Purge
from salt_eventsd.database.retention.steps import Stopped
from salt_eventsd.redact.error_text import one_line

log = logging.getLogger(__name__)

_DAY = 86_400
#: The time of a purge lies in these hours of the master's own time, in seconds after midnight.
_FIRST, _LAST = 1 * 3600, 5 * 3600
#: Where another purge is running, or the database is away, it is tried again after so long.
_AGAIN_SECONDS = 1800.0
#: So long after its start, an engine looks whether a purge was interrupted; up to twice as long.
_LOOK_SECONDS = 300.0


class Nightly:
    """
    Purges a database each night.

    :param engine: of the database, with connections of its own.
    :param keep: how long rows stay.
    :param name: whose it is; engines with other names purge at other times.
    :param partitions: of which time a partition has the rows, ``none`` if tables need not have any.
    """

    def __init__(self, engine: Engine, keep: Keep, name: str, partitions: str = "none") -> None:
        self._engine = engine
        self._keep = keep
        self._partitions = partitions
        self._seed = zlib.crc32(name.encode())
        self._stop = threading.Event()
        self._mutex = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread, if it does not run."""
        if self._thread is None:
            with self._mutex:
                if self._thread is None and not self._stop.is_set():
                    self._thread = threading.Thread(target=self._run, name="eventsd-purge", daemon=True)
                    self._thread.start()

    def stop(self) -> None:
        """End the thread; a purge that is under way ends with its step."""
        self._stop.set()

    def seconds_until(self, now: datetime) -> float:
        """
        Return how long it is until the next purge, in seconds.

        :param now: by the master's own clock.
        """
        at = _FIRST + self._seed % (_LAST - _FIRST)
        passed = now.hour * 3600 + now.minute * 60 + now.second
        return (at - passed) % _DAY or _DAY

    def _run(self) -> None:
        try:
            if not self._stop.wait(_LOOK_SECONDS * (1 + self._seed % 100 / 100)) and self._is_interrupted():
                self._until_done()
            while not self._stop.wait(self.seconds_until(datetime.now())):
                self._until_done()
        finally:
            self._engine.dispose()

    def _is_interrupted(self) -> bool:
        try:
            with self._engine.connect() as connection:
                return was_interrupted(connection)
        except Exception as exc:
            log.debug("eventsd: cannot tell whether a purge was interrupted: %s", one_line(exc))
            return False

    def _until_done(self) -> None:
        while not self._once() and not self._stop.wait(_AGAIN_SECONDS):
            pass

    def _once(self) -> bool:
        """Purge; return False if it is to be tried again soon."""
        try:
            with self._engine.connect() as connection:
                make.ensure_or_say(connection, dialect_of(connection), self._partitions)
            one = Purge(self._engine, self._keep, Pace(stop=self._stop))
            counts = one.run()
        except Stopped:
            return True
        except Busy as exc:
            log.info("eventsd: %s", exc)
            return False
        except Exception as exc:
            log.warning("eventsd: rows older than keep allows were not deleted, or not all of them: %s", one_line(exc))
            return False
        if one.partitions:
            log.info("eventsd: dropped the partitions %s", ", ".join(one.partitions))
        for name, rows in one.outside.items():
            log.warning("eventsd: %d rows of %s are in no partition of a time", rows, name)
        told = ", ".join(f"{rows} {f'{outcome} ' if outcome else ''}{name}" for (name, outcome), rows in counts.items())
        log.info("eventsd: deleted rows older than keep allows: %s", told or "nothing was")
        return True
