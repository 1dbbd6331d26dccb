"""
When minions were last seen: what a return says of that is written every ten seconds for each minion, and at the end.

A minion that is new to this engine gets its row with its return, in one transaction. What its returns in the next ten
seconds say is put off. If more returns come later, the first of them brings the row up to date; if none does, a thread
here does. An engine that is killed in between leaves a row that is ten seconds too old; nothing but that row says so.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from salt_eventsd.common.grouping import grouped
from salt_eventsd.database import schema
from salt_eventsd.database.dialects.base.session import Session
from salt_eventsd.database.rows.cells import Row
from salt_eventsd.database.rows.seen import Sighting, seen_in
from salt_eventsd.redact.error_text import one_line

log = logging.getLogger(__name__)

#: How long a minion's row may be behind its returns, in seconds. 0 writes it with each.
EVERY_SECONDS = 10.0
#: So many rows are locked at a time: a return of one of these minions waits until they are written.
_AT_ONCE = 25
#: At the end hardly anybody waits for these rows, and time is short.
_AT_ONCE_AT_THE_END = 1000
#: How long the end waits for the last of them, in seconds.
_LAST_SECONDS = 2.0
#: Of no more minions than this is it known when they were written. Their names are as long as a column at most.
_MOST_MINIONS = 20_000

_KEY = "minion_id"
_NEW = ("last_seen", "last_jid", "last_fun", "master_id")
# Columns without types: values are sent as they are when rows are inserted. A row that somebody has deleted, as by
# eventsd.forget, does not come back.
_TABLE = sa.table(schema.minions.name, *[sa.column(name) for name in (_KEY, *_NEW)])
_UPDATE = (
    sa.update(_TABLE)
    .where(_TABLE.c.minion_id == sa.bindparam("its_id"), _TABLE.c.last_seen <= sa.bindparam("its_time"))
    .values({name: sa.bindparam(name) for name in _NEW})
)


class Sightings:
    """
    What is put off of one database's minions. Every call is thread-safe.

    :param engine: of the database.
    :param session: how it is connected to.
    """

    def __init__(self, engine: Engine, session: Session) -> None:
        self._engine = engine
        self._session = session
        self._mutex = threading.Lock()
        self._writing = threading.Lock()
        # When each minion's row was last written, by the monotonic clock.
        self._written: dict[str, float] = {}
        self._late: dict[str, Sighting] = {}
        self._timer: threading.Timer | None = None
        self._is_closed = False

    def due(self, minions: Iterable[str]) -> set[str]:
        """
        Return those whose rows are to be written, because they were not a moment ago.

        :param minions: their ids.
        """
        written, since = self._written, time.monotonic() - EVERY_SECONDS
        return {minion for minion in minions if written.get(minion, since) <= since}

    def note(self, written: Iterable[str], late: Iterable[Sighting]) -> None:
        """
        Note what a transaction that was committed has written, and what it has put off.

        :param written: ids of minions.
        :param late: when others were seen.
        """
        now = time.monotonic()
        with self._mutex:
            if len(self._written) > _MOST_MINIONS:
                self._written.clear()
            self._written.update(dict.fromkeys(written, now))
            for one in late:
                known = self._late.get(one[0])
                if known is None or known[1] <= one[1]:
                    self._late[one[0]] = one
            if self._late and self._timer is None:
                self._timer = threading.Timer(EVERY_SECONDS, self._write)
                self._timer.name = "eventsd-sightings"
                self._timer.daemon = True
                self._timer.start()

    def forget(self) -> None:
        """Learn anew which minions have rows: this may be another database."""
        with self._mutex:
            self._written.clear()

    def close(self) -> None:
        """Write what was put off, unless the database is away."""
        with self._mutex:
            timer, self._timer = self._timer, None
            self._is_closed = True
        if timer is not None:
            timer.cancel()
        # A timer that has gone off is in the middle of it, and its process may be about to end.
        if timer is not None or self._writing.locked():
            # A database that hangs does not hold up the end.
            writing = threading.Thread(
                target=self._write, args=(_AT_ONCE_AT_THE_END,), name="eventsd-sightings", daemon=True
            )
            writing.start()
            writing.join(_LAST_SECONDS)

    def _write(self, at_once: int = _AT_ONCE) -> None:
        with self._writing:
            with self._mutex:
                late, self._late, self._timer = self._late, {}, None
            if late:
                self._update(late, at_once)

    def _update(self, late: dict[str, Sighting], at_once: int) -> None:
        try:
            # A file that somebody has deleted is not made anew for this.
            with self._session.to_look(self._engine).connect() as connection:
                # Always in the same order, so that two engines cannot block each other.
                for some in grouped(sorted(late), lambda _: 1, at_once):
                    with connection.begin():
                        connection.execute(_UPDATE, [_parameters(late[minion]) for minion in some])
        except Exception as exc:
            log.debug("eventsd: when minions were last seen cannot be written now: %s", one_line(exc))
            if not self._is_closed:
                # The next return of some minions may be long in coming.
                self.note((), late.values())


def _parameters(sighting: Sighting) -> Row:
    row = seen_in(sighting)
    return {"its_id": row[_KEY], "its_time": row["last_seen"], **{name: row[name] for name in _NEW}}
