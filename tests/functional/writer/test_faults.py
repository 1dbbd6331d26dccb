"""Databases that are away, tables that are missing, a broker that does not answer: nothing is lost or blamed."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import sqlalchemy as sa

from salt_eventsd.backends.broker.memory import Memory
from salt_eventsd.event.chunk import OWN
from salt_eventsd.writer.told.problems import problems
from tests.support.events import job, numbered, returned
from tests.support.lanes import eventually
from tests.support.servers import Server
from tests.support.stores import Database
from tests.support.writers import Master, configured, desk_of, is_empty, letters, running, to_sql

_SECONDS = 90.0


def test_a_database_that_goes_away_counts_against_no_parcel(server: Server, served: Database, tmp_path: Path) -> None:
    # Given
    memory = Memory(redelivery_seconds=2.0)
    master = Master(memory)
    served.make_tables()
    served.close()
    with running(configured(tmp_path, to_sql(served.url, connect_seconds=2)), memory) as service:
        master.send(numbered(5))
        eventually(lambda: is_empty(memory), _SECONDS)

        # When
        server.stop()
        for number in range(10):
            master.send(numbered(5, start=10 + 5 * number))
        lane = desk_of(service).lanes["history"]
        eventually(lambda: lane.tries.state == "retrying" and lane.tries.retries > 2, _SECONDS)
        pulled = memory.depth("history").unacknowledged
        time.sleep(3.0)

        # Then: nobody takes more than was in hand, and what is in hand is not handed out again
        assert 0 < pulled <= 3
        assert memory.depth("history").unacknowledged == pulled
        assert memory.depth("history").redelivered == 0

        # When
        server.start()
        eventually(lambda: is_empty(memory), _SECONDS)
        assert lane.tries.state == "ok"
        assert lane.counts.already == 0
    assert len(served.rows("returns")) == 55
    assert letters(memory) == []


def test_a_table_that_is_missing_holds_up_only_what_is_for_it(database: Database, tmp_path: Path) -> None:
    # Given
    memory = Memory(redelivery_seconds=5.0)
    master = Master(memory)
    with running(configured(tmp_path, to_sql(database.url)), memory) as service:
        master.send(numbered(2))
        eventually(lambda: is_empty(memory), _SECONDS)
        database.execute("ALTER TABLE eventsd_jobs RENAME TO away")

        # When
        master.send([job(jid="20260102030405000001")])
        for number in range(5):
            master.send(numbered(2, start=10 + 2 * number))

        # Then
        lane = desk_of(service).lanes["history"]
        eventually(lambda: lane.tries.state == "held", _SECONDS)
        assert any(one.kind == "held" for one in problems(service.desks))

        # When
        database.execute("ALTER TABLE away RENAME TO eventsd_jobs")
        eventually(lambda: is_empty(memory), _SECONDS)
        eventually(lambda: lane.tries.state == "ok", _SECONDS)
    assert len(database.rows("jobs")) == 1
    assert len(database.rows("returns")) == 12
    assert letters(memory) == []


def test_one_refused_event_alone_in_its_parcel_is_set_aside(database: Database, tmp_path: Path) -> None:
    # Given
    database.refuse("returns", "minion_id = 'bad'")
    memory = Memory(redelivery_seconds=5.0)
    master = Master(memory)

    # When
    with running(configured(tmp_path, to_sql(database.url)), memory):
        master.send([returned("x", jid="6", minion_id="bad")])
        master.send(numbered(3))
        eventually(lambda: is_empty(memory), _SECONDS)

    # Then
    assert [letter.tag for letter in letters(memory)] == ["salt/job/6/ret/bad"]
    assert len(database.rows("returns")) == 3


def test_events_of_a_rule_with_a_table_of_its_own_keep_their_order_among_writers(
    database: Database, tmp_path: Path
) -> None:
    # Given
    database.execute("CREATE TABLE latest (minion VARCHAR(80) PRIMARY KEY, value INTEGER)")
    rule = {
        "tag": "salt/job/",
        "worker": "history",
        "table": "latest",
        "columns": {"minion": "minion_id", "value": "data.return"},
        "upsert": ["minion"],
    }
    memory = Memory()
    master = Master(memory)
    first, second = (
        configured(tmp_path, to_sql(database.url, concurrency=3), name, events={"latest": rule})
        for name in ("first", "second")
    )

    # When
    with running(first, memory), running(second, memory):
        for number in range(60):
            event = msgspec.structs.replace(returned(number, jid=str(number)), rule="latest", into=OWN)
            master.send([event], "history:latest")
            if number % 7 == 0:
                seen = database.query("SELECT value FROM latest")
                assert not seen or seen[0][0] <= number
        eventually(lambda: is_empty(memory), _SECONDS)

    # Then
    assert database.query("SELECT value FROM latest") == [(59,)]


def test_a_broker_that_is_away_is_said_and_waited_for(database: Database, tmp_path: Path) -> None:
    # Given
    memory = Memory(redelivery_seconds=1.0)
    memory.away = True
    with running(configured(tmp_path, to_sql(database.url)), memory) as service:
        eventually(lambda: [one.text for one in problems(service.desks)] == ["source: the broker is away"], _SECONDS)

        # When
        memory.away = False
        Master(memory).send(numbered(4))

        # Then
        eventually(lambda: is_empty(memory), _SECONDS)
        eventually(lambda: list(problems(service.desks)) == [], _SECONDS)
    assert len(database.rows("returns")) == 4


def test_what_is_in_hand_at_the_end_is_given_back_at_once(database: Database, tmp_path: Path) -> None:
    # Given: a database that is locked
    memory = Memory(redelivery_seconds=600.0)
    engine = sa.create_engine(database.url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        with running(configured(tmp_path, to_sql(database.url)), memory) as service:
            for number in range(4):
                Master(memory).send(numbered(2, start=2 * number))
            eventually(lambda: memory.depth("history").unacknowledged, _SECONDS)

            # When
            service.halt()
            began = time.monotonic()
            service.close(began + 0.5)
        assert memory.depth("history").waiting == 4
        connection.rollback()

    # Then
    with running(configured(tmp_path, to_sql(database.url)), memory):
        eventually(lambda: is_empty(memory), _SECONDS)
    assert len(database.rows("returns")) == 8
