"""Dead letters: listed, put back into the queue, discarded, with an engine running or not."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import msgspec
import pytest

from salt_eventsd.event.chunk import Totals
from salt_eventsd.event.parse import Event
from salt_eventsd.exceptions import SpoolError
from salt_eventsd.spool.burial import Burial
from salt_eventsd.spool.dead_letters import Filter, discard, listed, requeue
from salt_eventsd.spool.keep import Spool
from tests.support.events import numbered, returned
from tests.support.lanes import chunk, eventually, lane_of
from tests.support.workers import Recorder, jids_of

ALL = Filter()


def bury(spool: Spool, events: list[Event], worker: str = "history", error: str = "too long") -> None:
    (kept,) = spool.put([chunk(events, worker)])
    spool.burials.note(worker, [kept.id], [Burial(kept.id, at, event, error) for at, event in enumerate(events)])
    spool.settle([kept.id])


def jids(letters: list[dict[str, object]]) -> list[str]:
    return [str(letter["tag"]).split("/")[2] for letter in letters]


@pytest.fixture
def buried(spool: Spool) -> Spool:
    """Four dead letters of two workers."""
    bury(spool, numbered(2))
    bury(spool, numbered(2, start=2), "graphs", "no such metric")
    return spool


def test_a_letter_says_what_was_refused_by_whom_and_why(spool: Spool) -> None:
    # Given
    (event,) = numbered(1)
    bury(spool, [event])

    # When
    (letter,) = listed(spool.folder, ALL, 10)

    # Then
    assert (letter["worker"], letter["error"], letter["tag"], letter["data"]) == (
        "history",
        "too long",
        event.tag,
        event.data,
    )
    assert str(letter["buried"]).endswith(" UTC")


def test_of_a_large_letter_the_beginning_is_listed(spool: Spool) -> None:
    # Given: a listing goes over the bus, and into the job cache
    bury(spool, [returned("x" * 100_000)])

    # When
    (letter,) = listed(spool.folder, ALL, 10)

    # Then
    data = cast("str", letter["data"])
    assert len(data) < 5000
    assert data.startswith('{"')
    assert data.endswith("bytes in all)")


@pytest.mark.parametrize(
    ("which", "found"),
    [
        pytest.param(ALL, ["0", "1", "2", "3"], id="all"),
        pytest.param(Filter(worker="graphs"), ["2", "3"], id="a worker's"),
        pytest.param(Filter(contains="metric"), ["2", "3"], id="by their error"),
        pytest.param(Filter(contains="job/1/"), ["1"], id="by their tag"),
        pytest.param(Filter(ids=[1, 4]), ["0", "3"], id="by number"),
        pytest.param(Filter(ids=[1, 4], worker="graphs"), ["3"], id="by several at once"),
        pytest.param(Filter(worker="nobody"), [], id="none"),
    ],
)
def test_letters_are_found(buried: Spool, which: Filter, found: list[str]) -> None:
    assert jids(listed(buried.folder, which, 10)) == found


def test_letters_are_listed_by_pages(buried: Spool) -> None:
    first = listed(buried.folder, ALL, 3)

    assert jids(first) == ["0", "1", "2"]
    assert jids(listed(buried.folder, ALL, 3, after=int(first[-1]["id"]))) == ["3"]


def test_what_is_noted_but_not_settled_is_no_letter_yet(spool: Spool) -> None:
    events = numbered(1)
    (kept,) = spool.put([chunk(events)])
    spool.burials.note("history", [kept.id], [Burial(kept.id, 0, events[0], "bad")])

    assert listed(spool.folder, ALL, 10) == []
    assert (requeue(spool.folder, ALL), discard(spool.folder, ALL)) == (0, 0)
    assert spool.burials.noted([kept.id])


def test_discarded_letters_are_gone(buried: Spool) -> None:
    assert discard(buried.folder, Filter(worker="graphs")) == 2
    assert jids(listed(buried.folder, ALL, 10)) == ["0", "1"]


def test_requeued_letters_are_in_their_workers_queue_once_and_told_to_the_engine_once(buried: Spool) -> None:
    # When
    count = requeue(buried.folder, ALL)

    # Then
    assert count == 4
    assert listed(buried.folder, ALL, 10) == []
    (history,), (graphs,) = (buried.waiting(name, prio=False) for name in ("history", "graphs"))
    assert (jids_of(buried.read(history.id).events), jids_of(buried.read(graphs.id).events)) == (["0", "1"], ["2", "3"])
    assert buried.requeued() == {"history": Totals(2, history.bytes), "graphs": Totals(2, graphs.bytes)}
    assert buried.requeued() == {}
    assert requeue(buried.folder, ALL) == 0


def test_many_letters_become_chunks_of_bearable_size(spool: Spool) -> None:
    bury(spool, numbered(250))

    assert requeue(spool.folder, ALL) == 250

    chunks = spool.waiting("history", prio=False)
    assert [one.events for one in chunks] == [100, 100, 50]
    assert [jid for one in chunks for jid in jids_of(spool.read(one.id).events)] == [
        str(number) for number in range(250)
    ]


def test_an_engine_writes_what_was_requeued(buried: Spool) -> None:
    # Given
    worker = Recorder()
    lane = lane_of(buried, worker)
    requeue(buried.folder, Filter(worker="history"))

    # When
    lane.backlog.add(buried.requeued()["history"])
    chunks, _ = lane.claim(1e12)
    lane.run(chunks)

    # Then
    eventually(lambda: worker.batches)
    assert worker.written == ["0", "1"]
    assert (lane.backlog.events, lane.backlog.bytes) == (0, 0)


def test_letters_are_there_while_no_engine_runs(buried: Spool) -> None:
    buried.close()

    assert len(listed(buried.folder, ALL, 10)) == 4
    assert requeue(buried.folder, ALL) == 4
    again = Spool(buried.folder)
    assert sum(totals.events for totals in again.totals().values()) == 4
    again.close()


def test_a_folder_without_a_spool_is_told(tmp_path: Path) -> None:
    with pytest.raises(SpoolError, match=r"spool\.dir: there is no spool in"):
        listed(tmp_path, ALL, 10)


def test_what_a_rule_with_its_own_queue_took_goes_back_into_that(spool: Spool) -> None:
    # Given
    taken = [msgspec.structs.replace(one, rule="returns.subs.raid", into="own") for one in numbered(2)]
    bury(spool, [*taken, *numbered(1, start=2)])

    # When
    requeue(spool.folder, ALL)

    # Then
    assert {name: totals.events for name, totals in spool.totals().items()} == {
        "history:returns.subs.raid": 2,
        "history": 1,
    }
