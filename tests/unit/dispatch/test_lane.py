"""One worker's queue: what its next batch is, when it is due, and what becomes of it."""

from __future__ import annotations

import gc
import threading
import time
import weakref

import pytest

from salt_eventsd.dispatch.lane import Lane
from salt_eventsd.event.chunk import Chunk, StoredChunk
from salt_eventsd.exceptions import Held, Refused, Transient
from salt_eventsd.spool.burial import Burial
from salt_eventsd.spool.keep import Spool
from salt_eventsd.workers.write import Batch, Behind
from tests.support.events import numbered, returned
from tests.support.lanes import LATER, SOON, chunk, eventually, keep, lane_of
from tests.support.workers import Recorder

NOW = 1_000_000.0


def claimed(lane: Lane, now: float = NOW) -> list[int]:
    return [one.id for one in lane.claim(now)[0]]


def run(lane: Lane) -> list[StoredChunk]:
    """Claim and write one batch, as the dispatcher does."""
    chunks, _ = lane.claim(NOW)
    if chunks:
        lane.run(chunks)
        lane.flights.ended(chunks[0])
    return chunks


@pytest.mark.parametrize(
    ("limits", "sizes", "batch"),
    [
        pytest.param({"events": 10}, [4, 4], None, id="not full, not old: not yet"),
        pytest.param({"events": 10}, [4, 6], 2, id="full to the brim"),
        pytest.param({"events": 10}, [4, 4, 4], 2, id="the next chunk would be too much"),
        pytest.param({"events": 10}, [25, 1], 1, id="a chunk larger than a batch goes alone"),
        pytest.param({"events": 1}, [1, 1], 1, id="one at a time"),
    ],
)
def test_a_batch_is_due_when_it_has_enough_events(
    spool: Spool, limits: dict[str, int], sizes: list[int], batch: int | None
) -> None:
    # Given
    lane = lane_of(spool, Recorder(), seconds=5, **limits)
    kept = keep(lane, spool, *(chunk(size, oldest=NOW) for size in sizes))

    # When, Then
    assert claimed(lane) == [one.id for one in kept[: batch or 0]]


@pytest.mark.parametrize(
    ("most", "batch"),
    [
        pytest.param(301, 0, id="not full"),
        pytest.param(300, 3, id="full to the brim"),
        pytest.param(250, 2, id="the next chunk would be too much"),
        pytest.param(50, 1, id="a chunk larger than a batch goes alone"),
    ],
)
def test_a_batch_is_due_when_it_has_enough_bytes(spool: Spool, most: int, batch: int) -> None:
    # Given
    lane = lane_of(spool, Recorder(), seconds=5, size=most)
    kept = keep(lane, spool, *(Chunk("history", False, 1, NOW, b"x" * 100) for _ in range(3)))

    # When, Then
    assert claimed(lane) == [one.id for one in kept[:batch]]


def test_a_batch_is_due_when_its_oldest_event_has_waited_long_enough(spool: Spool) -> None:
    # Given
    lane = lane_of(spool, Recorder(), seconds=5)
    kept = keep(lane, spool, chunk(1, oldest=NOW), chunk(1, oldest=NOW + 4))

    # When
    early, wait = lane.claim(NOW + 4.5)

    # Then
    assert (early, wait) == ([], pytest.approx(0.5))
    assert claimed(lane, NOW + 5) == [one.id for one in kept]


def test_a_clock_set_back_keeps_nothing_waiting(spool: Spool) -> None:
    lane = lane_of(spool, Recorder(), seconds=5)
    keep(lane, spool, chunk(1, oldest=NOW + 3600))

    assert claimed(lane)


def test_nothing_queued_is_nothing_due(spool: Spool) -> None:
    chunks, wait = lane_of(spool, Recorder()).claim(NOW)

    assert chunks == []
    assert wait > 1


def test_other_workers_chunks_are_left_alone(spool: Spool) -> None:
    lane = lane_of(spool, Recorder(), "history")
    kept = keep(lane, spool, chunk(1, "other"), chunk(1, "history"))

    assert claimed(lane) == [kept[1].id]


def test_prio_goes_at_once_alone_and_besides_a_batch_in_flight(spool: Spool) -> None:
    # Given
    lane = lane_of(spool, Recorder(), seconds=3600)
    slow = keep(lane, spool, chunk(1, oldest=NOW - 3600))
    assert claimed(lane) == [slow[0].id]

    # When
    urgent = keep(lane, spool, chunk(1, oldest=NOW), chunk(1, prio=True, oldest=NOW))

    # Then
    assert claimed(lane) == [urgent[1].id]
    assert lane.flights.count == 2


class MakesWay(Recorder):
    """A worker whose batches slow each other down."""

    makes_way = True


