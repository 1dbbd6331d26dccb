"""
Insert the events of a batch, and find those that the database refuses: a batch that is refused is split until the bad
events stand alone, each try in a savepoint of its own.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlalchemy.engine import Connection

from salt_eventsd.database import own
from salt_eventsd.database.dialects import Dialect
from salt_eventsd.database.keeping import Keeper
from salt_eventsd.database.merging import AnotherJob
from salt_eventsd.database.own import Writers
from salt_eventsd.database.rows import Row, RowBuilder
from salt_eventsd.database.schema import JID_LENGTH
from salt_eventsd.database.writers import Writer
from salt_eventsd.errors import brief
from salt_eventsd.event import Event
from salt_eventsd.exceptions import Refused, Transient
from salt_eventsd.rules import OWN
from salt_eventsd.settle import isolate
from salt_eventsd.workers import Refusal

log = logging.getLogger(__name__)

#: How often in one try something is mended in the database.
_MOST_MENDED = 4

#: Rows of built-in tables, each with the name of its table.
Rows = list[tuple[str, Row]]


class _Built(NamedTuple):
    """
    What is written for an event.

    :param position: of the event in its batch.
    :param rows: of built-in tables.
    :param own: of a table or statement of the user's own.
    """

    position: int
    rows: Rows
    own: tuple[Writer, Row] | None


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


class Insertion:
    """
    One batch's way into the database.

    :param connection: in a transaction.
    :param tables: of the database.
    :param writers: of the rules with tables and statements of the user's own that have events in the batch.
    :param events: of the batch.
    :param check_at_once: have constraints looked at now that would be looked at only when committing.
    """

    def __init__(
        self,
        connection: Connection,
        tables: Tables,
        writers: Writers,
        events: Sequence[Event],
        check_at_once: bool = False,
    ) -> None:
        self._connection = connection
        self._dialect, self._builder, self._keepers = tables
        self._writers = writers
        self._events = events
        self._check_at_once = check_at_once
        self._refusals: list[Refusal] = []

    def run(self, todo: Sequence[int]) -> list[Refusal]:
        """
        Insert, and return what was refused.

        :param todo: positions of the events that are to be inserted.
        :raises WorkerError: none of them was, and why.
        """
        built = self._build(todo)
        if built:
            self._refusals += [(built[at].position, why) for at, why in isolate(built, self._try)]
        return sorted(self._refusals)

    def _build(self, positions: Sequence[int]) -> list[_Built]:
        built: list[_Built] = []
        for position in positions:
            event = self._events[position]
            try:
                if event.into == OWN:
                    built.append(_Built(position, [], own.row_of(self._writers, event)))
                else:
                    built.append(_Built(position, self._builder.rows(event), None))
            except Exception as exc:  # an event no row can be made of is refused like one the database refuses
                self._refusals.append((position, brief(exc)))
        return built

    def _try(self, some: Sequence[_Built]) -> None:
        """Insert all of these; where that fails, undo it and raise what it means."""
        for _ in range(_MOST_MENDED):
            try:
                self._try_once(some)
                return
            except AnotherJob as exc:
                if len(some) > 1:
                    raise
                event = self._events[some[0].position]
                log.warning("eventsd: %s; it is in eventsd_events instead: %s", exc, event.jid[:JID_LENGTH])
                some = [some[0]._replace(rows=self._builder.as_event(event))]
            except Refused as exc:
                cause = exc.__cause__
                if cause is None or not (done := self._dialect.mend(self._connection, cause)):
                    raise
                log.warning("eventsd: %s", done)
        raise Transient("what was mended in the database does not stay mended")

    def _try_once(self, some: Sequence[_Built]) -> None:
        failed: Exception | None = None
        try:
            with self._connection.begin_nested():
                try:
                    self._insert(some)
                    if self._check_at_once:
                        self._dialect.check_constraints(self._connection)
                except Exception as exc:
                    failed = exc
                    raise
        except Exception as exc:
            error = own.judged(self._connection, failed or exc)
            if failed is not exc and isinstance(error, Refused):
                # The savepoint could not be gone back to. With it may have gone the receipts, as in a deadlock.
                error = Transient(str(error))
            raise error from exc

    def _insert(self, some: Sequence[_Built]) -> None:
        by_table: dict[str, list[Row]] = {}
        minions: dict[str, Row] = {}
        for one in some:
            for name, row in one.rows:
                if name != "minions":
                    by_table.setdefault(name, []).append(row)
                    continue
                known = minions.setdefault(row["minion_id"], row)
                if row["last_seen"] >= known["last_seen"]:
                    minions[row["minion_id"]] = {**row, "first_seen": known["first_seen"]}
        # In one order everywhere, so that two batches in flight cannot lock each other out.
        if minions:
            by_table["minions"] = [minions[key] for key in sorted(minions)]
        for table, keep in self._keepers.items():
            if rows := by_table.get(table):
                keep(self._connection, rows)
        own.write(self._connection, [one.own for one in some if one.own is not None])
