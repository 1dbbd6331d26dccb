"""
How many connections a worker has, however many rules of the user's own there are, and that an event with prio waits
for none of them to be opened.
"""

from __future__ import annotations

import gc
import threading
import time
import weakref
from contextlib import ExitStack

import msgspec
import pytest
import sqlalchemy as sa

from salt_eventsd.config.structs import EventRule
from salt_eventsd.exceptions import Transient
from salt_eventsd.workers.load import BESIDE
from tests.support.events import numbered
from tests.support.lanes import eventually
from tests.support.own import by_statement, carrying
from tests.support.servers import PostgreSQL
from tests.support.stores import Database, batch_of

#: That of the workers a test makes.
CONCURRENCY = 2
URGENT = {"alarms": msgspec.convert({"tag": "company/alarm/", "prio": 1}, EventRule)}
USUAL = {"alarms": msgspec.convert({"tag": "company/alarm/"}, EventRule)}
_OURS = {
    "postgresql": "SELECT count(*) FROM pg_stat_activity"
    " WHERE application_name = 'salt-eventsd' AND datname = current_database()",
    "mysql": "SELECT count(*) FROM information_schema.processlist WHERE db = database() AND id <> connection_id()",
}


def connections(database: Database) -> int:
    """How many connections workers have to a database."""
    return int(database.query(_OURS[database.kind])[0][0])


def test_three_hundred_rules_take_no_more_connections_than_a_few(postgresql: PostgreSQL) -> None:
    # Given
    database = Database(postgresql.new_database())
    database.make_tables()
    database.close()
    database.execute("CREATE TABLE slept (a INT)")
    # The server ends a connection a moment after it was closed, and has those of other tests.
    ours = (
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'salt-eventsd' AND datname = current_database()"
    )
    eventually(lambda: database.query(ours) == [(0,)])
    slow = "INSERT INTO slept SELECT :a FROM pg_sleep(0.3)"
    rules = {}
    for number in range(300):
        rules.update(by_statement(slow, name=f"rule{number}", fields={"a": "data.a"}))
    worker = database.worker(rules)
    batches = [batch_of([carrying({"a": number}, f"rule{number}")], first=number + 1) for number in range(16)]

    # When: more threads than there are connections
    threads = [threading.Thread(target=worker.write, args=(batch,)) for batch in batches]
    for thread in threads:
        thread.start()
    seen = []
    while any(thread.is_alive() for thread in threads):
        seen += database.query(ours)
        time.sleep(0.05)

    # Then
    assert database.query("SELECT count(*) FROM slept") == [(16,)]
    assert 2 < max(count for (count,) in seen) <= CONCURRENCY + worker.behind.overlap + 1 + BESIDE
    database.close()


@pytest.mark.parametrize("rules", [URGENT, USUAL], ids=["prio", "usual"])
def test_an_event_with_prio_waits_for_no_connection_to_be_opened(served: Database, rules: dict[str, EventRule]) -> None:
    # Given: all places but one are taken, by batches that nobody has written before
    worker = served.worker(rules)
    worker.write(batch_of(numbered(1)))
    engine = worker.worker._engine
    places = CONCURRENCY + worker.behind.overlap + 1
    is_ready = rules is URGENT
    if is_ready:
        eventually(lambda: connections(served) == places and not engine.pool.checkedout())
    asked: list[str] = []
    sa.event.listen(engine, "connect", lambda *_: asked.append("a new connection"))
    sa.event.listen(engine, "before_cursor_execute", lambda *args: asked.append(args[2]))

    # When
    with ExitStack() as taken:
        for _ in range(places - 1):
            taken.enter_context(engine.connect())
        worker.write(batch_of(numbered(1, start=1), first=2))

    # Then: receipts, a return, its minion
    assert ("a new connection" in asked) != is_ready
    assert (len(asked) < 10) == is_ready


def test_a_worker_that_is_closed_meanwhile_leaves_no_connection(served: Database) -> None:
    # Given
    worker = served.worker(URGENT)
    served.make_tables()
    begun, go = threading.Event(), threading.Event()

    @sa.event.listens_for(worker.worker._engine, "connect")
    def _wait(*_: object) -> None:
        if threading.current_thread().name == "eventsd-connections":
            begun.set()
            assert go.wait(10)

    worker.write(batch_of(numbered(1)))
    assert begun.wait(10)

    # When
    served.close()
    # Whatever is closed only because nobody has it any more does not count.
    gc.disable()
    try:
        go.set()

        # Then
        eventually(lambda: connections(served) == 0)
    finally:
        gc.enable()


def test_a_server_that_gives_no_more_connections_is_asked_once(served: Database) -> None:
    # Given
    worker = served.worker(URGENT)
    tries: list[str] = []

    @sa.event.listens_for(worker.worker._engine, "connect")
    def _refuse(*_: object) -> None:
        if threading.current_thread().name == "eventsd-connections":
            tries.append("refused")
            raise RuntimeError("too many connections")

    # When
    for number in range(1, 6):
        worker.write(batch_of(numbered(1, start=number), first=number))
        eventually(lambda: tries)

    # Then
    assert tries == ["refused"]
    assert len(served.rows("returns")) == 5


def test_a_server_that_gives_one_connection_has_all_batches_written(served: Database) -> None:
    # Given: a refusal takes a moment, in which a batch finds no connection free
    worker = served.worker(URGENT)
    served.make_tables()
    given: weakref.WeakSet[object] = weakref.WeakSet()
    failed = 0

    @sa.event.listens_for(worker.worker._engine, "do_connect")
    def _limit(dialect: sa.Dialect, _record: object, args: list[object], named: dict[str, object]) -> object:
        if threading.current_thread().name == "eventsd-connections":
            time.sleep(0.3)
        if any(not getattr(one, "closed", not getattr(one, "open", True)) for one in given):
            raise dialect.loaded_dbapi.OperationalError("too many connections")
        made = dialect.connect(*args, **named)
        given.add(made)
        return made

    # When
    for number in range(1, 9):
        for _ in range(3):
            try:
                worker.write(batch_of(numbered(1, start=number), first=number))
                break
            except Transient:
                failed += 1
                time.sleep(0.5)
        time.sleep(0.1)

    # Then
    assert len(served.rows("returns")) == 8
    assert failed <= 1


def test_a_batch_that_ends_after_its_worker_was_closed_opens_none(served: Database) -> None:
    # Given
    worker = served.worker(URGENT)
    served.make_tables()
    worker.write(batch_of(numbered(1)))
    eventually(lambda: "eventsd-connections" not in [one.name for one in threading.enumerate()])
    begun, go = threading.Event(), threading.Event()

    @sa.event.listens_for(worker.worker._engine, "commit")
    def _wait(_connection: object) -> None:
        begun.set()
        assert go.wait(10)

    late = threading.Thread(target=worker.write, args=(batch_of(numbered(1, start=2), first=2),))
    late.start()
    assert begun.wait(10)

    # When
    worker.worker.close()
    opened: list[str] = []
    sa.event.listen(worker.worker._engine, "connect", lambda *_: opened.append(threading.current_thread().name))
    go.set()
    late.join(10)

    # Then
    assert len(served.rows("returns")) == 2
    time.sleep(0.5)
    assert "eventsd-connections" not in opened