def test_beside_prio_a_batch_is_a_step_unless_more_waits_than_a_batch_takes(spool: Spool) -> None:
    # Given
    lane = lane_of(spool, MakesWay(), events=300, seconds=3600)
    kept = keep(lane, spool, *(chunk(40, oldest=NOW) for _ in range(4)))

    # When
    step, _ = lane.claim(NOW, beside_prio=True)

    # Then
    assert [one.id for one in step] == [one.id for one in kept[:2]]
    lane.run(step)
    lane.flights.ended(step[0])
    assert lane.claim(NOW, beside_prio=True)[0] == []

    # When
    more = keep(lane, spool, *(chunk(40, oldest=NOW) for _ in range(6)))

    # Then
    whole, _ = lane.claim(NOW, beside_prio=True)
    assert [one.id for one in whole] == [one.id for one in [*kept, *more][2:9]]


def test_beside_prio_large_events_are_written_few_at_a_time(spool: Spool) -> None:
    lane = lane_of(spool, MakesWay(), seconds=3600)
    large = [chunk([returned(value="x" * 150_000)], oldest=NOW) for _ in range(3)]
    kept = keep(lane, spool, *large)

    assert [one.id for one in lane.claim(NOW, beside_prio=True)[0]] == [kept[0].id]


def test_a_batch_waits_for_the_prio_batch_in_flight(spool: Spool) -> None:
    # Given
    lane = lane_of(spool, MakesWay(), seconds=5)
    usual = keep(lane, spool, chunk(1, oldest=NOW - 5))
    keep(lane, spool, chunk(1, prio=True, oldest=NOW))
    urgent, _ = lane.claim(NOW, beside_prio=True)
    assert urgent[0].prio

    # When
    chunks, wait = lane.claim(NOW, beside_prio=True)

    # Then
    assert chunks == []
    assert wait == pytest.approx(0.1)

    # When
    lane.run(urgent)
    lane.flights.ended(urgent[0])

    # Then
    assert [one.id for one in lane.claim(NOW, beside_prio=True)[0]] == [usual[0].id]


def test_a_batch_waits_for_prio_batches_no_longer_than_a_moment(spool: Spool) -> None:
    # Given
    lane = lane_of(spool, MakesWay(), seconds=5)
    usual = keep(lane, spool, chunk(1, oldest=NOW - 5))
    taken: list[int] = []

    # When
    end = time.monotonic() + 10
    while usual[0].id not in taken and time.monotonic() < end:
        keep(lane, spool, chunk(1, prio=True, oldest=NOW))
        urgent, _ = lane.claim(NOW, beside_prio=True)
        taken += [one.id for one in lane.claim(NOW, beside_prio=True)[0]]
        lane.run(urgent)
        lane.flights.ended(urgent[0])

    # Then
    assert usual[0].id in taken


def test_what_piles_up_does_not_wait_for_prio(spool: Spool) -> None:
    lane = lane_of(spool, MakesWay(), events=10, seconds=5)
    usual = keep(lane, spool, chunk(10, oldest=NOW), chunk(10, oldest=NOW))
    keep(lane, spool, chunk(1, prio=True, oldest=NOW))
    assert lane.claim(NOW, beside_prio=True)[0][0].prio

    assert [one.id for one in lane.claim(NOW, beside_prio=True)[0]] == [usual[0].id]


def test_a_worker_that_does_not_say_so_makes_no_way_for_prio(spool: Spool) -> None:
    lane = lane_of(spool, Recorder(), seconds=5)
    usual = keep(lane, spool, *(chunk(90, oldest=NOW - 5) for _ in range(3)))
    keep(lane, spool, chunk(1, prio=True, oldest=NOW))
    assert lane.claim(NOW, beside_prio=True)[0][0].prio

    assert [one.id for one in lane.claim(NOW, beside_prio=True)[0]] == [one.id for one in usual]


def test_no_more_batches_are_in_flight_than_concurrency_allows(spool: Spool) -> None:
    # Given
    lane = lane_of(spool, Recorder(), events=1, concurrency=2)
    kept = keep(lane, spool, *(chunk(1) for _ in range(3)))

    # When
    batches = [lane.claim(NOW)[0] for _ in range(3)]

    # Then
    assert [[one.id for one in batch] for batch in batches] == [[kept[0].id], [kept[1].id], []]
    lane.run(batches[0])
    lane.flights.ended(batches[0][0])
    assert claimed(lane) == [kept[2].id]


class Overlaps(Recorder):
    """May have a second batch in flight while it is behind."""

    behind = Behind(overlap=1)


class Gulps(Recorder):
    """Takes larger batches while it is behind."""

    behind = Behind(times=4)


