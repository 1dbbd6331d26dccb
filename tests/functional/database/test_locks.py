"""Others work in the database, too: a deadlock, or a lock that is waited for too long, is a reason to try again."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from salt_eventsd.exceptions import Transient
from tests.support.events import numbered
from tests.support.servers import Server
from tests.support.stores import SPOOL, Buried, Database, batch_of

_WAITING = {
    "postgresql": "SELECT count(*) FROM pg_stat_activity"
    " WHERE wait_event_type = 'Lock' AND datname = current_database()",
    "mysql": "SELECT count(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'",
}


def wait_until_it_waits(served: Database) -> None:
    """Wait until the worker's transaction waits for a lock."""
    deadline = time.monotonic() + 20
    with served.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        while not connection.exec_driver_sql(_WAITING[served.kind]).scalar():
            assert time.monotonic() < deadline, "nothing waits for a lock"
            time.sleep(0.2)


def test_a_deadlock_is_tried_again_and_costs_nothing(served: Database) -> None:
    # Given
    worker, buried = served.worker(), Buried()
    worker.write(batch_of(numbered(1)))
    served.execute("CREATE TABLE ballast (a INT)")
    batch = batch_of(numbered(20, start=1), first=2, replay=True, buried=buried)
    with ThreadPoolExecutor(1) as pool, served.engine.connect() as other, other.begin() as transaction:
        # So that it is the worker that has to give way: MariaDB ends who has done less, PostgreSQL who looks first.
        other.exec_driver_sql(f"INSERT INTO ballast VALUES {', '.join(['(1)'] * 5000)}")
        if served.kind == "postgresql":
            other.exec_driver_sql("SET deadlock_timeout = '60s'")
        other.exec_driver_sql("UPDATE eventsd_minions SET last_fun = 'x'")

        # When
        writing = pool.submit(worker.write, batch)
        wait_until_it_waits(served)
        other.exec_driver_sql(f"INSERT INTO eventsd_receipts (spool, chunk, stamp) VALUES ('{SPOOL}', 2, now())")
        error = writing.exception(30)
        transaction.rollback()

    # Then
    assert isinstance(error, Transient)
    assert "eadlock" in str(error)
    worker.write(batch)
    assert len(served.rows("returns")) == 21
    assert buried.refusals == []


def test_a_lock_that_is_waited_for_too_long_is_tried_again_and_costs_nothing(served: Database, server: Server) -> None:
    # Given
    name = sa.make_url(served.url).database
    if served.kind == "postgresql":
        server.execute(f"ALTER DATABASE {name} SET lock_timeout = '500ms'")
    else:
        server.execute("SET GLOBAL innodb_lock_wait_timeout = 1")
    worker, buried = served.worker(), Buried()
    worker.write(batch_of(numbered(1)))
    batch = batch_of(numbered(20, start=1), first=2, replay=True, buried=buried)

    # When
    with served.engine.connect() as other, other.begin() as transaction:
        other.exec_driver_sql("UPDATE eventsd_minions SET last_fun = 'x'")
        with pytest.raises(Transient, match="ock"):
            worker.write(batch)
        transaction.rollback()
    worker.write(batch)

    # Then
    assert len(served.rows("returns")) == 21
    assert buried.refusals == []
