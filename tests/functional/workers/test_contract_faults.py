"""
What docs/backends.rst promises of workers whose place is at fault, or one event: no try is the same for ever, no queue
stands for ever for a few events, and no fault of a place empties one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from salt_eventsd.dispatch.lane import Lane
from salt_eventsd.event.chunk import StoredChunk
from salt_eventsd.event.parse import Event
from salt_eventsd.exceptions import Transient, WorkerError
from salt_eventsd.spool.dead_letters import Filter, listed
from salt_eventsd.spool.keep import Spool
from salt_eventsd.workers.write import Batch
from tests.support.events import MINION
from tests.support.lanes import chunk, eventually, keep, lane_of
from tests.support.place import BAD, number_of
from tests.support.places import Site, each
from tests.support.server import Server
from tests.support.wire import Wire, through

#: What sql does is in its own tests.
_SPLIT_BY_THE_ENGINE = "elasticsearch", "http", "legacy", "mongo", "nats", "redis", "stats"


@each(lambda kind: kind.can_stall)
def test_a_place_that_acknowledges_and_says_nothing_is_given_up_in_time(place: Site) -> None:
    # Given
    with Wire(place.place.port) as wire:
        options = {**through(place.place.options(), place.place.port, wire), "timeout": 0.5}
        worker = place.worker(options)
        worker.write(place.batch(range(3)))

        # When
        wire.stall()
        seconds = []
        for _ in range(2):
            start = time.monotonic()
            with pytest.raises(Transient):
                worker.write(place.batch(range(3, 9), first=3, replay=True))
            seconds.append(time.monotonic() - start)

        # Then
        assert max(seconds) < 1.5

        # When: what is stalled stays so, and new connections are not
        wire.go()
        start = time.monotonic()
        worker.write(place.batch(range(3, 9), first=3, replay=True))

        # Then
        assert time.monotonic() - start < 1
        place.has(range(9))


@each(lambda kind: kind.can_stall and kind.module not in ("graphite", "stats"))
def test_a_place_that_answers_a_byte_at_a_time_is_given_up_in_time(place: Site) -> None:
    # Given
    with Wire(place.place.port) as wire:
        worker = place.worker({**through(place.place.options(), place.place.port, wire), "timeout": 0.5})
        worker.write(place.batch(range(3)))

        # When
        wire.trickle()
        start = time.monotonic()
        with suppress(Transient):
            worker.write(place.batch(range(3, 9), first=3, replay=True))

        # Then
        assert time.monotonic() - start < 2

        # When
        wire.go()
        eventually(lambda: _writes(worker, place.batch(range(3, 9), first=3, replay=True)))

    # Then
    place.has(range(9), once=place.place.once)


def _writes(worker: Any, batch: Batch) -> bool:
    with suppress(WorkerError):
        worker.write(batch)
        return True
    return False


@pytest.fixture
def old(place: Site, installed: Callable[[type[Server]], Server], tmp_path: Path) -> Iterator[Site]:
    """A place like another one, on a server of its own."""
    (tmp_path / "old").mkdir()
    with ExitStack() as stack:
        made = Site(type(place.place)(lambda kind: stack.enter_context(installed(kind)), tmp_path / "old"))
        made.place.name_like(place.place)
        yield made
        made.close()


@each(lambda kind: kind.can_move)
def test_an_address_that_moves_while_the_old_server_stays_up_is_followed(place: Site, old: Site) -> None:
    # Given
    with Wire(old.place.port) as wire:
        worker = place.worker(through(place.place.options(), place.place.port, wire))
        worker.write(place.batch(range(3)))
        old.has(range(3))

        # When: the connection that is kept leads to where nothing can be written any more
        old.place.demote()
        wire.server_port = place.place.port
        with pytest.raises(WorkerError):
            worker.write(place.batch(range(3, 9), first=3))
        worker.write(place.batch(range(3, 9), first=3, replay=True))

    # Then
    place.has(range(3, 9))


@each(lambda kind: kind.largest)
@pytest.mark.parametrize("events", [pytest.param(1, id="one-by-one"), pytest.param(100, id="together")])
def test_events_that_are_too_large_are_dead_letters_at_once(place: Site, tmp_path: Path, events: int) -> None:
    # Given
    place.place.limit()
    count = 4 if place.place.largest < 2**21 else 2
    large = [place.place.event(number, "x" * (place.place.largest + 1000)) for number in range(count)]
    small = [place.place.event(number) for number in range(count, count + 3)]
    spool = Spool(tmp_path / "spool")
    lane = lane_of(spool, place.worker(), "sink", events=events, size=2**27)

    # When: there is nothing but these, and nobody to compare them with
    keep(lane, spool, *(chunk([event], "sink") for event in large))
    while lane.backlog.events:
        _run(lane)

    # Then
    assert (lane.state, lane.written, lane.buried) == ("ok", 0, count)

    # When
    keep(lane, spool, *(chunk([event], "sink") for event in small))
    while lane.backlog.events:
        _run(lane)

    # Then
    assert (lane.state, lane.written, lane.buried) == ("ok", 3, count)
    assert _dead(spool) == list(range(count))
    place.has(range(count, count + 3))
    spool.close()


@each(lambda kind: kind.can_refuse and kind.module in _SPLIT_BY_THE_ENGINE)
@pytest.mark.parametrize("events", [pytest.param(1, id="one-by-one"), pytest.param(3, id="a-few")])
def test_no_queue_stands_for_ever_for_events_of_which_nobody_knows(place: Site, tmp_path: Path, events: int) -> None:
    # Given: what is refused stands before what is not, and is more than a batch
    place.place.refuse()
    spool = Spool(tmp_path / "spool")
    lane = lane_of(spool, place.worker(), "sink", events=events)
    some = [place.place.event(number, minion_id=BAD if number < 4 else MINION) for number in range(10)]
    keep(lane, spool, *(chunk([event], "sink") for event in some))

    # When
    _run_out(lane)

    # Then
    assert (lane.state, lane.written, lane.buried, lane.backlog.events) == ("ok", 6, 4, 0)
    assert _dead(spool) == [0, 1, 2, 3]
    place.has(range(4, 10), once=False)
    spool.close()


@each(lambda kind: kind.can_refuse and kind.module in _SPLIT_BY_THE_ENGINE)
@pytest.mark.parametrize("events", [pytest.param(1, id="one-by-one"), pytest.param(100, id="together")])
def test_a_place_that_refuses_everything_empties_no_queue(place: Site, tmp_path: Path, events: int) -> None:
    # Given
    place.place.refuse()
    spool = Spool(tmp_path / "spool")
    lane = lane_of(spool, place.worker(), "sink", events=events)
    some: list[Event] = [place.place.event(number, minion_id=BAD) for number in range(12)]
    keep(lane, spool, *(chunk([event], "sink") for event in some))

    # When
    for _ in range(8):
        _run(lane)

    # Then
    assert (lane.state, lane.written, lane.buried, lane.backlog.events) == ("held", 0, 0, 12)
    assert _dead(spool) == []

    # When: it is mended
    place.place.mend()
    _run_out(lane)

    # Then
    assert (lane.state, lane.written, lane.buried, lane.backlog.events) == ("ok", 12, 0, 0)
    place.has(range(12), once=False)
    spool.close()


def _run_out(lane: Lane) -> None:
    """Have a lane write what it holds; fail if it does not come to an end."""
    for _ in range(60):
        if not lane.backlog.events:
            return
        _run(lane)
    raise AssertionError(f"{lane.backlog.events} events wait: {lane.last_error}")


def _run(lane: Lane) -> None:
    """Have a lane write a batch, once it tries again."""
    found: list[StoredChunk] = []
    eventually(lambda: found.extend(lane.claim(time.time())[0]) or found)
    lane.run(found)
    lane.flights.ended(found[0])


def _dead(spool: Spool) -> list[int]:
    letters: list[dict[str, Any]] = listed(spool.folder, Filter(), 100)
    return sorted(number_of(letter["tag"]) for letter in letters)
