"""
What docs/writing_a_worker.rst and docs/backends.rst promise of workers, of each module in turn: what becomes of events.
"""

from __future__ import annotations

import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from salt_eventsd.dispatch.lane import Lane
from salt_eventsd.dispatch.settle import write_batch
from salt_eventsd.event.chunk import StoredChunk
from salt_eventsd.spool.dead_letters import Filter, listed, requeue
from salt_eventsd.spool.keep import Spool
from salt_eventsd.workers.write import Batch
from tests.support.lanes import chunk, eventually, keep, lane_of
from tests.support.place import BAD
from tests.support.places import Site, each
from tests.support.stores import Buried, batch_of


@each()
def test_an_event_of_no_bytes_harms_no_other(place: Site) -> None:
    # Given
    buried = Buried()
    some = [place.place.event(0), place.place.empty(1), place.place.event(2)]

    # When
    write_batch(place.worker(), batch_of(some, buried=buried))

    # Then
    assert buried.refusals == []
    place.has([0, 1, 2] if place.place.keeps_empty else [0, 2])


@each(lambda kind: kind.can_stop)
def test_a_place_that_is_away_gets_the_same_batch_later(place: Site, caplog: pytest.LogCaptureFixture) -> None:
    # Given
    caplog.set_level("DEBUG")
    worker = place.worker()
    worker.write(place.batch(range(3)))
    place.has(range(3))

    # When
    place.place.stop()
    try:
        with pytest.raises(place.place.away) as written:
            worker.write(place.batch(range(3, 9), first=3))
        with pytest.raises(place.place.away) as checked:
            worker.check()
    finally:
        place.place.start()

    # Then
    eventually(lambda: _writes(worker, place.batch(range(3, 9), first=3, replay=True)))
    place.has(range(9), once=place.place.once)
    told = "".join(line for error in (written, checked) for line in traceback.format_exception(error.value))
    assert not place.place.secret or place.place.secret not in told + caplog.text


def _writes(worker: Any, batch: Batch) -> bool:
    with suppress(Exception):
        worker.write(batch)
        return True
    return False


@each(lambda kind: kind.can_refuse)
def test_an_event_that_is_refused_becomes_a_dead_letter_and_comes_back(place: Site, tmp_path: Path) -> None:
    # Given: the engine's own queue before the worker
    place.place.refuse()
    spool = Spool(tmp_path / "spool")
    lane = lane_of(spool, place.worker(), "sink")
    some = [place.place.event(number) for number in range(9)]
    keep(lane, spool, chunk([*some[:4], place.place.event(4, minion_id=BAD)], "sink"), chunk(some[5:], "sink"))

    # When
    _run(lane)

    # Then
    assert (lane.state, lane.last_error, lane.written, lane.buried, lane.backlog.events) == ("ok", "", 8, 1, 0)
    [letter] = listed(spool.folder, Filter(), 10)
    assert (letter["worker"], letter["tag"].endswith(f"/4/ret/{BAD}")) == ("sink", True)
    place.has([0, 1, 2, 3, 5, 6, 7, 8], once=place.place.once)

    # When: it is mended, and a reload has made the worker anew
    place.place.mend()
    lane.swap(lane.config, place.worker(), spool.newest_id())
    assert requeue(spool.folder, Filter()) == 1
    for back in spool.requeued().values():
        lane.backlog.add(back)
    _run(lane)

    # Then
    assert (lane.state, lane.written, lane.buried, lane.backlog.events) == ("ok", 9, 1, 0)
    place.has(range(9), once=False)
    assert len(place.place.arrived()) == 9 or not place.place.once
    spool.close()


def _run(lane: Lane) -> None:
    """Have a lane write what it holds, once it tries again."""
    found: list[StoredChunk] = []
    eventually(lambda: found.extend(lane.claim(time.time())[0]) or found)
    lane.run(found)
    lane.flights.ended(found[0])
