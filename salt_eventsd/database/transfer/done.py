"""
Which parts of the line a replay has sent on already, noted as the receipts of a life of its own.

In a SQL database they are inserted in the transaction that writes the rows, as those of any batch. Of a backend that is
none, they are noted in the history itself, once a batch is written.
"""

from __future__ import annotations

import hashlib
import json

from sqlalchemy.engine import Connection, Engine

from salt_eventsd.database import migrate
from salt_eventsd.database.made import made
from salt_eventsd.database.receipts import Receipts, covered, forget_life
from salt_eventsd.database.retention.pace import Pace
from salt_eventsd.database.transfer.history import TABLES
from salt_eventsd.database.transfer.slices import Span, gaps
from salt_eventsd.database.transfer.tries import Tries
from salt_eventsd.event.chunk import StoredChunk
from salt_eventsd.exceptions import Held
from salt_eventsd.workers.write import Batch

_LANE = "replay"


def replay_of(history: str, rule: str, worker: str) -> str:
    """
    Return the id of a replay: the same replay has the same again.

    :param history: tells its database from others, without a password.
    :param rule: the rule's whole name.
    :param worker: the worker's name.
    """
    return _digest("replay", history, rule, worker)


class Done:
    """
    What one replay has sent on.

    :param engine: of the database that has the receipts; one that only reads is enough to look.
    :param replay: from :func:`replay_of`.
    :param pace: waits before something is tried again.
    """

    def __init__(self, engine: Engine, replay: str, pace: Pace) -> None:
        self._database = Tries(engine, pace)
        self._replay = replay

    def left(self, table: str, span: Span) -> list[Span]:
        """
        Return what of a span is left to do.

        :param table: the table of the history.
        :param span: part of its line.
        :raises WorkerError: the database is away, or of another version.
        """
        found = made(self._database.engine).version
        if found is None:
            return [span]
        if found != migrate.HEAD:
            raise Held(f"the tables there are of version {found}, expected {migrate.HEAD}: eventsd.schema upgrade")
        return gaps(span, self._database.ask(covered, self._life(table), _LANE, *span))

    def chunk(self, table: str, span: Span, events: int, size: int) -> StoredChunk:
        """
        Return a part of the line as the chunk of a batch.

        :param table: the table of the history.
        :param span: the part.
        :param events: how many go.
        :param size: how many bytes they have.
        """
        return StoredChunk(span.last, _LANE, False, events, size, 0.0, self._life(table), span.first)

    def note(self, batch: Batch) -> None:
        """
        Note that a batch is written, where its backend did not.

        :param batch: of one chunk.
        :raises WorkerError: it is not noted.
        """

        def insert(connection: Connection) -> None:
            Receipts().take(connection, batch)

        self._database.ask(insert)

    def forget(self) -> None:
        """
        Forget all of it, to do it once more.

        :raises WorkerError: nothing is forgotten.
        """
        if made(self._database.engine).version == migrate.HEAD:
            for table in TABLES:
                self._database.ask(forget_life, self._life(table))

    def _life(self, table: str) -> str:
        """Each table has a line of its own."""
        return _digest(self._replay, table)


def _digest(*names: str) -> str:
    return hashlib.sha256(json.dumps(names).encode()).hexdigest()[:32]
