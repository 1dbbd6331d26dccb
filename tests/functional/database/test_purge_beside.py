"""A partition goes while others write, and somebody reads for long: nobody waits for that."""

from __future__ import annotations

import threading
import time
from datetime import datetime, timedelta, timezone
from itertools import count

import pytest
import sqlalchemy as sa

from salt_eventsd.database import schema
from salt_eventsd.database.dialects import dialect_of
from salt_eventsd.database.engines import SqlOptions, make_engine
from salt_eventsd.database.partitions import make, ranges
from salt_eventsd.database.retention.pace import Pace
from tests.support.aged import Answer, jid_of, job_events, purging
from tests.support.stores import Database, batch_of

# They measure waits, and what a busy machine does to those.
pytestmark = pytest.mark.slow

KEEP = {"returns": "90d", "events": "90d"}
_READ_SECONDS = 20.0


@pytest.fixture
def parted(served: Database) -> Database:
    """Partitions of months, of which some are too old; a job in one of them."""
    served.make_tables()
    today = datetime.now(timezone.utc).date()
    engine = make_engine(SqlOptions(url=served.url))
    with engine.connect() as connection:
        dialect = dialect_of(connection)
        for table, column in make.COLUMNS.items():
            dialect.partitions.begin(connection, table)
            with connection.begin():
                past = ranges.since("month", today - timedelta(days=150), today)
                dialect.partitions.convert(connection, table, column, past)
    engine.dispose()
    served.worker().write(batch_of(job_events(jid_of(140), 140, Answer("web1", 140, states=2))))
    return served


def test_writers_hardly_wait_for_a_purge_that_waits_for_a_reader(parted: Database) -> None:
    # Given somebody who has the tables for long, and a writer
    worker, numbers, waits = parted.worker(), count(10), list[float]()
    is_over = threading.Event()

    def write() -> None:
        while not is_over.wait(0.02):
            began = time.monotonic()
            worker.write(batch_of(job_events(jid_of(1), 1, Answer("web1", 1, states=2)), first=next(numbers)))
            waits.append(time.monotonic() - began)

    def read() -> None:
        with parted.engine.connect() as reader:
            for table in make.COLUMNS:
                reader.execute(sa.select(sa.func.count()).select_from(sa.table(table.name)))
            has_begun.set()
            time.sleep(_READ_SECONDS)

    has_begun = threading.Event()
    threads = [threading.Thread(target=one) for one in (read, write)]
    for thread in threads:
        thread.start()
    has_begun.wait(60)

    # When
    began = time.monotonic()
    with purging(parted, KEEP, Pace()) as one:
        counts = one.run()
    took = time.monotonic() - began
    is_over.set()
    for thread in threads:
        thread.join()

    # Then the partition goes once the reader has ended, and until then no write took long
    assert took > _READ_SECONDS / 2
    assert [name for name in one.partitions if name.startswith(schema.returns.name)]
    assert counts["returns", "succeeded"] == 1
    assert len(waits) > 50
    assert max(waits) < 1.5
    assert len(parted.rows("jobs")) == len(waits)
    assert len(parted.rows("returns")) == len(waits)