def test_a_worker_that_is_behind_has_a_second_batch_in_flight(spool: Spool) -> None:
    # Given
    lane = lane_of(spool, Overlaps(), events=2)
    kept = [one.id for one in keep(lane, spool, *(chunk(1) for _ in range(5)))]

    # When
    batches = [claimed(lane) for _ in range(3)]

    # Then: another full batch waits behind the first, and none behind the second
    assert batches == [kept[:2], kept[2:4], []]


def test_a_worker_that_is_not_behind_has_one_batch_in_flight(spool: Spool) -> None:
    lane = lane_of(spool, Overlaps(), events=2)
    kept = [one.id for one in keep(lane, spool, *(chunk(1) for _ in range(4)))]

    assert [claimed(lane) for _ in range(2)] == [kept[:2], []]


def test_the_batches_of_a_worker_that_is_behind_are_small_where_events_are_large(spool: Spool) -> None:
    # Given
    size = len(chunk(1).payload)

    class Sips(Recorder):
        """Takes small batches while it is behind."""

        behind = Behind(times=4, most_bytes=2 * size)

    lane = lane_of(spool, Sips(), size=8 * size)
    kept = [one.id for one in keep(lane, spool, *(chunk(1) for _ in range(20)))]

    assert claimed(lane) == kept[:2]


def test_the_batches_of_a_worker_that_is_behind_have_no_more_bytes_together(spool: Spool) -> None:
    # Given
    size = len(chunk(1).payload)
    lane = lane_of(spool, Overlaps(), size=4 * size)
    kept = [one.id for one in keep(lane, spool, *(chunk(1) for _ in range(20)))]

    # When / Then
    assert [claimed(lane) for _ in range(3)] == [kept[:2], kept[2:4], []]


def test_events_whose_order_matters_are_written_one_batch_after_the_other(spool: Spool) -> None:
    # Given: the lane of a rule with a table of its own
    lane = lane_of(spool, Overlaps(), "history:raid", events=1, owner="history")
    kept = [one.id for one in keep(lane, spool, *(chunk(1, "history:raid") for _ in range(5)))]

    # When / Then
    assert [claimed(lane) for _ in range(2)] == [kept[:1], []]


def test_a_worker_that_fails_has_one_batch_in_flight(spool: Spool) -> None:
    # Given
    worker = Overlaps(errors=[Transient("away")])
    lane = lane_of(spool, worker, events=1, backoff=SOON)
    kept = [one.id for one in keep(lane, spool, *(chunk(1) for _ in range(5)))]
    run(lane)
    eventually(lambda: lane.retry.wait_seconds <= 0)

    # When / Then
    assert [claimed(lane) for _ in range(2)] == [kept[:1], []]


def test_a_worker_that_is_behind_has_larger_batches_if_it_likes(spool: Spool) -> None:
    # Given
    lane = lane_of(spool, Gulps(), events=2)
    kept = [one.id for one in keep(lane, spool, *(chunk(1) for _ in range(10)))]

    # When / Then
    assert [claimed(lane) for _ in range(2)] == [kept[:8], []]


def test_the_last_of_a_backlog_is_one_batch_beside_that_in_flight(spool: Spool) -> None:
    # Given
    class Both(Recorder):
        """Takes larger batches while it is behind, and two of them."""

        behind = Behind(overlap=1, times=4)

    lane = lane_of(spool, Both(), events=2)
    kept = [one.id for one in keep(lane, spool, *(chunk(1) for _ in range(12)))]

    # When / Then
    assert [claimed(lane) for _ in range(3)] == [kept[:8], kept[8:], []]


def test_what_fills_a_usual_batch_does_not_wait_for_a_larger_one(spool: Spool) -> None:
    # Given: they have just come
    lane = lane_of(spool, Gulps(), events=2)
    kept = [one.id for one in keep(lane, spool, *(chunk(1, oldest=NOW) for _ in range(5)))]

    # When / Then
    assert claimed(lane) == kept[:2]


class Gathers(Recorder):
    """Has full batches take in further events, as long as none waits for more than two seconds."""

    behind = Behind(times=4, gathers=3, gather_seconds=2)


@pytest.mark.parametrize(
    ("sizes", "age", "batch"),
    [
        pytest.param([2, 1], 1.9, 0, id="enough, and more may come"),
        pytest.param([2, 1], 2.0, 2, id="enough, and it has waited"),
        pytest.param([1], 2.0, 0, id="not enough yet"),
        pytest.param([1], 5.0, 1, id="as old as a batch may be"),
        pytest.param([2, 2, 2], 0.0, 3, id="full to the brim"),
        pytest.param([2, 2, 1, 2], 0.0, 3, id="the next chunk would be too much"),
    ],
)
def test_a_full_batch_takes_in_further_events_for_a_while(
    spool: Spool, sizes: list[int], age: float, batch: int
) -> None:
    # Given
    lane = lane_of(spool, Gathers(), events=2, seconds=5)
    kept = keep(lane, spool, *(chunk(size, oldest=NOW - age) for size in sizes))

    # When, Then
    assert claimed(lane) == [one.id for one in kept[:batch]]


