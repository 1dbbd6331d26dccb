"""Whether an event is to blame or the place: what only another event can tell, and what a queue does until then."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import replace

import pytest

from salt_eventsd.dispatch.lane import Lane
from salt_eventsd.dispatch.settle import CUTS, write_batch
from salt_eventsd.event.chunk import StoredChunk
from salt_eventsd.exceptions import Cut, Doubted, Doubtful, Transient
from salt_eventsd.spool.dead_letters import Filter, listed
from salt_eventsd.spool.keep import Spool
from salt_eventsd.workers.write import Batch
from tests.support.events import numbered
from tests.support.lanes import chunk, eventually, keep, lane_of
from tests.support.stores import Buried, batch_of
from tests.support.workers import jids_of


class Place:
    """
    Takes a batch whole or not at all.

    :param bad: jids of events it does not take; None: it takes none.
    :param error: what it raises then.
    """

    def __init__(self, bad: Collection[str] | None, error: Callable[[str], Exception] = Doubtful) -> None:
        self.bad = bad
        self.error = error
        self.tries: list[list[str]] = []
        self.written: list[str] = []

    def write(self, batch: Batch) -> None:
        """Take a batch, or raise."""
        jids = jids_of(batch.events)
        self.tries.append(jids)
        found = jids if self.bad is None else [jid for jid in jids if jid in self.bad]
        if found:
            raise self.error(f"no: {found[0]}")
        self.written += jids


def run(lane: Lane) -> None:
    """Write the next batch, once it is tried again."""
    chunks: list[StoredChunk] = []
    eventually(lambda: chunks.extend(lane.claim(time.time())[0]) or chunks)
    lane.run(chunks)
    lane.flights.ended(chunks[0])


def dead(spool: Spool) -> list[str]:
    """Return the jids of the dead letters."""
    return sorted(letter["tag"].split("/")[2] for letter in listed(spool.folder, Filter(), 100))


@pytest.mark.parametrize("error", [Doubtful, KeyError], ids=["doubtful", "unexpected"])
def test_an_unknown_answer_about_one_of_many_is_that_events(error: Callable[[str], Exception]) -> None:
    place, buried = Place({"3"}, error), Buried()

    write_batch(place, batch_of(numbered(9), buried=buried))

    assert buried.positions == [3]
    assert place.written == [str(number) for number in range(9) if number != 3]


@pytest.mark.parametrize("count", [1, 9])
def test_an_unknown_answer_about_all_is_the_places(count: int) -> None:
    place, buried = Place(None), Buried()

    with pytest.raises(Doubted, match="no: 0"):
        write_batch(place, batch_of(numbered(count), buried=buried))

    assert buried.refusals == []
    assert {jid for jids in place.tries if len(jids) == 1 for jid in jids} == {str(number) for number in range(count)}


@pytest.mark.parametrize("error", [Doubtful, Cut], ids=["doubtful", "cut"])
@pytest.mark.parametrize(
    ("events", "bad"),
    [
        pytest.param(1, ["0"], id="the first, one at a time"),
        pytest.param(1, ["0", "1", "2"], id="the first three, one at a time"),
        pytest.param(3, ["0", "1", "2"], id="all of the first batch"),
        pytest.param(3, ["1", "7", "8"], id="here and there"),
        pytest.param(9, ["8"], id="the last"),
    ],
)
def test_no_queue_stands_for_ever_for_a_few_events(
    spool: Spool, error: Callable[[str], Exception], events: int, bad: list[str]
) -> None:
    # Given
    place = Place(bad, error)
    lane = lane_of(spool, place, events=events)
    keep(lane, spool, *(chunk(numbered(1, start=number)) for number in range(12)))

    # When
    for _ in range(60):
        if lane.backlog.events:
            run(lane)

    # Then
    assert (lane.backlog.events, lane.state, lane.buried, lane.written) == (0, "ok", len(bad), 12 - len(bad))
    assert dead(spool) == bad
    assert set(place.written) == {str(number) for number in range(12)} - set(bad)


@pytest.mark.parametrize("error", [Doubtful, Cut, Transient, OSError], ids=["doubtful", "cut", "away", "system"])
@pytest.mark.parametrize("events", [1, 5])
def test_no_fault_of_the_place_empties_a_queue(spool: Spool, error: Callable[[str], Exception], events: int) -> None:
    # Given
    place = Place(None, error)
    lane = lane_of(spool, place, events=events)
    keep(lane, spool, *(chunk(numbered(1, start=number)) for number in range(30)))

    # When
    for _ in range(40):
        run(lane)

    # Then
    assert (lane.backlog.events, lane.buried, lane.written) == (30, 0, 0)
    assert dead(spool) == []

    # When: it is mended
    place.bad = []
    while lane.backlog.events:
        run(lane)

    # Then
    assert (lane.state, lane.buried, lane.written) == ("ok", 0, 30)
    assert sorted(place.written, key=int) == [str(number) for number in range(30)]


@pytest.mark.parametrize("error", [Doubtful, Cut], ids=["doubtful", "cut"])
def test_a_place_that_takes_nothing_is_not_asked_about_every_event_each_time(
    spool: Spool, error: Callable[[str], Exception]
) -> None:
    # Given
    place = Place(None, error)
    lane = lane_of(spool, place)
    keep(lane, spool, chunk(1000))
    for _ in range(3):
        run(lane)

    # When
    place.tries.clear()
    run(lane)

    # Then
    assert 1 <= len(place.tries) <= 9


def test_what_cuts_the_connection_is_split_at_the_third_try(spool: Spool) -> None:
    # Given
    place = Place({"5"}, Cut)
    lane = lane_of(spool, place)
    keep(lane, spool, chunk(8))

    # When
    run(lane)
    run(lane)

    # Then
    assert [len(jids) for jids in place.tries] == [8, 8]
    assert lane.state == "retrying"

    # When
    run(lane)

    # Then: each of the others once
    assert dead(spool) == ["5"]
    assert sorted(place.written) == ["0", "1", "2", "3", "4", "6", "7"]


def test_a_place_that_goes_away_while_a_batch_is_split_costs_no_event() -> None:
    # Given: it takes one event, and from then on nothing any more
    class Leaving(Place):
        def write(self, batch: Batch) -> None:
            super().write(batch)
            self.bad = None

    place, buried = Leaving([], Cut), Buried()
    batch = replace(batch_of(numbered(100), buried=buried, replay=True), cuts=CUTS)

    # When, Then
    with pytest.raises(Cut):
        write_batch(place, batch)
    assert buried.refusals == []
    assert len(place.tries) < 40


def test_an_event_that_is_cut_off_by_chance_is_no_dead_letter() -> None:
    # Given
    class Shaky(Place):
        def write(self, batch: Batch) -> None:
            if len(self.tries) % 2:
                self.tries.append([])
                raise Cut("by chance")
            super().write(batch)

    place, buried = Shaky([]), Buried()

    # When
    write_batch(place, replace(batch_of(numbered(4), buried=buried, replay=True), cuts=CUTS))

    # Then
    assert buried.refusals == []
    assert sorted(place.written) == ["0", "1", "2", "3"]


def test_a_worker_that_may_keep_receipts_is_handed_no_part_of_a_batch_that_was_away(spool: Spool) -> None:
    # Given: its own errors are those of the system
    place = Place(None, ConnectionRefusedError)
    lane = lane_of(spool, place)
    keep(lane, spool, chunk(8))

    # When
    for _ in range(6):
        run(lane)

    # Then
    assert [len(jids) for jids in place.tries] == [8] * 6
