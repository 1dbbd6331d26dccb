"""
One attempt to insert events: their rows, in a savepoint, all of them or none.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlalchemy.engine import Connection

from salt_eventsd.database.blame.plain import plain_event
from salt_eventsd.database.building import PREFIX, Ahead, Built, build
from salt_eventsd.database.dialects import Dialect
from salt_eventsd.database.dialects.base.runs import Run, Runs
from salt_eventsd.database.keeping import Keeper
from salt_eventsd.database.rows import RowBuilder
from salt_eventsd.database.rows.cells import Row
from salt_eventsd.database.rows.merging import AnotherJob
from salt_eventsd.database.rows.returned import runs_of
from salt_eventsd.database.schema import JID_LENGTH
from salt_eventsd.database.user_tables import tables as user_tables
from salt_eventsd.database.user_tables.tables import Failed, Writers
from salt_eventsd.event.parse import Event
from salt_eventsd.exceptions import EventsdError, Refused, Transient
from salt_eventsd.workers.write import Refusal

log = logging.getLogger(__name__)

#: How often in one try something is mended in the database.
_MOST_MENDED = 4


class Spoilt(EventsdError):
    """The transaction is to be undone and begun again, with savepoints: something in it was refused."""


class Tables(NamedTuple):
    """
    What is known of a database once its tables are there.

    :param dialect: what differs in it.
    :param builder: makes rows.
    :param keepers: of the built-in tables, by their names in the config, in the order in which they are written.
    """

    dialect: Dialect
    builder: RowBuilder
    keepers: Mapping[str, Keeper]


class Attempts:
    """
    Inserts events of one batch.

    :param connection: in a transaction.
    :param tables: of the database.
    :param writers: of the rules with tables and statements of the user's own that have events in the batch.
    :param events: of the batch.
    :param check_at_once: check now the constraints that the database would check only at the commit.
    :param ahead: rows of the events that were made before.
    :ivar is_bold: without savepoints.
    """

    def __init__(
        self,
        connection: Connection,
        tables: Tables,
        writers: Writers,
        events: Sequence[Event],
        check_at_once: bool = False,
        ahead: Ahead | None = None,
    ) -> None:
        self._connection = connection
        self._dialect, self._builder, self._keepers = tables
        self._writers = writers
        self._events = events
        self._check_at_once = check_at_once
        self._ahead = ahead
        self.is_bold = False

    def build(self, positions: Sequence[int]) -> tuple[list[Built], list[Refusal]]:
        """
        Make the rows of events; an event of which none can be made is refused like one that the database refuses.

        :param positions: of the events in the batch.
        """
        if self._ahead and (made := self._ahead.take(positions)):
            return made
        return build(self._builder, self._writers, self._events, positions)

    def plain(self, table: str) -> Built:
        """
        Return rows that are made up, of the kind that a built-in table takes if it takes any.

        :param table: its name in the config.
        :raises Exception: no rows can be made at all.
        """
        return Built(-1, self._builder.rows(plain_event(table)), None)

    def put(self, some: Sequence[Built], undo: bool = False) -> None:
        """
        Insert all of these, or none.

        :param some: what is inserted.
        :param undo: undo it; this only shows whether it can be done.
        :raises WorkerError: it cannot, and what that means.
        :raises Spoilt: something was refused, and there was no savepoint.
        """
        if self.is_bold:
            self._put_boldly(some)
            return
        for _ in range(_MOST_MENDED):
            try:
                self._put_once(some, undo)
                return
            except AnotherJob as exc:
                if len(some) > 1 or undo:
                    raise
                event = self._events[some[0].position]
                log.warning("eventsd: %s; it is in eventsd_events instead: %s", exc, event.jid[:JID_LENGTH])
                some = [Built(some[0].position, self._builder.as_event(event), some[0].own)]
            except Refused as exc:
                cause = exc.__cause__.__cause__ if isinstance(exc.__cause__, Failed) else exc.__cause__
                if cause is None or not (done := self._dialect.inserts.mend(self._connection, cause)):
                    raise
                log.warning("eventsd: %s", done)
        raise Transient("what was mended in the database does not stay mended")

    def _put_boldly(self, some: Sequence[Built]) -> None:
        try:
            self._insert(some)
        except Exception as exc:
            cause = exc.__cause__ if isinstance(exc, Failed) else exc
            error = self._dialect.faults.classify(cause or exc)
            raise (error if isinstance(error, Transient) else Spoilt(str(error))) from exc

    def _put_once(self, some: Sequence[Built], undo: bool) -> None:
        failed: Exception | None = None
        try:
            with self._connection.begin_nested() as savepoint:
                try:
                    self._insert(some)
                except Exception as exc:
                    failed = exc
                    raise
                if undo:
                    savepoint.rollback()
        except Exception as exc:
            error = user_tables.classify(self._connection, self._dialect, failed or exc)
            if failed is not exc and isinstance(error, Refused):
                # The savepoint is gone, and with it perhaps the receipts, as after a deadlock.
                error = Transient(str(error))
            raise error from exc

    def _insert(self, some: Sequence[Built]) -> None:
        """Insert all of these, which raises if one of them is refused."""
        by_table: defaultdict[str, list[Row]] = defaultdict(list)
        minions: dict[str, Row] = {}
        for one in some:
            for name, row in one.rows:
                if name != "minions":
                    by_table[name].append(row)
                    continue
                known = minions.setdefault(row["minion_id"], row)
                if row["last_seen"] >= known["last_seen"]:
                    minions[row["minion_id"]] = {**row, "first_seen": known["first_seen"]}
        usual = [one.usual for one in some if one.usual]
        others = [one for one in some if not one.usual] if len(usual) < len(some) else []
        together: dict[str, list[Run]] = {
            "returns": list(runs_of(usual, [one.returned for one in others if one.returned])),
            "states": [one.run for one in others if one.run],
        }
        # Always in the same order, so that two batches in flight cannot block each other.
        if minions:
            by_table["minions"] = [minions[key] for key in sorted(minions)]
        for table, keep in self._keepers.items():
            rows: Sequence[Row] = by_table.get(table, [])
            if together.get(table):
                rows = Runs(together[table], rows)
            if rows:
                try:
                    keep(self._connection, rows)
                except Exception as exc:
                    raise Failed(f"{PREFIX}{table}") from exc
        user_tables.write(self._connection, [one.own for one in others if one.own is not None])
        if self._check_at_once:
            self._dialect.inserts.check_constraints(self._connection)