def test_a_batch_that_gathers_is_looked_at_when_it_has_waited(spool: Spool) -> None:
    lane = lane_of(spool, Gathers(), events=2, seconds=5)
    keep(lane, spool, chunk(3, oldest=NOW))

    assert lane.claim(NOW) == ([], 2.0)


def test_a_batch_gathers_no_longer_than_any_may_wait(spool: Spool) -> None:
    lane = lane_of(spool, Gathers(), events=2, seconds=1)
    kept = keep(lane, spool, chunk(3, oldest=NOW - 1))

    assert claimed(lane) == [kept[0].id]


def test_a_batch_gathers_no_more_bytes_than_any_may_have(spool: Spool) -> None:
    size = len(chunk(1).payload)
    lane = lane_of(spool, Gathers(), events=1, seconds=5, size=3 * size - 1)
    kept = keep(lane, spool, *(chunk(1, oldest=NOW) for _ in range(3)))

    assert claimed(lane) == [one.id for one in kept[:2]]


def test_a_small_batch_gathers_nothing(spool: Spool) -> None:
    # Given
    class OnlyLarge(Gathers):
        """Has large batches take in further events."""

        behind = Behind(gathers=3, gathers_from=3, gather_seconds=2)

    lane = lane_of(spool, OnlyLarge(), events=2, seconds=5)
    kept = keep(lane, spool, chunk(2, oldest=NOW))

    # When, Then
    assert claimed(lane) == [kept[0].id]


def test_nothing_gathers_where_prio_events_would_wait_for_it(spool: Spool) -> None:
    # Given
    class MakesWay(Gathers):
        """Its batches are in the way of prio batches."""

        makes_way = True

    lane = lane_of(spool, MakesWay(), events=2, seconds=5)
    kept = keep(lane, spool, chunk(2, oldest=NOW))

    # When, Then
    assert [one.id for one in lane.claim(NOW, beside_prio=True)[0]] == [kept[0].id]


def test_nothing_gathers_while_more_waits_than_a_larger_batch_takes(spool: Spool) -> None:
    lane = lane_of(spool, Gathers(), events=2, seconds=5)
    kept = keep(lane, spool, *(chunk(2, oldest=NOW) for _ in range(5)))

    assert claimed(lane) == [one.id for one in kept[:4]]


def test_nothing_gathers_where_the_last_try_failed(spool: Spool) -> None:
    # Given
    lane = lane_of(spool, Gathers(), events=2, seconds=5)
    kept = keep(lane, spool, chunk(2, oldest=NOW))

    # When
    lane.retry.failed()

    # Then
    assert claimed(lane) == [kept[0].id]


def test_nothing_gathers_that_somebody_waits_for(spool: Spool) -> None:
    # Given
    lane = lane_of(spool, Gathers(), events=2, seconds=5)
    kept = keep(lane, spool, chunk(2, oldest=NOW - 0.1))

    # When
    lane.hurry(kept[0].id)

    # Then
    assert claimed(lane) == [kept[0].id]


def test_events_whose_order_matters_gather_nothing(spool: Spool) -> None:
    lane = lane_of(spool, Gathers(), "history:raid", events=2, seconds=5, owner="history")
    kept = keep(lane, spool, chunk(2, "history:raid", oldest=NOW))

    assert claimed(lane) == [kept[0].id]


def test_what_is_written_is_forgotten_and_counted(spool: Spool) -> None:
    # Given
    worker = Recorder()
    lane = lane_of(spool, worker)
    keep(lane, spool, chunk(numbered(3)), chunk(numbered(2, start=3)))

    # When
    before = time.time()
    run(lane)

    # Then
    assert worker.batches == [["0", "1", "2", "3", "4"]]
    assert spool.totals() == {}
    assert (lane.written, lane.backlog.events, lane.backlog.bytes, lane.backlog.claimed) == (5, 0, 0, set())
    assert (lane.state, lane.last_error) == ("ok", "")
    assert lane.last_write >= before


def test_a_batch_tells_the_worker_its_chunks(spool: Spool) -> None:
    # Given
    worker = Recorder()
    lane = lane_of(spool, worker)
    kept = keep(lane, spool, chunk(3), chunk(2))

    # When
    run(lane)

    # Then
    (batch,) = worker.tries
    assert batch.spool_id == spool.file.lives.current.id == kept[0].life
    assert batch.chunks == ((kept[0].id, 3), (kept[1].id, 2))
    assert batch.oldest_chunk == kept[0].id
    assert not batch.replay


