"""A spool that comes back from the past, or twice: what it still holds is written once, on each database."""

from __future__ import annotations

import random
import shutil
import sqlite3
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from salt_eventsd.config.structs import BatchLimits, EventRule, WorkerConfig
from salt_eventsd.database import receipts_tidy as tidying
from salt_eventsd.event.chunk import Chunk, encode_events
from salt_eventsd.spool import dead_letters as letters
from salt_eventsd.spool.burial import Burial
from tests.support.copies import LANE, OWNER, Node, counted, counting_table, due, receipts
from tests.support.lanes import lane_of
from tests.support.own import carrying
from tests.support.stores import Database

NOW = timedelta(0)
_FIRST_RELEASE = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE chunks (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    worker TEXT NOT NULL,
    prio INTEGER NOT NULL,
    events INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    oldest REAL NOT NULL,
    payload BLOB NOT NULL
);
CREATE INDEX chunks_by_worker ON chunks (worker, prio, id, events, bytes, oldest);
CREATE TABLE dead (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    chunk INTEGER NOT NULL,
    position INTEGER NOT NULL,
    settled INTEGER NOT NULL,
    worker TEXT NOT NULL,
    error TEXT NOT NULL,
    buried REAL NOT NULL,
    event BLOB NOT NULL,
    UNIQUE (chunk, position)
);
CREATE TABLE requeued (worker TEXT NOT NULL, events INTEGER NOT NULL, bytes INTEGER NOT NULL);
INSERT INTO meta VALUES ('id', 'f1257e1ea5e');
"""


@pytest.fixture
def database(mine: Database) -> Database:
    """A database that the tests share; each makes its own tables."""
    return mine


@pytest.fixture
def rules(database: Database) -> dict[str, EventRule]:
    """The rule of a table that has no key."""
    return counting_table(database)


@pytest.fixture
def node_in(database: Database, rules: dict[str, EventRule], request: pytest.FixtureRequest) -> Callable[[Path], Node]:
    """Opens the spool in a folder; closed when the test ends."""

    def opened(folder: Path) -> Node:
        node = Node(folder, database.worker(rules))
        request.addfinalizer(node.close)
        return node

    return opened


@pytest.fixture
def node(node_in: Callable[[Path], Node], tmp_path: Path) -> Node:
    """An engine's spool and lane."""
    return node_in(tmp_path / "spool")


