"""
Insert the events of a batch, and find those that the database refuses: a batch that is refused is split until the bad
events stand alone, each try in a savepoint of its own.

Whether the events are to blame, or their table, is told by what else the table takes: see
:mod:`salt_eventsd.database.blame.evidence`.
"""

from __future__ import annotations

import logging
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy.engine import Connection

from salt_eventsd.database.blame.evidence import Evidence, Rejected
from salt_eventsd.database.blame.plain import plain_event
from salt_eventsd.database.dialects import Dialect
from salt_eventsd.database.keeping import Keeper
from salt_eventsd.database.merging import AnotherJob
from salt_eventsd.database.rows import Row, RowBuilder
from salt_eventsd.database.schema import JID_LENGTH
from salt_eventsd.database.user_tables import tables as user_tables
from salt_eventsd.database.user_tables.tables import Failed, Writers
from salt_eventsd.database.user_tables.writer import Writer
from salt_eventsd.event.chunk import OWN
from salt_eventsd.event.parse import Event
from salt_eventsd.exceptions import Doubted, Held, Refused, Transient
from salt_eventsd.redact.error_text import one_line
from salt_eventsd.workers.isolate import Sieve
from salt_eventsd.workers.write import Refusal

log = logging.getLogger(__name__)

#: How often in one try something is mended in the database.
_MOST_MENDED = 4

#: Where a table has refused all that was tried, so many events are tried before all are.
_SAMPLE = 12
#: Rows of built-in tables, each with the name of its table.
Rows = list[tuple[str, Row]]


