"""What is wrong with an engine is named, until an operator has looked or a day has passed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from salt_eventsd.bus.gaps import Gap
from salt_eventsd.dispatch.lane import Lane
from salt_eventsd.engine.collect import report
from salt_eventsd.engine.ledger import Ledger
from salt_eventsd.engine.predecessor import predecessor
from salt_eventsd.engine.problems import REMEMBERED_SECONDS
from salt_eventsd.engine.readings import Parts
from salt_eventsd.spool.burial import Burial
from salt_eventsd.spool.keep import Spool
from tests.support.events import numbered
from tests.support.lanes import chunk, keep, lane_of
from tests.support.parts import Told, parts_of, tell, told_of


@pytest.fixture
def parts(spool: Spool) -> Parts:
    return parts_of(spool)


@pytest.fixture
def told(parts: Parts, tmp_path: Path) -> Told:
    return told_of(parts, tmp_path)


def lose_the_bus(parts: Parts) -> None:
    tell(parts.link, connected=False)


def lose_events(parts: Parts) -> None:
    parts.intake.taking.left_out = 2
    parts.inbox.dropped = 3


def break_the_spool(parts: Parts) -> None:
    parts.intake._committer.error = "eventsd: spool.dir: disk full"


def run_out_of_threads(parts: Parts) -> None:
    parts.dispatcher.problem = "no new thread"


def fill_the_spool(parts: Parts) -> None:
    parts.quota.full = True
    parts.lanes["history"].backlog.bytes = int(parts.quota.config.max_bytes)


def orphan(parts: Parts) -> None:
    lane = lane_of(parts.spool, None, "old")
    lane.retired, lane.backlog.events = True, 12
    cast("dict[str, Lane]", parts.lanes)["old"] = lane


def hold(parts: Parts) -> None:
    parts.lanes["history"].state, parts.lanes["history"].last_error = "held", "no such table"


def hang(parts: Parts) -> None:
    parts.lanes["history"].flights.running_since[7] = time.monotonic() - 90


def bury(parts: Parts) -> None:
    events = numbered(4)
    (kept,) = parts.spool.put([chunk(events)])
    parts.spool.burials.note(
        "history", [kept.id], [Burial(kept.id, at, event, "bad") for at, event in enumerate(events)]
    )
    parts.spool.settle([kept.id])


def break_it(parts: Parts) -> None:
    keep(parts.lanes["history"], parts.spool, chunk(6))
    parts.lanes["history"].backlog.spool_broke(parts.spool.newest_id() + 1)


def stall(parts: Parts) -> None:
    parts.watch.add("intake", lambda: 7)
    parts.watch._seen["intake"] = (7, time.monotonic() - 4.2)


def end(parts: Parts) -> None:
    parts.watch.add("dispatch", lambda: None)


def miss(parts: Parts) -> None:
    now = time.time()
    tell(parts.link, gaps=[Gap(now - 70, now - 2, "too slow", missing=27_000)])


def pile_up(parts: Parts) -> None:
    keep(parts.lanes["history"], parts.spool, chunk(3, oldest=time.time() - 40))
    parts.growth._queues["history"] = (time.monotonic() - 11, 2)


def drop(parts: Parts) -> None:
    parts.lanes["history"].backlog.dropped = 5
    parts.lanes["history"].backlog.last_drop = time.time() - 3600


@pytest.mark.parametrize(
    ("ail", "note"),
    [
        pytest.param(lose_the_bus, "the event bus is not connected", id="no bus"),
        pytest.param(lose_events, "5 events were lost before they could be spooled", id="lost events"),
        pytest.param(run_out_of_threads, "batches cannot be given out: no new thread", id="no threads"),
        pytest.param(stall, "thread intake has stood still for 4 s", id="a thread that stands still"),
        pytest.param(end, "thread dispatch has ended", id="a thread that ended"),
        pytest.param(
            miss,
            "a gap in what was read of the event bus, 68 s in all: about 27,000 events may be missing"
            " (salt-run eventsd.status seen=True when you have looked)",
            id="a gap",
        ),
        pytest.param(
            pile_up,
            "the queue of worker history has only grown for 11 s: 3 events, the oldest 40 s old",
            id="a queue that only grows",
        ),
        pytest.param(break_the_spool, "eventsd: spool.dir: disk full", id="a spool that cannot be written"),
        pytest.param(fill_the_spool, "the spool is full; events are dropped", id="a full spool"),
        pytest.param(
            orphan,
            "12 events wait for worker old, which is no longer under workers; see eventsd.drop_orphaned",
            id="events of a worker now gone",
        ),
        pytest.param(hold, "worker history is held: no such table", id="a held worker"),
        pytest.param(hang, "worker history has been writing one batch for 90 s", id="a worker that hangs"),
        pytest.param(bury, "worker history: 4 refused events are buried; see eventsd.dead", id="buried events"),
        pytest.param(break_it, "worker history: 6 events were in a spool that broke", id="a spool that broke"),
        pytest.param(drop, "worker history: 5 events were dropped because the spool was full", id="dropped events"),
    ],
)
def test_what_ails_an_engine_is_named(told: Told, parts: Parts, ail: Callable[[Parts], None], note: str) -> None:
    ail(parts)

    found = told()

    assert (found["state"], found["retcode"], found["notes"]) == ("degraded", 1, [note])


@pytest.mark.parametrize(
    "ail", [pytest.param(lose_events, id="lost"), pytest.param(drop, id="dropped"), pytest.param(miss, id="missed")]
)
def test_what_has_been_looked_at_degrades_no_more_and_what_comes_after_does(
    told: Told, parts: Parts, ail: Callable[[Parts], None]
) -> None:
    # Given
    ail(parts)
    assert told()["retcode"] == 1

    # When
    parts.ledger.look(parts.link.gaps)

    # Then
    seen = told()
    assert (seen["state"], seen["retcode"], seen["notes"]) == ("well", 0, [])
    assert seen["seen"].endswith(" UTC")
    parts.intake.taking.left_out += 7
    assert told()["notes"] == ["7 events were lost before they could be spooled"]


@pytest.mark.parametrize("ail", [pytest.param(lose_events, id="lost"), pytest.param(miss, id="missed")])
def test_what_nobody_has_looked_at_is_told_by_the_next_engine_for_a_day(
    told: Told, parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ail: Callable[[Parts], None]
) -> None:
    # Given
    ail(parts)
    before = told()
    found = predecessor(tmp_path / "status.json", parts.spool.folder)
    assert found

    # When
    tell(parts.link, gaps=[])
    parts.intake.taking.left_out = parts.inbox.dropped = 0
    again = replace(parts, ledger=Ledger(found))

    # Then
    assert told(report(again))["notes"] == before["notes"]
    assert told(report(again))["retcode"] == 1
    later = time.time() + REMEMBERED_SECONDS
    monkeypatch.setattr(time, "time", lambda: later)
    assert told(report(again))["notes"] == []
