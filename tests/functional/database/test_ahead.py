"""SQLite has one writer at a time: batches wait for each other in here, and their rows are made meanwhile."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from salt_eventsd.database import building
from salt_eventsd.event.chunk import StoredChunk
from tests.support.events import numbered, returned
from tests.support.kinds import SQLITE
from tests.support.lanes import eventually
from tests.support.stores import SPOOL, Buried, Database, batch_of

pytestmark = pytest.mark.parametrize("database_kind", [SQLITE], indirect=True)


def _wait_for_nobody(connection: Connection) -> None:
    link: Any = connection.connection.dbapi_connection
    link.execute("PRAGMA busy_timeout = 0")


def test_many_batches_at_once_are_written_without_one_having_to_try_again(made: Database) -> None:
    # Given: SQLite itself would have none of them wait
    worker = made.worker()
    sa.event.listen(worker.worker._engine, "begin", _wait_for_nobody, insert=True)
    worker.write(batch_of(numbered(1), first=1))
    batches = [batch_of(numbered(200, start=1 + 200 * at), first=2 + at) for at in range(12)]

    # When
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(worker.write, batches))

    # Then
    assert sorted(made.column("returns", "jid"), key=int) == [str(n) for n in range(1 + 200 * 12)]


def test_rows_made_ahead_are_of_the_events_that_are_written_then(made: Database) -> None:
    # Given: another engine writes a chunk of the next batch, and one of its events is bad
    worker, buried = made.worker(), Buried()
    worker.write(batch_of(numbered(1), first=1))
    made.refuse("returns", "fun = 'poison'")
    bad = returned(6, jid="6", fun="poison")
    made.worker().write(batch_of(numbered(3, start=1), first=2))

    # When
    worker.write(batch_of(numbered(3, start=1), [*numbered(2, start=4), bad], first=2, replay=True, buried=buried))

    # Then
    assert buried.positions == [5]
    assert sorted(made.column("returns", "jid")) == [str(n) for n in range(6)]


def test_rows_made_ahead_name_the_master_of_their_batch(made: Database) -> None:
    # Given
    worker = made.worker()
    worker.write(batch_of(numbered(1), first=1))

    # When
    worker.write(replace(batch_of(numbered(1, start=1), first=2), master="another"))
    worker.write(batch_of(numbered(1, start=2), first=3))

    # Then
    found = {row["jid"]: row["master_id"] for row in made.rows("returns")}
    assert found["1"] == "another"
    assert found["2"] == found["0"]


def test_rows_of_one_batch_at_a_time_are_made_ahead_but_for_prio(made: Database, monkeypatch: Any) -> None:
    # Given: whoever makes rows ahead is held up
    worker = made.worker()
    worker.write(batch_of(numbered(1), first=1))
    making: list[int] = []
    go_on = threading.Event()

    def held_up(builder: Any, events: Any, master: str) -> Any:
        making.append(len(events))
        assert go_on.wait(20)
        return building.ahead_of(builder, events, master)

    monkeypatch.setattr("salt_eventsd.database.store.ahead_of", held_up)
    prio = StoredChunk(4, "history", True, 3, 100, 1.0, SPOOL, 4)
    urgent = replace(batch_of(numbered(3, start=5), first=4), origins={4: prio})

    # When
    with ThreadPoolExecutor(3) as pool:
        written = [pool.submit(worker.write, batch_of(numbered(2, start=1 + 2 * at), first=2 + at)) for at in range(2)]
        eventually(lambda: making == [2])
        written.append(pool.submit(worker.write, urgent))
        eventually(lambda: making == [2, 3])

        # Then
        go_on.set()
        for one in written:
            one.result(20)
    assert making == [2, 3, 2]
    assert sorted(made.column("returns", "jid")) == [str(n) for n in range(8)]