@pytest.mark.parametrize(
    ("error", "state"),
    [
        pytest.param(Transient("away"), "retrying", id="away"),
        pytest.param(Held("no such table"), "held", id="held"),
        pytest.param(ConnectionRefusedError("refused"), "retrying", id="a socket's error"),
    ],
)
def test_a_fault_keeps_everything_and_pauses_the_lane(spool: Spool, error: Exception, state: str) -> None:
    # Given
    worker = Recorder(errors=[error])
    lane = lane_of(spool, worker, backoff=LATER)
    kept = keep(lane, spool, chunk(3))

    # When
    run(lane)
    again, wait = lane.claim(NOW)

    # Then
    assert (again, worker.written) == ([], [])
    assert 50 < wait <= 60
    assert spool.waiting("history", prio=False) == kept
    assert (lane.state, lane.retries, lane.backlog.events, lane.backlog.claimed) == (state, 1, 3, set())
    assert str(error) in lane.last_error


def test_no_prio_batch_either_while_a_lane_pauses(spool: Spool) -> None:
    lane = lane_of(spool, Recorder(errors=[Transient("away")]), backoff=LATER)
    keep(lane, spool, chunk(1))
    run(lane)
    keep(lane, spool, chunk(1, prio=True))

    assert not claimed(lane)


def test_after_the_pause_the_same_batch_is_tried_again_as_a_replay(spool: Spool) -> None:
    # Given
    worker = Recorder(errors=[Transient("away"), Transient("away")])
    lane = lane_of(spool, worker)
    keep(lane, spool, chunk(3))

    # When
    eventually(lambda: run(lane) and worker.batches)

    # Then
    assert worker.batches == [["0", "1", "2"]]
    assert [batch.replay for batch in worker.tries] == [False, True, True]
    assert len({batch.chunks for batch in worker.tries}) == 1
    assert (lane.state, lane.retries, lane.written) == ("ok", 2, 3)
    assert spool.totals() == {}


def test_while_a_backend_is_away_only_one_batch_knocks(spool: Spool) -> None:
    # Given
    lane = lane_of(spool, Recorder(errors=[Transient("away")]), events=1, concurrency=4, backoff=SOON)
    keep(lane, spool, *(chunk(1) for _ in range(4)))
    run(lane)
    time.sleep(0.03)

    # When
    first, second = lane.claim(NOW)[0], lane.claim(NOW)[0]

    # Then
    assert first
    assert second == []


def test_refused_events_are_buried_alone(spool: Spool) -> None:
    # Given
    worker = Recorder(bad=["1", "4"])
    lane = lane_of(spool, worker)
    keep(lane, spool, chunk(numbered(3)), chunk(numbered(3, start=3)))

    # When
    run(lane)

    # Then
    assert sorted(worker.written) == ["0", "2", "3", "5"]
    assert (lane.written, lane.buried, lane.state, lane.backlog.events) == (4, 2, "ok", 0)
    assert spool.burials.dead_letters() == {"history": 2}
    assert spool.totals() == {}


def test_what_was_noted_before_a_fault_is_settled_by_the_try_that_succeeds(spool: Spool) -> None:
    # Given
    class Interrupted(Recorder):
        """Notes a refusal, then loses its connection before it can commit; the second try finds nothing wrong."""

        def write(self, batch: Batch) -> None:
            self.tries.append(batch)
            if len(self.tries) == 1:
                batch.bury([(0, "bad")])
                raise Transient("connection lost")
            batch.bury([])
            self.batches.append([event.jid for event in batch.events])

    worker = Interrupted()
    lane = lane_of(spool, worker)
    keep(lane, spool, chunk(2))

    # When
    eventually(lambda: run(lane) and worker.batches)

    # Then
    assert worker.written == ["0", "1"]
    assert (lane.written, lane.buried, spool.burials.dead_letters()) == (2, 0, {})


def test_an_unexpected_error_about_everything_holds_the_worker(spool: Spool) -> None:
    # Given
    worker = Recorder(bad=["0", "1"], refuse=ZeroDivisionError)
    lane = lane_of(spool, worker, backoff=LATER)
    keep(lane, spool, chunk(2))

    # When
    run(lane)

    # Then
    assert lane.state == "held"
    assert lane.last_error == "ZeroDivisionError: bad: 0"
    assert (spool.burials.dead_letters(), lane.backlog.events) == ({}, 2)


def test_one_line_is_logged_when_a_lane_fails_and_one_when_it_recovers(
    spool: Spool, caplog: pytest.LogCaptureFixture
) -> None:
    # Given
    worker = Recorder(errors=[Transient("away")] * 5)
    lane = lane_of(spool, worker)
    keep(lane, spool, chunk(1))

    # When
    eventually(lambda: run(lane) and worker.batches)

    # Then
    assert [record.getMessage() for record in caplog.records] == [
        "eventsd: worker history cannot write; its events wait in the spool: away",
        "eventsd: worker history writes again after 5 failed tries",
    ]


