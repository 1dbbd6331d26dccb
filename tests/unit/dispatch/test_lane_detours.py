"""A backend that refuses all that some chunks have for one of its tables: others are written, and those wait."""

from __future__ import annotations

import time

from salt_eventsd.dispatch.backoff import Backoff
from salt_eventsd.dispatch.lane import Lane
from salt_eventsd.event.chunk import StoredChunk
from salt_eventsd.exceptions import Doubted
from salt_eventsd.spool.keep import Spool
from salt_eventsd.workers.write import Batch
from tests.support.events import returned
from tests.support.lanes import LATER, SOON, chunk, keep, lane_of
from tests.support.workers import Recorder, jids_of

#: Long enough for whatever a test does meanwhile.
SLOWLY = Backoff(first_seconds=1.0, most_seconds=1.0, least_seconds=1.0)


class Picky(Recorder):
    """Refuses batches with certain events, and says in which chunks they are."""

    def __init__(self, *refuses: str) -> None:
        super().__init__()
        self.refuses = set(refuses)
        self.asked = 0

    def write(self, batch: Batch) -> None:
        """Write, or name the chunks."""
        self.asked += 1
        ids = [id_ for id_, count in batch.chunks for _ in range(count)]
        concerned = {id_ for id_, jid in zip(ids, jids_of(batch.events), strict=True) if jid in self.refuses}
        if concerned:
            raise Doubted("eventsd_states: no", concerned)
        super().write(batch)


def run(lane: Lane) -> list[StoredChunk]:
    """Claim and write one batch, as the dispatcher does."""
    chunks, _ = lane.claim(time.time())
    if chunks:
        lane.run(chunks)
        lane.flights.ended(chunks[0])
    return chunks


def test_the_chunks_beside_are_written_at_once_and_the_lane_is_held(spool: Spool) -> None:
    # Given
    worker = Picky("2")
    lane = lane_of(spool, worker, backoff=LATER)
    keep(lane, spool, *(chunk([returned(jid=str(n))]) for n in range(5)))

    # When
    run(lane)
    run(lane)

    # Then
    assert worker.written == ["0", "1", "3", "4"]
    assert (lane.state, lane.last_error, lane.backlog.events) == ("held", "eventsd_states: no", 1)
    assert lane.written == 4


def test_what_comes_later_is_written_too(spool: Spool) -> None:
    # Given
    worker = Picky("0", "3")
    lane = lane_of(spool, worker)
    keep(lane, spool, *(chunk([returned(jid=str(n))]) for n in range(2)))
    run(lane)
    run(lane)

    # When
    keep(lane, spool, *(chunk([returned(jid=str(n))]) for n in range(2, 5)))
    for _ in range(4):
        time.sleep(0.03)
        run(lane)
        run(lane)

    # Then
    assert sorted(worker.written) == ["1", "2", "4"]
    assert (lane.state, lane.backlog.events) == ("held", 2)


def test_once_the_backend_takes_them_the_lane_is_well(spool: Spool) -> None:
    # Given
    worker = Picky("1")
    lane = lane_of(spool, worker, backoff=SLOWLY)
    keep(lane, spool, *(chunk([returned(jid=str(n))]) for n in range(3)))
    run(lane)
    run(lane)

    # When
    worker.refuses.clear()
    time.sleep(1.1)
    run(lane)

    # Then
    assert worker.written == ["0", "2", "1"]
    assert (lane.state, lane.backlog.events, spool.totals()) == ("ok", 0, {})


def test_a_backend_that_refuses_everything_is_not_asked_for_the_whole_queue(spool: Spool) -> None:
    # Given
    worker = Picky(*map(str, range(50)))
    lane = lane_of(spool, worker, events=1)
    keep(lane, spool, *(chunk([returned(jid=str(n))]) for n in range(50)))

    # When
    until = time.monotonic() + 0.2
    while time.monotonic() < until:
        run(lane)

    # Then: as often as the waits between tries allow
    assert 0 < worker.asked <= 25
    assert lane.backlog.events == 50


def test_the_events_of_a_rule_with_a_table_of_its_own_stay_in_order(spool: Spool) -> None:
    # Given
    worker = Picky("0")
    lane = Lane("history:raid", lane_of(spool, worker).config, worker, "", spool, SOON, owner="history")
    keep(lane, spool, *(chunk([returned(jid=str(n))], worker="history:raid") for n in range(3)))

    # When
    for _ in range(5):
        run(lane)
        time.sleep(0.03)
    assert worker.written == []
    worker.refuses.clear()
    run(lane)

    # Then
    assert worker.written == ["0", "1", "2"]


def test_what_is_dropped_waits_no_more(spool: Spool) -> None:
    # Given
    worker = Picky("0")
    lane = lane_of(spool, worker, backoff=LATER)
    keep(lane, spool, *(chunk([returned(jid=str(n))]) for n in range(2)))
    run(lane)
    run(lane)
    assert lane.state == "held"

    # When
    lane.backlog.drop_oldest(1)
    keep(lane, spool, chunk([returned(jid="2")]))
    run(lane)

    # Then
    assert lane.state == "ok"
    assert worker.written == ["1", "2"]
