"""Lanes on a bounded pool of threads, with real threads: one that hangs or fails delays no other."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from salt_eventsd.dispatch.lane import Lane
from salt_eventsd.dispatch.run import Dispatcher
from salt_eventsd.event.chunk import Chunk
from salt_eventsd.exceptions import Held, Transient
from salt_eventsd.spool.keep import Spool
from salt_eventsd.workers.load import BESIDE
from salt_eventsd.workers.write import Batch
from tests.support.events import numbered, returned
from tests.support.lanes import SOON, chunk, eventually, lane_of
from tests.support.workers import Hanging, Recorder

Start = Callable[..., Dispatcher]


@pytest.fixture
def start(spool: Spool) -> Iterator[Start]:
    """Start a dispatcher over these lanes; stopped when the test ends."""
    started: list[Dispatcher] = []

    def start(*lanes: Lane, max_workers: int = 1, has_prio: bool = False) -> Dispatcher:
        by_name = {lane.name: lane for lane in lanes}
        dispatcher = Dispatcher(spool, by_name, lambda: max_workers, has_prio=lambda: has_prio)
        dispatcher.start()
        started.append(dispatcher)
        return dispatcher

    yield start
    for one in started:
        for lane in one.lanes.values():
            if isinstance(lane.worker, (Hanging, Counting)):
                lane.worker.go.set()
        one.stop(10)


def put(dispatcher: Dispatcher, spool: Spool, *chunks: Chunk) -> None:
    """Keep chunks as the intake does."""
    dispatcher.kept(spool.put(chunks))


def test_a_batch_is_written_without_anything_following_it(spool: Spool, start: Start) -> None:
    # Given
    worker = Recorder()
    dispatcher = start(lane_of(spool, worker, seconds=0.2))

    # When
    put(dispatcher, spool, chunk(3, oldest=time.time()))

    # Then
    eventually(lambda: worker.batches)
    assert worker.batches == [["0", "1", "2"]]
    eventually(lambda: not dispatcher.lanes["history"].flights.count)
    assert spool.totals() == {}


def test_prio_does_not_wait_for_a_batch_to_fill(spool: Spool, start: Start) -> None:
    # Given
    worker = Recorder()
    dispatcher = start(lane_of(spool, worker, seconds=3600))
    put(dispatcher, spool, chunk(numbered(2), oldest=time.time()))

    # When
    put(dispatcher, spool, chunk(numbered(1, start=7), prio=True, oldest=time.time()))

    # Then
    eventually(lambda: worker.batches)
    assert worker.batches == [["7"]]


@pytest.mark.parametrize("seed", range(5))
def test_all_is_written_once_and_in_order_whether_or_not_batches_make_way_for_prio(
    spool: Spool, start: Start, seed: int
) -> None:
    # Given
    class MakesWay(Recorder):
        """A worker whose batches slow each other down."""

        makes_way = True

    generated = random.Random(seed)
    chunks, usual, urgent = [], [], []
    for number in range(60):
        size = generated.choice([1, 5, 40, 120])
        is_urgent = generated.random() < 0.3
        chunks.append((size, number * 1000, is_urgent))
        (urgent if is_urgent else usual).extend(str(number * 1000 + at) for at in range(size))

    for makes_way in (False, True):
        worker = MakesWay()
        name = f"history{makes_way}"
        dispatcher = start(lane_of(spool, worker, name, events=300, seconds=0.01), max_workers=2, has_prio=makes_way)

        # When
        for size, first, is_urgent in chunks:
            put(dispatcher, spool, chunk(numbered(size, start=first), name, prio=is_urgent, oldest=time.time()))

        # Then
        expected = len(usual) + len(urgent)
        eventually(lambda worker=worker, expected=expected: len(worker.written) >= expected)
        assert [jid for jid in worker.written if jid in set(usual)] == usual
        assert [jid for jid in worker.written if jid in set(urgent)] == urgent
        dispatcher.stop(10)


def test_prio_overtakes_a_batch_that_hangs(spool: Spool, start: Start) -> None:
    # Given
    class HangsUnlessUrgent(Hanging):
        """Hangs in everything but the event told apart as urgent."""

        def write(self, batch: Batch) -> None:
            if batch.events[0].jid == "urgent":
                Recorder.write(self, batch)
            else:
                super().write(batch)

    worker = HangsUnlessUrgent()
    dispatcher = start(lane_of(spool, worker, seconds=0.01), max_workers=2)
    put(dispatcher, spool, chunk(2))
    assert worker.entered.acquire(timeout=10)

    # When
    put(dispatcher, spool, chunk([returned(jid="urgent")], prio=True))

    # Then
    eventually(lambda: worker.batches)
    assert worker.batches == [["urgent"]]


def test_a_worker_that_hangs_delays_no_other(spool: Spool, start: Start) -> None:
    # Given
    hanging, well = Hanging(), Recorder()
    dispatcher = start(
        lane_of(spool, hanging, "hanging", events=1, concurrency=8),
        lane_of(spool, well, "well", seconds=0.01),
        max_workers=3,
    )
    put(dispatcher, spool, *(chunk(1, "hanging") for _ in range(8)))
    assert hanging.entered.acquire(timeout=10)
    assert hanging.entered.acquire(timeout=10)

    # When
    for number in range(5):
        put(dispatcher, spool, chunk(numbered(1, start=number), "well"))
        eventually(lambda number=number: str(number) in well.written, 5)

    # Then
    assert hanging.written == []
    assert dispatcher.lanes["hanging"].flights.count == 2


def test_there_is_a_thread_for_each_lane_however_few_are_asked_for(spool: Spool, start: Start) -> None:
    # Given
    hanging = [Hanging() for _ in range(3)]
    well = Recorder()
    lanes = [lane_of(spool, worker, f"hanging{at}") for at, worker in enumerate(hanging)]
    dispatcher = start(*lanes, lane_of(spool, well, "well"), max_workers=1)
    put(dispatcher, spool, *(chunk(1, lane.name) for lane in lanes))
    for worker in hanging:
        assert worker.entered.acquire(timeout=10)

    # When
    put(dispatcher, spool, chunk(1, "well"))

    # Then
    eventually(lambda: well.batches)
    assert dispatcher.threads == 4


class Counting(Recorder):
    """
    Counts how many of its batches are in flight at once; of some lanes it hangs in each until :attr:`go` is set.

    :param hangs: the jids of events it hangs in.
    """

    def __init__(self, hangs: Iterable[str] = (), **more: Any) -> None:
        super().__init__(**more)
        self.go = threading.Event()
        self.most = 0
        self._hangs = set(hangs)
        self._now = 0
        self._counting = threading.Lock()

    def write(self, batch: Batch) -> None:
        """Count, and hang if it is to."""
        with self._counting:
            self._now += 1
            self.most = max(self.most, self._now)
        try:
            if batch.events[0].jid in self._hangs:
                self.go.wait(30)
            super().write(batch)
        finally:
            with self._counting:
                self._now -= 1


def rules_of(spool: Spool, worker: Recorder, owner: str, count: int, **more: Any) -> list[Lane]:
    """Return a worker's lanes: the usual one, and one for each of so many rules of the user's own."""
    names = [owner, *(f"{owner}:rule{number}" for number in range(count))]
    return [lane_of(spool, worker, name, owner=owner, seconds=0.01, **more) for name in names]


def each(lanes: list[Lane]) -> list[Chunk]:
    """Return one event for each lane, whose jid is its number."""
    return [chunk(numbered(1, start=number), lane.name) for number, lane in enumerate(lanes)]


@pytest.mark.parametrize(("max_workers", "threads"), [(1, 2), (4, 4), (9, 9)])
def test_three_hundred_rules_share_the_threads_of_their_worker(
    spool: Spool, start: Start, max_workers: int, threads: int
) -> None:
    # Given
    worker = Counting()
    lanes = rules_of(spool, worker, "history", 300)
    before = threading.active_count()
    dispatcher = start(*lanes, max_workers=max_workers)

    # When
    put(dispatcher, spool, *each(lanes))

    # Then
    eventually(lambda: len(worker.written) == 301, 30)
    assert dispatcher.threads == threads
    assert threading.active_count() - before <= threads + 1
    assert worker.most <= min(threads, 1 + 1 + BESIDE)


@pytest.mark.parametrize("max_workers", [1, 4])
def test_a_rule_that_hangs_delays_no_other_rule_of_its_worker(spool: Spool, start: Start, max_workers: int) -> None:
    # Given
    worker = Counting(hangs=["7"])
    lanes = rules_of(spool, worker, "history", 40)
    dispatcher = start(*lanes, max_workers=max_workers)

    # When
    put(dispatcher, spool, *each(lanes))

    # Then
    eventually(lambda: len(worker.written) == 40)
    assert "7" not in worker.written
    for number in range(100, 105):
        put(dispatcher, spool, chunk(numbered(1, start=number), "history"))
        eventually(lambda number=number: str(number) in worker.written, 5)
    worker.go.set()
    eventually(lambda: "7" in worker.written)


def test_two_rules_that_hang_delay_no_other_either(spool: Spool, start: Start) -> None:
    # Given
    worker = Counting(hangs=["7", "11"])
    lanes = rules_of(spool, worker, "history", 40)
    dispatcher = start(*lanes, max_workers=4)

    # When
    put(dispatcher, spool, *each(lanes))

    # Then
    eventually(lambda: len(worker.written) == 39)
    worker.go.set()


def test_a_database_that_hangs_costs_its_worker_alone(spool: Spool, start: Start) -> None:
    # Given
    dead, well = Counting(hangs=map(str, range(51))), Counting()
    lanes = [*rules_of(spool, dead, "dead", 50, concurrency=8), *rules_of(spool, well, "well", 20)]
    dispatcher = start(*lanes, max_workers=4)
    put(dispatcher, spool, *each(lanes[:51]))
    eventually(lambda: dead.most)

    # When
    for _ in range(3):
        put(dispatcher, spool, *each(lanes[51:]))

    # Then
    eventually(lambda: len(well.written) == 63)
    assert dead.most <= 2
    dead.go.set()
    eventually(lambda: len(dead.written) == 51)


def test_rules_that_fail_try_one_after_the_other_and_leave_the_threads_to_who_can_write(
    spool: Spool, start: Start
) -> None:
    # Given: all rules but the usual lane fail, and take their time to
    class Slow(Counting):
        def write(self, batch: Batch) -> None:
            if int(batch.events[0].jid) < 1000:
                with self._counting:
                    self._now += 1
                    self.most = max(self.most, self._now)
                time.sleep(0.05)
                with self._counting:
                    self._now -= 1
                raise Transient("a lock")
            Recorder.write(self, batch)

    worker = Slow()
    lanes = rules_of(spool, worker, "history", 30, backoff=SOON)
    dispatcher = start(*lanes, max_workers=4)
    put(dispatcher, spool, *each(lanes)[1:])
    eventually(lambda: all(lane.retries > 1 for lane in lanes[1:]), 30)
    worker.most = 0

    # When
    for number in range(1000, 1020):
        put(dispatcher, spool, chunk(numbered(1, start=number), "history"))
        eventually(lambda number=number: str(number) in worker.written, 5)

    # Then
    assert worker.most <= 1


def test_a_try_that_hangs_for_ever_keeps_no_other_rule_from_its_own(
    spool: Spool, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given: all rules fail once, and then one of them hangs
    monkeypatch.setattr("salt_eventsd.dispatch.flights.HANGING_SECONDS", 0.2)

    class FailsOnce(Counting):
        def write(self, batch: Batch) -> None:
            jid = batch.events[0].jid
            if jid not in tried:
                tried.add(jid)
                raise Transient("a lock")
            super().write(batch)

    tried: set[str] = set()
    worker = FailsOnce(hangs=["3"])
    lanes = rules_of(spool, worker, "history", 10, backoff=SOON)
    dispatcher = start(*lanes, max_workers=4)

    # When
    put(dispatcher, spool, *each(lanes))

    # Then
    eventually(lambda: len(worker.written) == 10)
    assert "3" not in worker.written
    worker.go.set()


def test_batches_of_one_worker_run_side_by_side_if_asked_for(spool: Spool, start: Start) -> None:
    # Given
    worker = Hanging()
    dispatcher = start(lane_of(spool, worker, events=1, concurrency=3), max_workers=4)

    # When
    put(dispatcher, spool, *(chunk(1) for _ in range(5)))

    # Then
    for _ in range(3):
        assert worker.entered.acquire(timeout=10)
    assert not worker.entered.acquire(timeout=0.1)
    worker.go.set()
    eventually(lambda: len(worker.batches) == 5)


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(Transient("away"), id="away"),
        pytest.param(Held("no such table"), id="held"),
        pytest.param(ConnectionResetError("reset"), id="a socket's error"),
    ],
)
def test_after_an_outage_everything_is_written_once(spool: Spool, start: Start, error: Exception) -> None:
    # Given
    worker, well = Recorder(errors=[error] * 6), Recorder()
    dispatcher = start(
        lane_of(spool, worker, "ill", events=20, seconds=0.01, backoff=SOON),
        lane_of(spool, well, "well", events=20, seconds=0.01),
    )

    # When
    for number in range(100):
        put(dispatcher, spool, *(chunk(numbered(2, start=2 * number), name) for name in ("ill", "well")))

    # Then
    eventually(lambda: spool.totals() == {})
    everything = [str(number) for number in range(200)]
    # Who cut the connection is looked for with an event from the end, so the order is not always kept.
    assert sorted(worker.written, key=int) == everything
    assert well.written == everything
    assert dispatcher.lanes["ill"].retries == 6
    assert dispatcher.lanes["well"].retries == 0
    eventually(lambda: dispatcher.lanes["ill"].state == "ok")


def test_a_bug_in_a_worker_stops_nobody_and_is_mended_by_itself(spool: Spool, start: Start) -> None:
    # Given
    worker, well = Recorder(errors=[ZeroDivisionError("bug")] * 4), Recorder()
    dispatcher = start(lane_of(spool, worker, "ill"), lane_of(spool, well, "well"))

    # When
    put(dispatcher, spool, chunk(1, "ill"), chunk(3, "well"))

    # Then
    eventually(lambda: spool.totals() == {})
    assert worker.written == ["0"]
    assert well.written == ["0", "1", "2"]
    assert spool.burials.dead_letters() == {}
    assert dispatcher.is_alive()


def test_bad_events_are_buried_and_the_lane_goes_on(spool: Spool, start: Start) -> None:
    # Given
    worker = Recorder(bad=["3", "11"])
    dispatcher = start(lane_of(spool, worker, events=8, seconds=0.01))

    # When
    put(dispatcher, spool, *(chunk([event]) for event in numbered(20)))

    # Then
    eventually(lambda: spool.totals() == {})
    assert sorted(map(int, worker.written)) == [number for number in range(20) if number not in (3, 11)]
    assert spool.burials.dead_letters() == {"history": 2}


def test_events_for_a_worker_that_is_gone_wait(spool: Spool, start: Start) -> None:
    # Given
    worker = Recorder()
    dispatcher = start(lane_of(spool, worker, seconds=0.01))

    # When
    put(dispatcher, spool, chunk(2, "gone"), chunk(1))

    # Then
    eventually(lambda: worker.batches)
    assert spool.totals()["gone"].events == 2


def test_stopping_gives_batches_in_flight_some_time(spool: Spool, start: Start) -> None:
    # Given
    worker = Hanging()
    dispatcher = start(lane_of(spool, worker, events=1))
    put(dispatcher, spool, chunk(1), chunk(1))
    assert worker.entered.acquire(timeout=10)

    # When
    threading.Timer(0.1, worker.go.set).start()
    ended = dispatcher.stop(10)

    # Then
    assert ended
    assert len(worker.batches) == 1
    assert spool.totals()["history"].events == 1


def test_stopping_does_not_wait_for_ever(spool: Spool, start: Start) -> None:
    # Given
    worker = Hanging()
    dispatcher = start(lane_of(spool, worker))
    put(dispatcher, spool, chunk(2))
    assert worker.entered.acquire(timeout=10)

    # When
    began = time.monotonic()
    ended = dispatcher.stop(0.2)

    # Then
    assert not ended
    assert time.monotonic() - began < 5
    assert spool.totals()["history"].events == 2
    worker.go.set()


def test_an_error_nobody_foresaw_does_not_end_the_dispatching(
    spool: Spool, start: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # Given
    worker = Recorder()
    lane = lane_of(spool, worker, seconds=0.01)
    errors = [KeyError("a bug"), KeyError("a bug")]
    claim = lane.claim

    def failing_claim(*given: Any) -> object:
        if errors:
            raise errors.pop()
        return claim(*given)

    monkeypatch.setattr(lane, "claim", failing_claim)

    # When
    dispatcher = start(lane)
    put(dispatcher, spool, chunk(1))

    # Then
    eventually(lambda: worker.written)
    assert [record.getMessage() for record in caplog.records] == [
        "eventsd: batches cannot be given out: KeyError: 'a bug'"
    ]


def test_threads_that_cannot_be_started_are_started_later(
    spool: Spool, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given
    worker = Recorder()
    start_thread, refused = threading.Thread.start, []

    def refuse_once(thread: threading.Thread) -> None:
        if thread.name.startswith("eventsd-worker") and not refused:
            refused.append(thread.name)
            raise RuntimeError("can't start new thread")
        start_thread(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse_once)

    # When
    dispatcher = start(lane_of(spool, worker, seconds=0.01), max_workers=3)
    put(dispatcher, spool, chunk(1))

    # Then
    eventually(lambda: worker.written)
    assert refused