def test_a_worker_that_could_not_be_made_keeps_its_events_waiting(spool: Spool) -> None:
    # Given
    lane = lane_of(spool, None, problem="eventsd: workers.history.module: no worker module 'slq'")
    keep(lane, spool, chunk(2))

    # When, Then
    assert not claimed(lane)
    assert (lane.state, lane.backlog.events) == ("held", 2)
    assert lane.last_error.endswith("'slq'")


def test_what_an_earlier_engine_left_is_written_as_a_replay(spool: Spool) -> None:
    # Given
    spool.put([chunk(numbered(2))])
    worker = Recorder()
    lane = lane_of(spool, worker, events=2)

    # When
    lane.backlog.restore(spool.totals()["history"], spool.newest_id())
    keep(lane, spool, chunk(numbered(2, start=2)))
    run(lane)
    run(lane)

    # Then
    assert worker.batches == [["0", "1"], ["2", "3"]]
    assert [batch.replay for batch in worker.tries] == [True, False]
    assert lane.backlog.events == 0


@pytest.fixture
def corrupt(spool: Spool) -> StoredChunk:
    (kept,) = spool.put([Chunk("history", False, 7, 0.0, b"\xc1 a disk's bad block")])
    return kept


def test_a_chunk_that_cannot_be_decoded_stops_no_other(spool: Spool, corrupt: StoredChunk) -> None:
    # Given
    worker = Recorder()
    lane = lane_of(spool, worker)
    lane.backlog.add(corrupt)
    keep(lane, spool, chunk(2))

    # When
    run(lane)

    # Then
    (batch,) = worker.tries
    assert b"a disk's bad block" in batch.events[0].body
    assert worker.written == ["", "0", "1"]
    assert (lane.backlog.events, spool.totals()) == (0, {})
    assert (lane.written, lane.backlog.lost, lane.buried) == (2, 7, 0)


def test_the_remains_of_a_chunk_that_are_refused_are_a_dead_letter(spool: Spool, corrupt: StoredChunk) -> None:
    # Given
    lane = lane_of(spool, Recorder(bad=[""]))
    lane.backlog.add(corrupt)
    keep(lane, spool, chunk(2))

    # When
    run(lane)

    # Then
    assert (lane.written, lane.backlog.lost, lane.buried) == (2, 7, 1)
    assert spool.burials.dead_letters() == {"history": 1}


def test_a_batch_claimed_before_a_swap_is_left_to_the_new_worker(spool: Spool) -> None:
    # Given
    old, new = Recorder(), Recorder()
    lane = lane_of(spool, old, events=1)
    keep(lane, spool, *(chunk([event]) for event in numbered(2)))
    claimed_for_old, _ = lane.claim(NOW)

    # When: the new one has begun before the thread of the batch for the old one did
    lane.swap(lane.config, new, spool.newest_id())
    claimed_for_new, _ = lane.claim(NOW)
    lane.run(claimed_for_old)
    lane.run(claimed_for_new)
    for one in (claimed_for_old, claimed_for_new):
        lane.flights.ended(one[0])
    while run(lane):
        pass

    # Then: no chunk was in two batches at once, and none is left
    assert old.tries == []
    assert sorted(new.written) == ["0", "1"]
    assert [len(batch.events) for batch in new.tries] == [1, 1]
    assert (lane.backlog.events, lane.backlog.claimed, lane.flights.count) == (0, set(), 0)


def test_a_batch_is_of_one_life(spool: Spool) -> None:
    # Given
    worker = Recorder()
    keep(lane_of(spool, worker), spool, chunk(numbered(2)), chunk(numbered(2, start=2)))
    spool.file.lives.renew()
    lane = lane_of(spool, worker, events=100)
    lane.backlog.restore(spool.totals()["history"], spool.newest_id())
    keep(lane, spool, chunk(numbered(2, start=4)))

    # When
    while run(lane):
        pass

    # Then
    assert worker.batches == [["0", "1", "2", "3"], ["4", "5"]]
    assert len({batch.spool_id for batch in worker.tries}) == 2


def test_a_batch_of_as_many_chunks_as_may_be_is_due_at_once(spool: Spool) -> None:
    # Given
    lane = lane_of(spool, Recorder(), events=100_000, seconds=3600)
    keep(lane, spool, *(chunk([event], oldest=NOW) for event in numbered(999)))
    assert not claimed(lane)

    # When
    keep(lane, spool, chunk(1, oldest=NOW))

    # Then
    assert len(claimed(lane)) == 1000


