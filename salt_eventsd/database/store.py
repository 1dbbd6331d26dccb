"""
Write a batch into the built-in tables and the user's own, exactly once.

The receipts of a batch's chunks are inserted in the same transaction as its rows. A replay after a crash, or after a
commit whose answer was lost, finds them and writes nothing twice.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from typing import ClassVar

from sqlalchemy.engine import Connection, Engine

from salt_eventsd.common.chances import Chances
from salt_eventsd.config.structs import EventRule
from salt_eventsd.database import migrate, schema
from salt_eventsd.database.attempt import Spoilt
from salt_eventsd.database.blame.evidence import Evidence
from salt_eventsd.database.blame.suspects import Suspects, Verdict
from salt_eventsd.database.building import Ahead, ahead_of
from salt_eventsd.database.dialects import dialect_of
from salt_eventsd.database.insertion import Insertion
from salt_eventsd.database.keeping import keeper
from salt_eventsd.database.known import TABLES, Known, Ready, learn
from salt_eventsd.database.migrations.builder import Builder
from salt_eventsd.database.partitions import make
from salt_eventsd.database.probe import try_out
from salt_eventsd.database.receipts import Receipts
from salt_eventsd.database.retention.nightly import Nightly
from salt_eventsd.database.rows import RowBuilder
from salt_eventsd.database.sightings import Sightings
from salt_eventsd.database.turns import Turns
from salt_eventsd.database.user_tables.tables import UserTables
from salt_eventsd.event.chunk import OWN
from salt_eventsd.exceptions import ConfigError, Held, Lost, Refused, SpoolError, Transient, WorkerError
from salt_eventsd.workers.write import Batch, Behind, Refusal

#: A batch of no more events than this is tried without savepoints first. If something in it is refused, that costs it
#: one more try; what many minions send is not to make every large batch be tried twice. So a larger one is only as long
#: as that mostly succeeds.
_BOLD_EVENTS = 100
#: A refusal in one table is not forgotten for what others take: all of them share what is learned.
_KEPT_FAILURES = 0.75
#: Where a connection keeps what is known of its database.
_KNOWN = "eventsd_known"


class Store:
    """
    The tables of one database: the built-in ones, and what the user's rules write to.

    :param engine: of the database.
    :param node_id: the master's (or minion's) id, kept with each row.
    :param truncate: keep the beginning of a value that is too large, rather than bury its event.
    :param rules: the worker's rules by whole name, of which some have tables or statements of the user's own.
    :param states: which results of states get a row: "all", "changed_or_failed" or "none".
    :param load: keep the whole of an event beside its columns; else only what no column has.
    :param partitions: ``month`` or ``day``: tables without rows get partitions; none: they stay as they are.
    :param nightly: deletes each night what is too old; None if everything is kept.
    :param builder: makes the indexes of large tables; None if nobody is to.
    :cvar takes_tables: rules may have ``table`` and ``statement`` for this worker.
    :cvar takes_masters: each batch says whose events it has.
    :cvar makes_way: batches wait for each other, in SQLite for their turn, elsewhere for Python's global lock.
    """

    takes_tables: ClassVar[bool] = True
    takes_masters: ClassVar[bool] = True
    makes_way: ClassVar[bool] = True

    def __init__(
        self,
        engine: Engine,
        node_id: str,
        truncate: bool = True,
        rules: Mapping[str, EventRule] | None = None,
        *,
        nightly: Nightly | None = None,
        states: str = "all",
        load: bool = True,
        partitions: str = "none",
        builder: Builder | None = None,
    ) -> None:
        self._engine = engine
        self._truncate = truncate
        self._dialect = dialect_of(engine)
        self._make_builder = partial(RowBuilder, node_id, self._dialect, truncate=truncate, states=states, load=load)
        #: See :class:`Behind`. In the built-in tables the order of events does not matter.
        self.behind: Behind = self._dialect.inserts.behind
        self._user_tables = UserTables(rules or {}, node_id, self._dialect)
        self._evidence = Evidence()
        self._sightings = Sightings(engine, self._dialect.session)
        self._suspects = Suspects(self._attempt)
        self._receipts = Receipts()
        self._chances = Chances(keeps=_KEPT_FAILURES)
        self._has_been_up = False
        self._turns = Turns(self._dialect.inserts.has_one_writer)
        # Batches that take turns need one connection, and others wait for one as long as they like.
        is_waited_for = any(rule.prio for rule in (rules or {}).values()) and not self._turns.are_taken
        self._ready = Ready(engine, self._known) if is_waited_for else None
        # One batch at a time makes rows before its turn: of two, neither would be ready before both are.
        self._building = threading.Lock()
        # What the last connection makes rows with, if rows are made before their turn.
        self._builder_before: RowBuilder | None = None
        self._deferred = False
        self._nightly = nightly
        self._partitions = partitions
        self._builder = builder

    def start(self) -> None:
        """Begin to look after the history: what is too old has to go also where nothing new comes."""
        if self._nightly:
            self._nightly.start()

    def write(self, batch: Batch) -> None:
        """
        Write a batch in one transaction; what the database refuses of it is buried.

        :param batch: the batch.
        :raises WorkerError: nothing was written, and why.
        :raises SpoolError: nothing was written, for what was refused could not be noted.
        """
        try:
            verdict = self._suspects.of(batch)
            ahead = self._ahead_of(batch)
            with self._turns.take(batch.is_prio):
                self._transact(batch, verdict, ahead)
                self._suspects.forget(batch)
                self._receipts.tidying.run(self._engine, batch.is_prio)
            if self._ready:
                self._ready.open()
        except SpoolError:
            raise
        except Exception as exc:
            raise self._of_all(self._dialect.faults.classify(exc)) from exc

    def _ahead_of(self, batch: Batch) -> Ahead | None:
        """Make rows before it is the batch's turn, as the connection before this one has shown how."""
        if self._builder_before is None:
            return None
        with nullcontext() if batch.is_prio else self._building:
            return ahead_of(self._builder_before, batch.events, batch.master)

    def _transact(self, batch: Batch, verdict: Verdict, ahead: Ahead | None) -> None:
        """
        Write a batch in one transaction, but for events that are known to be bad.

        :raises Exception: nothing was written.
        """
        is_large = len(batch.events) > _BOLD_EVENTS
        boldly = not verdict.bad and verdict.pieces == 1
        # What a table keeps that knows no transactions would be there twice.
        boldly = boldly and (self._dialect.inserts.undoes_all or all(event.into != OWN for event in batch.events))
        if is_large:
            boldly = boldly and self._chances.take()
        else:
            boldly = boldly and not batch.replay
        with self._engine.connect() as connection:
            known = self._known(connection)
            if ahead and ahead.builder is not known.tables.builder:
                ahead = None
            try:
                self._insert(connection, known, batch, verdict, ahead, boldly)
                if is_large and boldly:
                    self._chances.succeeded()
            except Spoilt:
                if is_large:
                    self._chances.failed()
                self._insert(connection, known, batch, verdict)

    def _insert(
        self,
        connection: Connection,
        known: Known,
        batch: Batch,
        verdict: Verdict,
        ahead: Ahead | None = None,
        boldly: bool = False,
    ) -> None:
        """
        Do so over a connection.

        :raises Spoilt: nothing was written, for something was refused that was inserted boldly.
        """
        bad = verdict.bad
        with connection.begin():
            chunks, todo, before = self._receive(connection, batch)
            insertion = self._insertion(connection, known, batch, todo, ahead)
            try:
                refusals = insertion.run([at for at in todo if at not in bad], verdict.pieces, boldly)
            except Lost:
                self._suspects.note(batch)
                raise
            refusals = sorted([*refusals, *((at, bad[at]) for at in todo if at in bad)])
            if refusals:
                self._receipts.note(connection, batch, refusals)
            # Where an earlier try has written a chunk, what it buried of that chunk stays buried.
            batch.bury([*before, *refusals], chunks)
        self._evidence.took(insertion.taken, [batch.name_of(chunk) for chunk in chunks])
        refused = {at for at, _ in refusals}
        self._sightings.note(insertion.seen, insertion.put_off(refused))
        if refusals:
            # Somebody may mend the table and put back what was refused.
            self._user_tables.forget()

    def _insertion(
        self, connection: Connection, known: Known, batch: Batch, todo: Sequence[int], ahead: Ahead | None = None
    ) -> Insertion:
        owned = {event.rule for at in todo if (event := batch.events[at]).into == OWN}
        writers = self._user_tables.writers(connection, owned, known.values, batch.master)
        chunks = [name for chunk, events in batch.chunks for name in [batch.name_of(chunk)] * events]
        tables = known.tables
        if batch.master:
            tables = tables._replace(builder=tables.builder.of(batch.master))
        noted = (self._evidence, self._sightings)
        late = self._deferred
        return Insertion(connection, tables, writers, batch.events, chunks, *noted, check_at_once=late, ahead=ahead)

    def _attempt(self, batch: Batch, positions: Sequence[int]) -> None:
        """
        Insert some events of a batch over a new connection and undo it; with no events, do so with a plain row.

        :raises Lost: the connection was lost over them.
        :raises Transient: there was none, or a plain row is not taken now.
        """
        self._renew()
        over_them = False
        try:
            with self._engine.connect() as connection:
                known = self._known(connection)
                with connection.begin() as transaction:
                    _, todo, _ = self._receive(connection, batch)
                    some = sorted(set(todo).intersection(positions))
                    insertion = self._insertion(connection, known, batch, some)
                    over_them = bool(positions)
                    insertion.attempt(some)
                    over_them = False
                    transaction.rollback()
        except Exception as exc:
            error = self._dialect.faults.classify(exc)
            if isinstance(error, Lost) and not over_them:
                error = Transient(str(error))
            raise error from exc

    def _of_all(self, error: WorkerError) -> WorkerError:
        """Classify an error that no single event caused: of the connection, the receipts or the commit."""
        if isinstance(error, Refused):
            if self._deferred:
                error = Held(str(error))
            else:
                # Perhaps a constraint that the database checks only at the commit: the next try checks it earlier.
                self._deferred = True
                error = Transient(str(error))
        self._renew()
        return error

    def _renew(self) -> None:
        """
        Make the next try begin with new connections, and with nothing known of the database.

        Some databases decide what a connection may do when it is made. A new one may also lead to another server, with
        other limits, or to a database that was made again, without our tables.
        """
        self._user_tables.forget()
        self._engine.dispose()

    def check(self) -> str:
        """
        Return a line about the database as it is now, having tried and undone what :meth:`write` does with it.

        :raises WorkerError: it cannot be reached, or would refuse everything.
        :raises ConfigError: it can, and a rule of the user's own does not fit what is in it.
        """
        # A file that was there and is gone must not pass for one that nobody has made yet.
        engine = self._engine if self._has_been_up else self._dialect.session.to_look(self._engine)
        try:
            with engine.connect() as connection:
                found = migrate.version(connection)
                problems = self._user_tables.problems(connection)
                connection.rollback()
                tables = (*TABLES.values(), schema.receipts)
                lacks = try_out(connection, self._dialect, tables, keeper, found)
        except Exception as exc:
            raise self._of_all(self._dialect.faults.classify(exc)) from exc
        if problems:
            raise ConfigError(problems)
        made = f"tables of version {found}" if found else "tables not made yet"
        return ", ".join(part for part in ("reachable", made, lacks) if part)

    def close(self) -> None:
        """Write what was put off, and close the connections that are not in use."""
        if self._ready:
            self._ready.close()
        self._sightings.close()
        if self._nightly:
            self._nightly.stop()
        if self._builder:
            self._builder.stop()
        self._engine.dispose()

    def _known(self, connection: Connection) -> Known:
        """
        Return what is known of the database; each new connection learns it again.

        :param connection: with no transaction begun.
        """
        if (known := connection.info.get(_KNOWN)) is None:
            if not migrate.ensure_on(connection, self._dialect) and self._builder:
                self._builder.start()
            make.ensure_or_say(connection, self._dialect, self._partitions)
            self._has_been_up = True
            self._user_tables.forget()
            self._sightings.forget()
            known = connection.info[_KNOWN] = learn(connection, self._dialect, self._make_builder, self._truncate)
        if self._turns.are_taken:
            self._builder_before = known.tables.builder
        return known

    def _receive(self, connection: Connection, batch: Batch) -> tuple[set[int], list[int], list[Refusal]]:
        """
        Insert the receipts; return the chunks of which something is to be written or set aside, the positions of the
        events to write, and what was refused when the others were written.
        """
        known = self._receipts.take(connection, batch)
        todo: list[int] = []
        before: list[Refusal] = []
        start = 0
        for chunk, events in batch.chunks:
            if chunk in known:
                before.extend((start + at, why) for at, why in known[chunk] if at < events)
            else:
                todo.extend(range(start, start + events))
            start += events
        return {chunk for chunk, _ in batch.chunks if known.get(chunk) != []}, todo, before
