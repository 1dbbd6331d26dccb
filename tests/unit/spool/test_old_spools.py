"""A spool that an earlier commit wrote is read whole: chunks of two lanes, dead letters, lives, what was put back."""

from __future__ import annotations

import base64
import zlib
from pathlib import Path

import pytest

from salt_eventsd.dispatch.lane import Lane
from salt_eventsd.event.chunk import Totals
from salt_eventsd.spool.dead_letters import Filter, listed, requeue
from salt_eventsd.spool.keep import Spool
from salt_eventsd.workers.write import Batch
from tests.support.events import RECEIVED, numbered
from tests.support.lanes import chunk, lane_of
from tests.support.workers import Recorder

#: Written by the code of commit f72379b (version 2 of the file), as zlib in base64.
OLD = Path(__file__).with_name("spool_of_f72379b.b64")
RULE = "returns.subs.raid"
RAID = f"history:{RULE}"
#: The lives that are in it.
LIVES = (
    "1f574204ea7241debbe7b11fa46d38ab",
    "898773a94f874e05b5656139d6ebc4e5",
    "09c7cb9c90524da4b90a7d4b985a0f5b",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of the old spool."""
    there = tmp_path / "spool"
    there.mkdir()
    (there / "spool.db").write_bytes(zlib.decompress(base64.b64decode(OLD.read_text(encoding="ascii"))))
    return there


def drained(spool: Spool, name: str) -> list[Batch]:
    """Write all that waits for a lane, and return the batches."""
    worker = Recorder()
    lane: Lane = lane_of(spool, worker, name, owner="history")
    lane.backlog.restore(spool.totals()[name], spool.newest_id())
    while chunks := lane.claim(RECEIVED + 60)[0]:
        lane.run(chunks)
        lane.flights.ended(chunks[0])
    assert lane.backlog.events == 0
    return worker.tries


def test_what_waits_is_found_with_its_names(folder: Path) -> None:
    # When
    spool = Spool(folder)

    # Then
    assert spool.id == "ca5a10ef424141a18c06097b6e570c6c"
    assert spool.requeued() == {"history": Totals(1, 257)}
    assert spool.totals() == {"history": Totals(6, 1515), RAID: Totals(3, 799)}
    waiting = {
        (lane, prio): [(one.id, one.life, one.first) for one in spool.waiting(lane, prio=prio)]
        for lane in ("history", RAID)
        for prio in (True, False)
    }
    first, second, requeued = LIVES
    assert waiting == {
        ("history", True): [(3, first, 2)],
        ("history", False): [(1, first, 1), (7, second, 7), (9, requeued, 9)],
        (RAID, True): [],
        (RAID, False): [(2, first, 2), (8, second, 8)],
    }
    assert spool.burials.noted([1])
    assert not spool.burials.noted([2, 3, 7, 8, 9])
    assert spool.burials.dead_letters() == {"history": 2}
    assert spool.file.aside.paths == []
    spool.close()


def test_all_events_come_out_each_once(folder: Path) -> None:
    # Given
    refused = [(one["worker"], one["error"], one["data"]["jid"]) for one in listed(folder, Filter(), 10)]
    assert refused == [("history", "too long", "7"), ("history", "no such column", "8")]
    assert requeue(folder, Filter()) == 2
    spool = Spool(folder)

    # When
    batches = {name: drained(spool, name) for name in spool.begin()}

    # Then
    written = {name: [event for batch in some for event in batch.events] for name, some in batches.items()}
    assert sorted(int(event.jid) for event in written["history"]) == [0, 1, 2, 5, 7, 9, 11]
    assert sorted(int(event.jid) for event in written[RAID]) == [3, 4, 8, 10]
    events = numbered(12)
    for event in written["history"]:
        assert event == events[int(event.jid)]
    for event in written[RAID]:
        assert (event.rule, event.into, event.data) == (RULE, "own", events[int(event.jid)].data)
    assert spool.totals() == {}
    # What an earlier try had noted as refused was written now.
    assert spool.burials.dead_letters() == {}
    # Receipts of that time are found again by the lives and numbers they were given under.
    names = {(batch.spool_id, id_) for some in batches.values() for batch in some for id_, _ in batch.chunks}
    assert names >= {(LIVES[0], 1), (LIVES[0], 2), (LIVES[0], 3), (LIVES[1], 7), (LIVES[1], 8), (LIVES[2], 9)}
    assert all(batch.replay for some in batches.values() for batch in some)
    spool.close()


def test_new_chunks_go_on_with_the_ids(folder: Path) -> None:
    # Given
    spool = Spool(folder)

    # When
    waiting = spool.waiting(RAID, prio=False)
    (kept,) = spool.put([chunk(1, RAID)])

    # Then
    assert kept.id == 10
    assert kept.life not in LIVES
    assert [one.id for one in spool.waiting(RAID, prio=False)] == [*(one.id for one in waiting), kept.id]
    spool.close()