def test_prio_goes_before_what_has_waited_longer(spool: Spool) -> None:
    # Given
    worker = Recorder()
    lane = lane_of(spool, worker, events=1)
    keep(lane, spool, *(chunk([event]) for event in numbered(3)))
    keep(lane, spool, chunk(numbered(1, start=3), prio=True))

    # When
    while run(lane):
        pass

    # Then
    assert worker.written == ["3", "0", "1", "2"]


def test_prio_is_due_at_once_whatever_a_batch_may_wait_for(spool: Spool) -> None:
    # Given
    lane = lane_of(spool, Recorder(), events=100, seconds=3600)
    keep(lane, spool, chunk(1, oldest=NOW))
    assert not claimed(lane)

    # When
    (urgent,) = keep(lane, spool, chunk(1, oldest=NOW, prio=True))

    # Then
    assert claimed(lane) == [urgent.id]


def test_after_a_swap_what_failed_is_tried_at_once(spool: Spool) -> None:
    # Given
    lane = lane_of(spool, Recorder(errors=[Transient("away")]), backoff=LATER)
    keep(lane, spool, chunk(1))
    run(lane)
    assert not run(lane)

    # When
    new = Recorder()
    lane.swap(lane.config, new, spool.newest_id())

    # Then
    assert run(lane)
    assert (new.written, new.tries[0].replay, lane.state) == (["0"], True, "ok")


def test_after_a_spool_broke_only_what_is_in_the_new_one_counts(spool: Spool) -> None:
    # Given
    lane = lane_of(spool, Recorder(), events=2)
    old = keep(lane, spool, chunk(3), chunk(4))

    # When
    lane.backlog.spool_broke(old[-1].id + 1)
    lane.backlog.spool_broke(old[-1].id + 1)
    new = StoredChunk(old[-1].id + 1, "history", False, 5, 50, 0.0)
    lane.backlog.add(new)
    lane.backlog.gone(old)

    # Then
    assert (lane.backlog.lost, lane.backlog.events, lane.backlog.bytes) == (7, 5, 50)


def test_the_oldest_event_is_told(spool: Spool) -> None:
    # Given
    lane = lane_of(spool, Recorder())
    assert lane.backlog.oldest() == 0

    # When
    keep(lane, spool, chunk(1, oldest=30.0), chunk(1, prio=True, oldest=20.0), chunk(1, "other", oldest=10.0))

    # Then
    assert lane.backlog.oldest() == 20.0


def test_a_long_queue_is_taken_in_bounded_batches(spool: Spool) -> None:
    # Given
    worker = Recorder()
    lane = lane_of(spool, worker, events=100_000)
    keep(lane, spool, *(chunk([event]) for event in numbered(2500)))

    # When
    while run(lane):
        pass

    # Then
    assert [len(batch) for batch in worker.batches] == [1000, 1000, 500]
    assert worker.written == [str(number) for number in range(2500)]


def test_a_refusal_while_splitting_ends_in_a_fault_settles_nothing(spool: Spool) -> None:
    # Given
    worker = Recorder(errors=[Refused("bad"), Transient("away")])
    lane = lane_of(spool, worker, backoff=LATER)
    keep(lane, spool, chunk(4))

    # When
    run(lane)

    # Then
    assert (lane.state, lane.backlog.events, spool.burials.dead_letters()) == ("retrying", 4, {})


@pytest.mark.parametrize("error", [SystemExit("bye"), KeyboardInterrupt()])
def test_what_would_end_a_program_ends_only_the_batch(spool: Spool, error: BaseException) -> None:
    # Given
    worker = Recorder(errors=[error])  # no Exception: that is the point
    lane = lane_of(spool, worker)
    keep(lane, spool, chunk(3))

    # When
    run(lane)
    state = lane.state
    eventually(lambda: run(lane))

    # Then
    assert state == "retrying"
    assert worker.written == ["0", "1", "2"]
    assert (lane.backlog.events, spool.totals()) == (0, {})


def test_a_batch_that_failed_is_a_replay_also_when_another_was_written_meanwhile(spool: Spool) -> None:
    # Given
    worker = Recorder(errors=[Transient("the answer to the commit was lost")])
    lane = lane_of(spool, worker, concurrency=2, events=1)
    keep(lane, spool, chunk(1), chunk(1))
    first, second = lane.claim(NOW)[0], lane.claim(NOW)[0]

    # When
    for chunks in (first, second):
        lane.run(chunks)
        lane.flights.ended(chunks[0])
    eventually(lambda: run(lane))

    # Then
    assert [(batch.chunks[0][0], batch.replay) for batch in worker.tries] == [
        (first[0].id, False),
        (second[0].id, False),
        (first[0].id, True),
    ]


