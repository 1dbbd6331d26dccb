"""A full spool: what gives way is the operator's choice, and every event of it is counted."""

from __future__ import annotations

import pytest

from salt_eventsd.config.structs import Size, SpoolConfig
from salt_eventsd.dispatch.backlog import Backlog
from salt_eventsd.dispatch.lane import Lane
from salt_eventsd.dispatch.quota import Quota
from salt_eventsd.event.chunk import Chunk
from salt_eventsd.spool.keep import Spool
from tests.support.lanes import keep, lane_of
from tests.support.workers import Recorder


def sized(size: int, worker: str = "a", events: int = 1) -> Chunk:
    return Chunk(worker, False, events, 0.0, bytes(size))


@pytest.fixture
def lanes(spool: Spool) -> dict[str, Lane]:
    return {name: lane_of(spool, Recorder(), name) for name in ("a", "b")}


def quota_of(spool: Spool, lanes: dict[str, Lane], when_full: str, max_bytes: int = 1000) -> Quota:
    return Quota(lambda: SpoolConfig(max_bytes=Size(max_bytes), when_full=when_full), spool, lanes)


@pytest.mark.parametrize("when_full", ["drop_oldest", "drop_newest"])
def test_what_fits_is_admitted(spool: Spool, lanes: dict[str, Lane], when_full: str) -> None:
    # Given
    quota = quota_of(spool, lanes, when_full)
    keep(lanes["a"], spool, sized(500))
    new = [sized(250), sized(250, "b")]

    # When, Then
    assert quota.admit(new) == new
    assert not quota.full
    assert (lanes["a"].backlog.dropped, lanes["b"].backlog.dropped) == (0, 0)


def test_the_oldest_give_way_of_the_longest_queue(spool: Spool, lanes: dict[str, Lane]) -> None:
    # Given
    quota = quota_of(spool, lanes, "drop_oldest")
    keep(lanes["b"], spool, sized(100, "b"))
    kept = keep(lanes["a"], spool, *(sized(200, events=3) for _ in range(4)))
    new = [sized(250, "b")]

    # When
    admitted = quota.admit(new)

    # Then
    assert admitted == new
    assert quota.full
    assert [one.id for one in spool.waiting("a", prio=False)] == [one.id for one in kept[1:]]
    assert (lanes["a"].backlog.dropped, lanes["a"].backlog.events, lanes["a"].backlog.bytes) == (3, 9, 600)
    assert (lanes["b"].backlog.dropped, lanes["b"].backlog.events) == (0, 1)


def test_room_is_made_for_more_than_is_needed(spool: Spool, lanes: dict[str, Lane]) -> None:
    # Given: a spool that is full to the brim
    quota = quota_of(spool, lanes, "drop_oldest")
    keep(lanes["a"], spool, *(sized(10) for _ in range(100)))

    # When
    for _ in range(3):
        keep(lanes["a"], spool, *quota.admit([sized(10)]))

    # Then: it was searched once, not three times
    assert lanes["a"].backlog.dropped == 3
    assert lanes["a"].backlog.bytes == 1000


def test_a_batch_in_flight_is_spared(spool: Spool, lanes: dict[str, Lane]) -> None:
    # Given
    quota = quota_of(spool, lanes, "drop_oldest")
    kept = keep(lanes["a"], spool, *(sized(500) for _ in range(2)))
    (in_flight, *_), _ = lanes["a"].claim(1e9)
    assert lanes["a"].backlog.claimed == {one.id for one in kept}

    # When
    admitted = quota.admit([sized(100, "b", events=7)])

    # Then
    assert in_flight == kept[0]
    assert admitted == []
    assert (lanes["a"].backlog.dropped, lanes["b"].backlog.dropped) == (0, 7)
    assert [one.id for one in spool.waiting("a", prio=False)] == [one.id for one in kept]


