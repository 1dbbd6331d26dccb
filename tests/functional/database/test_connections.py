"""How many connections a worker has, however many rules of the user's own there are."""

from __future__ import annotations

import threading
import time

from salt_eventsd.workers.load import BESIDE
from tests.support.lanes import eventually
from tests.support.own import by_statement, carrying
from tests.support.servers import PostgreSQL
from tests.support.stores import Database, batch_of

#: That of the workers a test makes.
CONCURRENCY = 2


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