def test_an_event_noted_as_refused_and_written_after_all_is_no_dead_letter(spool: Spool) -> None:
    # Given
    events = numbered(2)
    lane = lane_of(spool, Recorder(errors=[Transient("gone")]), concurrency=2, events=2)
    noted, _ = keep(lane, spool, chunk(events), chunk(numbered(2)))
    first, second = lane.claim(NOW)[0], lane.claim(NOW)[0]
    spool.burials.note("history", [noted.id], [Burial(noted.id, 1, events[1], "refused")])

    # When
    for chunks in (first, second):
        lane.run(chunks)
        lane.flights.ended(chunks[0])
    eventually(lambda: run(lane))

    # Then
    assert spool.totals() == {}
    assert spool.burials.dead_letters() == {}


def test_counts_are_right_when_chunks_are_dropped_and_claimed_at_once(spool: Spool) -> None:
    # Given
    lane = lane_of(spool, Recorder(), events=1)
    keep(lane, spool, *(chunk(1) for _ in range(400)))

    def drop() -> None:
        while spool.totals():
            lane.backlog.drop_oldest(1)

    # When
    other = threading.Thread(target=drop)
    other.start()
    while run(lane):
        pass
    other.join(30)

    # Then
    assert (lane.backlog.events, lane.backlog.bytes) == (0, 0)
    assert lane.written + lane.backlog.dropped == 400


def test_a_batch_that_hangs_is_told_once(spool: Spool, caplog: pytest.LogCaptureFixture) -> None:
    # Given
    lane = lane_of(spool, Recorder())
    lane.flights.running_since[7] = time.monotonic() - 61

    # When
    lane.tell_hanging()
    lane.tell_hanging()

    # Then
    assert [record.getMessage() for record in caplog.records] == [
        "eventsd: worker history hangs: one batch for 60 s so far"
    ]


def test_refused_events_are_told_in_the_log(spool: Spool, caplog: pytest.LogCaptureFixture) -> None:
    # Given
    lane = lane_of(spool, Recorder(bad={"1"}))
    keep(lane, spool, chunk(numbered(3)))

    # When
    chunks, _ = lane.claim(time.time())
    lane.run(chunks)

    # Then
    assert "eventsd: worker history: 1 refused event was buried: salt-run eventsd.dead" in caplog.text


def test_a_new_worker_waits_a_moment_for_the_old_ones_batch_and_no_longer(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given: a batch that hangs in the old worker
    monkeypatch.setattr("salt_eventsd.dispatch.flights._GRACE_SECONDS", 0.3)
    entered, release = threading.Event(), threading.Event()

    class Hanging:
        def write(self, batch: Batch) -> None:
            entered.set()
            release.wait(20)

    lane = lane_of(spool, Hanging())
    keep(lane, spool, chunk(1))
    taken, _ = lane.claim(NOW)
    hung = taken[0]
    hanging = threading.Thread(target=lane.run, args=(taken,))
    hanging.start()
    keep(lane, spool, chunk(2))
    assert entered.wait(10)

    # When
    new = Recorder()
    lane.swap(lane.config, new, spool.newest_id())

    # Then: it does not begin at once, but soon, though the other still hangs
    assert not run(lane)
    eventually(lambda: run(lane), 5)
    assert new.batches
    assert not lane.flights.busy
    assert lane.flights.count == 1

    # When
    release.set()
    hanging.join(10)
    lane.flights.ended(hung)

    # Then
    assert (lane.flights.count, lane.backlog.events) == (0, 0)


def test_a_lane_takes_the_owner_that_a_reload_gives_it(spool: Spool) -> None:
    # Given: what waited at the start for a rule that was not there
    lane = lane_of(spool, None, "history:raid")
    keep(lane, spool, chunk(numbered(2), "history:raid"))

    # When
    lane.swap(lane.config, Recorder(bad={"1"}), spool.newest_id(), "history")
    run(lane)

    # Then
    assert lane.owner == "history"
    assert spool.burials.dead_letters() == {"history": 1}


def test_what_a_worker_has_lost_stays_counted_when_another_takes_its_place(spool: Spool) -> None:
    # Given
    class Lossy(Recorder):
        lost = 7

    lane = lane_of(spool, Lossy())

    # When
    lane.swap(lane.config, Recorder(), spool.newest_id())

    # Then
    assert lane.lost_behind == 7


def test_the_events_of_a_batch_are_freed_as_soon_as_it_is_written(spool: Spool) -> None:
    # Given
    batches: list[weakref.ref[Batch]] = []

    class Forgetful:
        def write(self, batch: Batch) -> None:
            batches.append(weakref.ref(batch))

    lane = lane_of(spool, Forgetful())
    keep(lane, spool, chunk(3))
    gc.collect()
    gc.disable()

    # When
    try:
        run(lane)

        # Then: no circle of objects waits for the collector
        assert [ref() for ref in batches] == [None]
    finally:
        gc.enable()