def few_receipts(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """Have a lane have few receipts, however young they are, after each batch."""
    monkeypatch.setattr(tidying, "MOST_RUNS", most)
    monkeypatch.setattr(tidying, "_JOIN_SECONDS", 0.0)
    monkeypatch.setattr(tidying, "_FRESH", NOW)


def join(database: Database) -> None:
    """Make the receipts of neighbours one, as if they were old enough."""
    for life, lane in {(row["spool"], row["lane"]) for row in receipts(database) if row["lane"] is not None}:
        tidying.join(database.engine, life, lane, NOW)


@pytest.mark.parametrize("joined", [False, True])
def test_an_older_copy_is_put_back(node: Node, database: Database, tmp_path: Path, joined: bool) -> None:
    # Given: a copy that holds what has been written since
    fired = node.put(3, 2, 4)
    copy = node.copy(tmp_path / "copy")
    node.drain()
    fired += node.put(*[2] * 10)
    node.drain()
    if joined:
        join(database)

    # When
    node.put_back(copy)
    fired += node.put(*[3] * 20)
    node.drain()

    # Then
    assert counted(database) == fired
    assert (node.lane.renamed, node.lane.backlog.lost, node.lane.backlog.dropped) == (0, 0, 0)


def test_the_same_copy_is_put_back_again_and_again(node: Node, database: Database, tmp_path: Path) -> None:
    # Given
    fired = node.put(3, 2)
    copy = node.copy(tmp_path / "copy")

    # When
    for turn in range(5):
        node.put_back(copy)
        fired += node.put(*[1] * (7 - turn))
        node.drain()
        if turn == 2:
            join(database)

    # Then
    assert counted(database) == fired


@pytest.mark.parametrize("joined", [False, True])
@pytest.mark.parametrize("first", ["original", "copy"])
def test_a_copy_runs_beside_the_original(
    node: Node, node_in: Callable[[Path], Node], database: Database, tmp_path: Path, joined: bool, first: str
) -> None:
    # Given: both hold the same chunks, and the original has never tried them
    fired = node.put(3, 2, 4)
    clone = node_in(node.copy(tmp_path / "clone"))
    fired += node.put(5)
    fired += clone.put(6)
    order = [node, clone] if first == "original" else [clone, node]

    # When
    order[0].drain()
    if joined:
        join(database)
    fired += order[1].put(2)
    order[1].drain()
    fired += order[0].put(1)
    order[0].drain()

    # Then
    assert counted(database) == sorted(fired)
    assert node.lane.elsewhere == (9 if first == "copy" else 0)


def test_both_are_written_in_turns(
    node: Node, node_in: Callable[[Path], Node], database: Database, tmp_path: Path
) -> None:
    # Given
    fired = node.put(*[30] * 20)
    clone = node_in(node.copy(tmp_path / "clone"))
    draw = random.Random(7)

    # When
    while node.lane.backlog.events or clone.lane.backlog.events:
        one = draw.choice([node, clone])
        one.write(1)
        if draw.random() < 0.2:
            fired += one.put(3)
        if draw.random() < 0.2:
            join(database)
        time.sleep(0.002)

    # Then
    assert counted(database) == sorted(fired)


@pytest.mark.parametrize("seconds_back", [0.0, 100.0])
def test_a_machine_is_put_back_in_time_with_the_engine_running(
    node: Node, database: Database, tmp_path: Path, seconds_back: float
) -> None:
    # Given: a snapshot of memory and disk; what came after it was written under ids that will be given again
    fired = node.put(2)
    node.drain()
    life, last = node.spool.file.lives.current, dict(node.spool._last)
    copy = node.copy(tmp_path / "copy")
    fired += node.put(3, 4, 5)
    node.drain()
    if not seconds_back:
        join(database)
    node.put_back(copy)
    node.spool.file.lives.current = node.spool._life = life
    node.spool._last = last
    node.spool.file.lives.known[life.number] = life.id
    with node.spool.file.transaction() as db:
        db.execute("INSERT OR REPLACE INTO lives VALUES (?, ?)", life)

    # When: the clock may be wrong, too
    fired += node.put(1, 1, 2, back=seconds_back)
    node.drain()

    # Then: a receipt that is another chunk's is told, and never taken for its own
    assert counted(database) == fired
    assert node.lane.renamed == 4


def test_what_was_dropped_is_written_from_a_copy_that_still_holds_it(
    node: Node, database: Database, tmp_path: Path
) -> None:
    # Given: the original has had to drop chunks between others that were written
    before = node.put(1)
    node.drain()
    held = node.put(2, 3)
    copy = node.copy(tmp_path / "copy")
    node.lane.backlog.drop_oldest(1)
    after = node.put(1)
    node.drain()
    join(database)
    assert counted(database) == before + held[2:] + after

    # When
    node.put_back(copy)
    node.drain()

    # Then
    assert counted(database) == before + held + after


def test_receipts_are_bounded_whatever_waits(node: Node, database: Database) -> None:
    # Given: another lane whose worker is dead pins nothing
    node.spool.put([Chunk("dead", False, 1, time.time(), encode_events([carrying({"n": 0})]))])
    for _ in range(60):
        node.put(1)
        node.spool.put([Chunk("dead", False, 1, time.time(), encode_events([carrying({"n": 0})]))])
        node.drain()

    # When
    join(database)

    # Then: and one receipt of many chunks is not that of another lane's between them
    (row,) = receipts(database)
    assert (row["lane"], row["first_chunk"]) == (LANE, 2)
    before = len(counted(database))
    other = lane_of(node.spool, node.worker, "dead", events=100)
    other.backlog.restore(node.spool.totals()["dead"], node.spool.newest_id())
    while chunks := other.claim(due())[0]:
        other.run(chunks)
        other.flights.ended(chunks[0])
    assert len(counted(database)) == before + 61


def test_a_lane_has_no_more_receipts_than_a_bound_though_chunks_are_dropped(
    node: Node, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given
    few_receipts(monkeypatch, 100)
    for _ in range(12):
        node.put(1, 1)
        node.lane.backlog.drop_oldest(1)
        node.drain()
    assert len(receipts(database)) == 12

    # When
    few_receipts(monkeypatch, 5)
    node.put(1)
    node.drain()

    # Then
    assert len(receipts(database)) == 5


def test_what_waits_while_prio_chunks_are_written_is_not_taken_for_written(
    node: Node, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given: a long outage, in which now and then there was an event with prio
    few_receipts(monkeypatch, 5)
    fired = []
    for _ in range(12):
        fired += node.put(1)
        fired += node.put(1, prio=True)

    # When: all that has prio is written first, a chunk at a time
    node.lane.config = WorkerConfig(batch=BatchLimits(events=1))
    node.drain()

    # Then
    assert counted(database) == fired
    assert node.lane.elsewhere == 0


def test_receipts_of_lives_that_have_ended_become_one(node: Node, database: Database) -> None:
    # Given
    for _ in range(3):
        node.put(1, 1, 1)
        node.write(1)
        node.put(1)
        node.drain()
        node.close()
        node.open()
    yesterday = datetime.now(timezone.utc) - timedelta(days=1)
    database.execute(f"UPDATE eventsd_receipts SET stamp = '{yesterday:%Y-%m-%d %H:%M:%S}'")

    # When
    tidying.join_others(database.engine)

    # Then
    assert len(receipts(database)) == 3


def test_receipts_nobody_will_ask_for_are_forgotten(node: Node, database: Database) -> None:
    # Given
    node.put(1)
    node.drain()
    database.execute(
        "INSERT INTO eventsd_receipts (spool, chunk, stamp) VALUES ('old', 1, '2020-01-02 03:04:05')",
        "INSERT INTO eventsd_receipts (spool, chunk, stamp, lane, first_chunk, oldest)"
        " VALUES ('older', 1, '2020-01-02 03:04:05', 'any', 1, 5)",
    )

    # When
    assert tidying.forget(database.engine)

    # Then
    assert [row["spool"] for row in receipts(database)] == [node.spool.file.lives.current.id]


def test_a_requeued_letter_of_a_copy_takes_no_ids_of_the_original(
    node: Node, database: Database, tmp_path: Path
) -> None:
    # Given: a dead letter is put back in a restored copy, under the id of a chunk the original has written
    (kept,) = node.spool.put([Chunk(LANE, False, 1, time.time(), encode_events([carrying({"n": 0})]))])
    node.spool.burials.note(OWNER, [kept.id], [Burial(kept.id, 0, carrying({"n": 0}), "refused")])
    node.spool.settle([kept.id])
    copy = node.copy(tmp_path / "copy")
    fired = node.put(2, 2)
    node.drain()
    node.close()
    shutil.rmtree(node.folder)
    shutil.copytree(copy, node.folder)

    # When
    assert letters.requeue(node.folder, letters.Filter()) == 1
    node.open()
    node.drain()

    # Then
    assert counted(database) == [0, *fired]


def test_a_spool_and_receipts_of_the_first_release_are_gone_on_with(
    database: Database, node_in: Callable[[Path], Node], tmp_path: Path
) -> None:
    # Given: three chunks wait, the second of which is written
    folder = tmp_path / "spool"
    folder.mkdir()
    with sqlite3.connect(folder / "spool.db") as db:
        db.executescript(_FIRST_RELEASE)
        for n in (1001, 1002, 1003):
            payload = encode_events([carrying({"n": n})])
            db.execute(
                "INSERT INTO chunks (worker, prio, events, bytes, oldest, payload) VALUES (?, 0, 1, ?, 5.0, ?)",
                (LANE, len(payload), payload),
            )
        dead = encode_events([carrying({"n": 9})])[1:]
        db.execute("INSERT INTO dead VALUES (1, 77, 0, 1, 'history', 'bad', 5.0, ?)", (dead,))
    db.close()
    database.execute(
        "INSERT INTO eventsd_receipts (spool, chunk, stamp) VALUES ('f1257e1ea5e', 2, '2026-01-02 03:04:05')"
    )

    # When
    node = node_in(folder)
    new = node.put(2)
    node.drain()

    # Then
    assert counted(database) == sorted([1001, 1003, *new])
    assert node.spool.id == "f1257e1ea5e"
    assert node.spool.burials.dead_letters() == {OWNER: 1}
    assert len(letters.listed(folder, letters.Filter(contains="company/raid"), 5)) == 1
    assert {row["spool"] for row in receipts(database)} == {"f1257e1ea5e", node.spool.file.lives.current.id}


def test_what_was_refused_is_set_aside_from_a_copy_too(node: Node, database: Database, tmp_path: Path) -> None:
    # Given: the original has set an event aside, and that is gone with its spool
    fired = node.put(2)
    events = [carrying({"n": 5000}), carrying({"n": -1}), carrying({"n": 5001})]
    (kept,) = node.spool.put([Chunk(LANE, False, 3, time.time(), encode_events(events))])
    node.lane.backlog.add(kept)
    copy = node.copy(tmp_path / "copy")
    node.drain()
    fired += node.put(1)
    node.drain()
    join(database)
    (before,) = letters.listed(node.folder, letters.Filter(), 5)

    # When
    node.put_back(copy)
    node.drain()

    # Then
    assert counted(database) == [*fired, 5000, 5001]
    (letter,) = letters.listed(node.folder, letters.Filter(), 5)
    assert (letter["data"], letter["error"]) == (before["data"], before["error"])
