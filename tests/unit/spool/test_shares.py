"""What several lanes get is in the spool's file once, as long as one of them waits for it, and no longer."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from salt_eventsd.config.structs import Size, SpoolConfig
from salt_eventsd.dispatch.quota import Quota
from salt_eventsd.event.chunk import Chunk, Share, Shared, encode_events
from salt_eventsd.event.sharing import encode_ordering, halved, sizes
from salt_eventsd.spool.keep import Spool
from tests.support.events import numbered
from tests.support.lanes import chunk, keep, lane_of, shared_chunks
from tests.support.workers import Recorder


def shared_rows(spool: Spool) -> int:
    return int(spool.file.rows("SELECT COUNT(*) FROM shared")[0][0])


def jids(spool: Spool, lane: str) -> list[str]:
    return [event.jid for one in spool.waiting(lane, prio=False) for event in spool.read(one.id).events]


def test_it_goes_with_the_last_of_its_chunks(spool: Spool) -> None:
    # Given
    some = shared_chunks(5, ("a", "b", "c"))
    size = len(some[0].shares[0].shared.payload)

    # When
    first, second, third = spool.put(some)

    # Then
    assert spool.totals()["a"] == spool.totals()["c"]
    assert (shared_rows(spool), spool.saved_bytes) == (1, 2 * size)

    # When / Then
    spool.settle([first.id])
    assert (shared_rows(spool), spool.saved_bytes) == (1, size)
    assert jids(spool, "b") == jids(spool, "c") == ["0", "1", "2", "3", "4"]
    assert [one.id for one in spool.drop_oldest("b", 1, set())] == [second.id]
    assert (shared_rows(spool), spool.saved_bytes) == (1, 0)
    spool.settle([third.id])
    assert (shared_rows(spool), spool.saved_bytes, spool.totals()) == (0, 0, {})


def test_the_next_engine_knows_what_is_saved(spool: Spool) -> None:
    # Given
    some = shared_chunks(5, ("a", "b"))
    spool.put(some)
    spool.close()

    # When
    again = Spool(spool.folder)
    again.begin()

    # Then
    assert again.saved_bytes == len(some[0].shares[0].shared.payload)
    assert jids(again, "a") == jids(again, "b") == ["0", "1", "2", "3", "4"]
    again.close()


@pytest.mark.parametrize("table", ["shared", "shares"])
def test_of_a_table_that_is_gone_what_is_left_is_told_and_nothing_else_goes(spool: Spool, table: str) -> None:
    # Given: somebody removes the table under the engine
    (own,) = spool.put([chunk(2, "a")])
    (torn, _) = spool.put(shared_chunks(5, ("a", "b")))
    with closing(sqlite3.connect(spool.folder / "spool.db")) as db, db:
        db.execute(f"DROP TABLE {table}")

    # When
    spool.close()
    again = Spool(spool.folder)
    (_, second) = again.put(shared_chunks(3, ("a", "b")))

    # Then: ids are not given again, so no chunk gets events of another
    assert len(again.read(own.id).events) == 2
    assert not again.read(torn.id).is_whole
    assert [event.jid for event in again.read(second.id).events] == ["0", "1", "2"]
    assert again.file.aside.paths == []
    again.settle([one.id for one in again.waiting("a", prio=False)])
    again.settle([one.id for one in again.waiting("b", prio=False)])
    assert (shared_rows(again), again.saved_bytes) == (0, 0)
    again.close()


def test_a_full_spool_counts_it_once_and_makes_room_in_all_lanes(spool: Spool) -> None:
    # Given: two lanes that wait for the same
    lanes = {name: lane_of(spool, Recorder(), name) for name in ("a", "b")}
    size = sum(sizes(shared_chunks(5, ("a", "b"))))
    quota = Quota(lambda: SpoolConfig(max_bytes=Size(size * 4), when_full="drop_oldest"), spool, lanes)

    # When
    for _ in range(4):
        for one in spool.put(quota.admit(shared_chunks(5, ("a", "b")))):
            lanes[one.lane].backlog.add(one)

    # Then
    assert (quota.used, quota.full) == (size * 4, False)

    # When
    keep(lanes["a"], spool, *quota.admit([chunk(1, "a")]))

    # Then
    assert quota.full
    assert quota.used <= size * 4
    assert [lane.backlog.dropped for lane in lanes.values()] == [5, 5]


def test_a_chunk_that_is_halved_shares_nothing() -> None:
    # Given
    events = numbered(5)
    ordering = encode_ordering([1, 1, 0, 2, 1, 2])
    share = Share(Shared(encode_events([events[0], *events[3:]])), "other", "events")
    one = Chunk("a", False, 5, 0.0, encode_events(events[1:3]), (share,), ordering)

    # When
    halves = halved(one)

    # Then
    assert [(half.events, half.shares, half.ordering) for half in halves] == [(2, (), None), (3, (), None)]
