"""However a parcel comes, and whatever ends in between: its events are written once, or buried once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from salt_eventsd.backends.broker.memory import Memory
from salt_eventsd.dispatch.settle import Suspicion
from salt_eventsd.writer.carry.attempt import Attempt
from salt_eventsd.writer.carry.pulled import Pulled
from tests.support.events import numbered, returned
from tests.support.lanes import eventually
from tests.support.stores import Database
from tests.support.writers import Master, configured, desk_of, is_empty, letters, running, to_sql

_SECONDS = 60.0


@pytest.fixture
def database(tables: Database) -> Iterator[Database]:
    """A database with our tables, nothing in them."""
    yield tables
    tables.close()


def _interrupted(memory: Memory, database: Database, *, buries: bool) -> None:
    """Do what a writer does that is killed right after its commit, or after it has buried what was refused."""
    [delivered] = memory.consumer("history").pull("history", 1, 1.0)
    pulled = Pulled(delivered, "history")
    worker = database.worker()
    Attempt([pulled]).write(worker, Suspicion())
    if buries:
        pulled.bury(memory)
    worker.close()


def test_a_parcel_under_other_ids_is_written_once(database: Database, tmp_path: Path) -> None:
    # Given
    memory = Memory()
    master = Master(memory)
    sent = master.send(numbered(20))

    with running(configured(tmp_path, to_sql(database.url, concurrency=2)), memory) as service:
        eventually(lambda: is_empty(memory), _SECONDS)

        # When
        for _ in range(3):
            master.publish(*sent, again=True)
        eventually(lambda: is_empty(memory), _SECONDS)

        # Then
        counts = desk_of(service).lanes["history"].counts
        eventually(lambda: counts.parcels == 4, _SECONDS)
        assert (counts.written, counts.already) == (20, 60)
    assert len(database.rows("returns")) == 20


@pytest.mark.parametrize("buries", [pytest.param(False, id="commit"), pytest.param(True, id="burial")])
def test_a_writer_killed_behind_its_commit_loses_and_doubles_nothing(
    database: Database, tmp_path: Path, buries: bool
) -> None:
    # Given
    database.worker(too_large="bury")
    memory = Memory(redelivery_seconds=0.5)
    events = [*numbered(5), returned("x", jid="6", minion_id="bad"), *numbered(5, start=7)]
    database.refuse("returns", "minion_id = 'bad'")
    try:
        Master(memory).send(events)
        _interrupted(memory, database, buries=buries)
        assert not is_empty(memory)

        # When
        with running(configured(tmp_path, to_sql(database.url)), memory) as service:
            eventually(lambda: is_empty(memory), _SECONDS)
            counts = desk_of(service).lanes["history"].counts
            eventually(lambda: counts.parcels == 1, _SECONDS)
    finally:
        _allow(database)

    # Then
    assert len(database.rows("returns")) == 10
    [letter] = letters(memory)
    assert (letter.worker, letter.master, letter.tag) == ("history", "master-1", "salt/job/6/ret/bad")
    assert counts.buried == 1


def _allow(database: Database) -> None:
    if database.kind == "sqlite":
        database.execute("DROP TRIGGER poison")
    else:
        database.execute("ALTER TABLE eventsd_returns DROP CONSTRAINT poison")


def test_chunks_of_two_masters_with_the_same_numbers_are_not_mixed_up(database: Database, tmp_path: Path) -> None:
    # Given
    memory = Memory()
    one, other = Master(memory, "one"), Master(memory, "other.example.com")
    with running(configured(tmp_path, to_sql(database.url)), memory):
        # When
        one.send([returned(1, jid="1"), returned(1, jid="2")])
        other.send([returned(1, jid="3")])
        other.send([returned(1, jid="4")])
        eventually(lambda: is_empty(memory), _SECONDS)

    # Then
    found = {row["jid"]: row["master_id"] for row in database.rows("returns")}
    assert found == {"1": "one", "2": "one", "3": "other.example.com", "4": "other.example.com"}


def test_a_chunk_in_several_parts_is_written_whole_and_once(database: Database, tmp_path: Path) -> None:
    # Given
    memory = Memory()
    master = Master(memory)
    sent = master.send([returned("x" * 300_000, jid=str(number)) for number in range(4)])
    assert len(sent) == 4

    # When
    with running(configured(tmp_path, to_sql(database.url)), memory):
        master.publish(*sent, again=True)
        eventually(lambda: is_empty(memory), _SECONDS)

    # Then
    assert len(database.rows("returns")) == 4


def test_other_events_under_a_name_that_is_taken_are_written_once(database: Database, tmp_path: Path) -> None:
    """A master was put back in time, and gives numbers again that other chunks have had."""
    # Given
    memory = Memory()
    master = Master(memory)
    with running(configured(tmp_path, to_sql(database.url)), memory) as service:
        master.send(numbered(3))
        eventually(lambda: is_empty(memory), _SECONDS)

        # When
        chunk, events = master.chunk(numbered(3, start=10))
        later = msgspec.structs.replace(chunk, id=1, first=1, oldest=99.0)
        sent = master.parcels([(later, events)])
        for _ in range(2):
            master.publish(*sent, again=True)
        eventually(lambda: is_empty(memory), _SECONDS)

        # Then
        assert desk_of(service).lanes["history"].counts.renamed == 6
    assert len(database.rows("returns")) == 6


def test_what_is_put_back_is_written_once_it_fits(database: Database, tmp_path: Path) -> None:
    # Given
    from salt_eventsd.writer.letters import Filter, put_back
    from tests.support.writers import InMemory

    memory = Memory()
    database.refuse("returns", "minion_id = 'bad'")
    with running(configured(tmp_path, to_sql(database.url)), memory):
        Master(memory).send([*numbered(2), returned("x", jid="6", minion_id="bad")])
        eventually(lambda: letters(memory) and is_empty(memory), _SECONDS)

        # When
        _allow(database)
        assert put_back(InMemory(memory), Filter()) == {"requeued": 1, "retcode": 0}
        eventually(lambda: is_empty(memory), _SECONDS)

    # Then
    assert letters(memory) == []
    assert [row["minion_id"] for row in database.rows("returns")].count("bad") == 1