_PREFIX = "eventsd_"


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

    @property
    def targets(self) -> set[str]:
        """The tables and the rule it has rows for, by their names."""
        return {self.own[0].key} if self.own else {_PREFIX + name for name, _ in self.rows}


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
    :param chunks: the chunk of each event.
    :param evidence: what earlier tries have shown.
    :param check_at_once: have constraints looked at now that would be looked at only when committing.
    :ivar taken: how many rows tables and rules have taken, by their names.
    """

    def __init__(
        self,
        connection: Connection,
        tables: Tables,
        writers: Writers,
        events: Sequence[Event],
        chunks: Sequence[int],
        evidence: Evidence,
        check_at_once: bool = False,
    ) -> None:
        self._connection = connection
        self._dialect, self._builder, self._keepers = tables
        self._writers = writers
        self._events = events
        self._chunks = chunks
        self._evidence = evidence
        self._check_at_once = check_at_once
        self._refusals: list[Refusal] = []
        self._probed: dict[tuple[str, bool, bool], bool] = {}
        self.taken: Counter[str] = Counter()

    def run(self, todo: Sequence[int], pieces: int = 1) -> list[Refusal]:
        """
        Insert, and return what was refused.

        :param todo: positions of the events that are to be inserted.
        :param pieces: in how many pieces they are sent.
        :raises WorkerError: none of them was, and why.
        """
        built = self._build(todo)
        if self._refusals and not built:
            self._must_build()
        refused: list[tuple[int, Refused]] = []
        size = max(1, -(-len(built) // pieces))
        for start in range(0, len(built), size):
            refused += [(start + at, error) for at, error in self._separated(built[start : start + size])]
        bad = {at for at, _ in refused}
        self._note([one for at, one in enumerate(built) if at not in bad] if bad else built)
        doubted: dict[str, list[tuple[_Built, Rejected]]] = {}
        without_place = Counter(
            error.target for _, error in refused if isinstance(error, Rejected) and error.has_no_place
        )
        for at, error in refused:
            one = built[at]
            if isinstance(error, Rejected) and not self._takes(one, error, without_place[error.target]):
                doubted.setdefault(error.target, []).append((one, error))
            elif not self._taken_after_all(one, error):
                self._refusals.append((one.position, one_line(error)))
        for target, some in doubted.items():
            self._doubt(target, [one for one, _ in some], some[0][1])
        return sorted(self._refusals)

    def attempt(self, todo: Sequence[int]) -> None:
        """
        See whether the connection survives events, whatever else becomes of them; all of it is to be undone.

        :param todo: their positions; with none, a plain row is tried.
        :raises Lost: it does not.
        :raises Transient: no event's doing.
        """
        built = self._build(todo) if todo else [_Built(-1, self._builder.rows(plain_event("returns")), None)]
        if built:
            Sieve(self._try).put(built)

    def _separated(self, built: Sequence[_Built]) -> list[tuple[int, Refused]]:
        """Insert what may be inserted; return the places of the others, each with its error."""
        try:
            self._try(built)
        except Rejected as exc:
            self._spare(exc, built)
            if len(built) == 1:
                return [(0, exc)]
        except Refused as exc:
            if len(built) == 1:
                return [(0, exc)]
        else:
            return []
        half = len(built) // 2
        sieve = Sieve(self._try)
        sieve.put(built[:half])
        sieve.put(built[half:], half)
        return sieve.errors

    def _spare(self, error: Rejected, built: Sequence[_Built]) -> None:
        """
        Try some events before all of them, where all are refused most likely: no such table, or so it was before.

        :raises Held: none of them is taken.
        """
        target = error.target
        is_ours_and_general = error.looks_general and target.startswith(_PREFIX)
        if not (self._evidence.is_doubted(target) or is_ours_and_general) or self._probe(target, error):
            return
        concerned = [one for one in built if target in one.targets]
        if any(self._evidence.is_refuted(target, self._chunks[one.position]) for one in concerned):
            return
        if any(map(self._is_taken, random.sample(concerned, min(_SAMPLE, len(concerned))))):
            return
        if is_ours_and_general:
            raise Held(str(error)) from error
        self._doubt(target, concerned, error)

    def _doubt(self, target: str, some: Sequence[_Built], error: Rejected) -> None:
        chunks = {self._chunks[one.position] for one in some}
        self._evidence.doubt(target, chunks)
        said = str(error) if target in str(error) else f"{target}: {error}"
        raise Doubted(f"{said} (no event was taken with it, so none is set aside)", chunks)

    def _takes(self, one: _Built, error: Rejected, without_place: int) -> bool:
        """Return whether there is evidence that a table takes rows of others."""
        target = error.target
        if error.has_no_place and not target.startswith(_PREFIX):
            # A few that come late have a place still when most have none any more: the partition of a new month.
            return self.taken[target] >= without_place
        if self.taken[target] or self._evidence.is_refuted(target, self._chunks[one.position]):
            return True
        return self._probe(target, error)

    def _probe(self, target: str, error: Rejected) -> bool:
        """Return whether a table takes a row that is made up for the purpose."""
        key = (target, error.is_a_value, error.has_no_place)
        if key not in self._probed:
            self._probed[key] = any(self._is_taken(one) for one in self._made_up(target, error))
        return self._probed[key]

    def _made_up(self, target: str, error: Rejected) -> Iterator[_Built]:
        if target.startswith(_PREFIX):
            yield _Built(-1, self._builder.rows(plain_event(target.removeprefix(_PREFIX))), None)
            return
        writer = next((one for one in self._writers.values() if one.key == target), None)
        # A row that was taken once has had its place in the table, which says nothing of that of others.
        if writer is None or error.has_no_place or not writer.can_undo(self._connection):
            return
        if (good := self._evidence.good(target)) is not None:
            yield _Built(-1, [], (writer, good))
        if error.is_a_value:
            for row in writer.plain_rows(self._connection):
                yield _Built(-1, [], (writer, row))

    def _is_taken(self, one: _Built) -> bool:
        try:
            self._try([one], undo=True)
        except (Refused, Held):
            return False
        return True

    def _taken_after_all(self, one: _Built, error: Refused) -> bool:
        """Try an event once more whose refusal may have had a reason that was there for a moment only."""
        if not isinstance(error, Rejected) or error.is_a_value:
            return False
        try:
            self._try([one])
        except Refused:
            return False
        self._note([one])
        return True

    def _note(self, some: Sequence[_Built]) -> None:
        """Note what was taken."""
        for name, count in Counter(name for one in some for name, _ in one.rows).items():
            self.taken[_PREFIX + name] += count
        own_rows = [one.own for one in some if one.own]
        self.taken.update(writer.key for writer, _ in own_rows)
        for writer, row in {writer.key: (writer, row) for writer, row in own_rows}.values():
            self._evidence.note_good(writer.key, row)

    def _must_build(self) -> None:
        """Where no row can be made of any event, see whether that is the events' doing."""
        try:
            self._builder.rows(plain_event("returns"))
        except Exception as exc:
            raise Held(f"no rows can be made of any event: {one_line(exc)}") from exc

    def _build(self, positions: Sequence[int]) -> list[_Built]:
        built: list[_Built] = []
        for position in positions:
            event = self._events[position]
            try:
                if event.into == OWN:
                    built.append(_Built(position, [], user_tables.row_of(self._writers, event)))
                else:
                    built.append(_Built(position, self._builder.rows(event), None))
            except Exception as exc:  # an event no row can be made of is refused like one the database refuses
                self._refusals.append((position, one_line(exc)))
        return built

    def _try(self, some: Sequence[_Built], undo: bool = False) -> None:
        """Insert all of these; where that fails, undo it and raise what it means."""
        for _ in range(_MOST_MENDED):
            try:
                self._try_once(some, undo)
                return
            except AnotherJob as exc:
                if len(some) > 1 or undo:
                    raise
                event = self._events[some[0].position]
                log.warning("eventsd: %s; it is in eventsd_events instead: %s", exc, event.jid[:JID_LENGTH])
                some = [some[0]._replace(rows=self._builder.as_event(event))]
            except Refused as exc:
                cause = exc.__cause__.__cause__ if isinstance(exc.__cause__, Failed) else exc.__cause__
                if cause is None or not (done := self._dialect.inserts.mend(self._connection, cause)):
                    raise
                log.warning("eventsd: %s", done)
        raise Transient("what was mended in the database does not stay mended")

    def _try_once(self, some: Sequence[_Built], undo: bool) -> None:
        failed: Exception | None = None
        try:
            with self._connection.begin_nested() as savepoint:
                try:
                    self._insert(some)
                    if self._check_at_once:
                        self._dialect.inserts.check_constraints(self._connection)
                except Exception as exc:
                    failed = exc
                    raise
                if undo:
                    savepoint.rollback()
        except Exception as exc:
            error = user_tables.classify(self._connection, self._dialect, failed or exc)
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
                try:
                    keep(self._connection, rows)
                except Exception as exc:
                    raise Failed(f"{_PREFIX}{table}") from exc
        user_tables.write(self._connection, [one.own for one in some if one.own is not None])
