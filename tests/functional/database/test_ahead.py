"""SQLite has one writer at a time: batches wait for each other in here, and their rows are made meanwhile."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tests.support.events import numbered, returned
from tests.support.kinds import SQLITE
from tests.support.stores import Buried, Database, batch_of

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