def test_room_is_made_in_several_queues_if_one_is_not_enough(spool: Spool, lanes: dict[str, Lane]) -> None:
    # Given
    quota = quota_of(spool, lanes, "drop_oldest")
    keep(lanes["a"], spool, sized(600))
    keep(lanes["b"], spool, sized(400, "b"))

    # When
    admitted = quota.admit([sized(900)])

    # Then
    assert len(admitted) == 1
    assert (lanes["a"].backlog.dropped, lanes["b"].backlog.dropped) == (1, 1)
    assert spool.totals() == {}


def test_the_newest_give_way_if_asked_for(spool: Spool, lanes: dict[str, Lane]) -> None:
    # Given
    quota = quota_of(spool, lanes, "drop_newest")
    keep(lanes["a"], spool, sized(800))
    new = [sized(150), sized(150, "b", events=4), sized(50, "b", events=2)]

    # When
    admitted = quota.admit(new)

    # Then
    assert admitted == new[:1]
    assert (lanes["a"].backlog.dropped, lanes["b"].backlog.dropped) == (0, 6)
    assert lanes["a"].backlog.events == 1


@pytest.mark.parametrize("when_full", ["drop_oldest", "drop_newest"])
def test_what_is_larger_than_the_spool_is_not_admitted(spool: Spool, lanes: dict[str, Lane], when_full: str) -> None:
    quota = quota_of(spool, lanes, when_full)

    assert quota.admit([sized(1001, events=5)]) == []
    assert lanes["a"].backlog.dropped == 5


def test_the_spools_bytes_stay_within_bounds_and_every_event_is_accounted_for(
    spool: Spool, lanes: dict[str, Lane]
) -> None:
    # Given
    quota = quota_of(spool, lanes, "drop_oldest", 10_000)

    # When
    for number in range(300):
        name = "ab"[number % 2]
        for one in spool.put(quota.admit([sized(100 + number, name, events=2)])):
            lanes[name].backlog.add(one)
        assert sum(lane.backlog.bytes for lane in lanes.values()) <= 10_000

    # Then
    totals = spool.totals()
    for name, lane in lanes.items():
        assert (lane.backlog.events, lane.backlog.bytes) == (totals[name].events, totals[name].bytes)
        assert lane.backlog.events + lane.backlog.dropped == 300


def test_filling_and_emptying_are_logged_once_each(
    spool: Spool, lanes: dict[str, Lane], caplog: pytest.LogCaptureFixture
) -> None:
    # Given
    quota = quota_of(spool, lanes, "drop_newest")

    # When
    for size in (1100, 1200, 1300, 10, 10):
        quota.admit([sized(size)])

    # Then
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]
    assert "spool.max_bytes 1000" in caplog.text


@pytest.mark.parametrize("when_full", ["drop_oldest", "drop_newest"])
def test_a_spool_that_stays_full_is_told_once(
    spool: Spool, lanes: dict[str, Lane], when_full: str, caplog: pytest.LogCaptureFixture
) -> None:
    # Given: each commit fills it, and room is made for each
    quota = quota_of(spool, lanes, when_full)

    # When
    for number in range(300):
        keep(lanes["a"], spool, *quota.admit([sized(40 + number % 60)]))

    # Then
    assert quota.full
    assert [record.levelname for record in caplog.records] == ["ERROR"]

    # When
    lanes["a"].backlog.drop_oldest(10**6)
    quota.admit([sized(40)])

    # Then
    assert not quota.full
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]


def test_a_backlog_is_all_that_it_needs_of_a_lane(spool: Spool) -> None:
    # Given
    class OnlyABacklog:
        backlog = Backlog("a", spool)

    lanes = {"a": OnlyABacklog()}
    quota = Quota(lambda: SpoolConfig(max_bytes=Size(1000)), spool, lanes)
    for one in spool.put([sized(900, events=2)]):
        OnlyABacklog.backlog.add(one)

    # When
    admitted = quota.admit([sized(500)])

    # Then
    assert [len(one.payload) for one in admitted] == [500]
    assert (OnlyABacklog.backlog.events, OnlyABacklog.backlog.dropped) == (0, 2)
    assert OnlyABacklog.backlog.last_drop > 0
