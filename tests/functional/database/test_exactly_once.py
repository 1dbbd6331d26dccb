"""A batch, a chunk or an event that comes again is written once, on each database."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta, timezone

import pytest

from salt_eventsd.database.receipts import Receipts
from salt_eventsd.event.parse import Event
from salt_eventsd.exceptions import Transient
from tests.support.events import STAMP, fired, job, numbered, returned, state_result
from tests.support.stores import SPOOL, Buried, Database, batch_of

_OTHER_MASTER = "2026-01-02T03:04:05.999999"


def _receipts(database: Database, spool: str = SPOOL) -> list[int]:
    return [row["chunk"] for row in database.rows("receipts") if row["spool"] == spool]


def test_a_batch_is_written_with_its_receipts(tables: Database) -> None:
    # Given
    before = datetime.now(timezone.utc)

    # When
    tables.worker().write(batch_of(numbered(3), numbered(4, start=3), first=7))

    # Then
    assert sorted(tables.column("returns", "jid")) == [str(n) for n in range(7)]
    assert _receipts(tables) == [7, 8]
    assert all(before <= stamp <= datetime.now(timezone.utc) for stamp in tables.column("receipts", "stamp"))


def test_a_replayed_batch_writes_nothing_twice(tables: Database) -> None:
    # Given: an earlier life of the engine wrote it, and returns have changed since as no honest replay's would
    tables.worker().write(batch_of(numbered(3), numbered(3, start=3)))
    tables.execute("DELETE FROM eventsd_returns WHERE jid = '1'")

    # When
    tables.worker().write(batch_of(numbered(3), numbered(3, start=3), replay=True))

    # Then: it is the receipts that tell, not the rows
    assert sorted(tables.column("returns", "jid")) == ["0", "2", "3", "4", "5"]
    assert _receipts(tables) == [1, 2]


def test_a_replay_writes_the_chunks_that_are_new_to_it(tables: Database) -> None:
    # Given
    tables.worker().write(batch_of(numbered(2, start=2), first=2))
    tables.execute("DELETE FROM eventsd_returns")
    buried = Buried()

    # When
    batch = batch_of(numbered(2), numbered(2, start=2), numbered(2, start=4), replay=True, buried=buried)
    tables.worker().write(batch)

    # Then
    assert sorted(tables.column("returns", "jid")) == ["0", "1", "4", "5"]
    assert _receipts(tables) == [1, 2, 3]
    assert buried.calls == [{1, 3}]


def test_spools_do_not_share_receipts(tables: Database) -> None:
    # Given
    tables.worker().write(batch_of(numbered(2)))

    # When
    tables.worker().write(batch_of(numbered(2, start=2), spool="spool-2", replay=True))

    # Then
    assert sorted(tables.column("returns", "jid")) == ["0", "1", "2", "3"]


def test_a_chunk_whose_earlier_try_turns_out_written_is_tried_again_as_a_replay(tables: Database) -> None:
    # Given: the earlier try's commit came through after it had been given up
    tables.worker().write(batch_of(numbered(2)))

    # When / Then
    with pytest.raises(Transient):
        tables.worker().write(batch_of(numbered(2), replay=False))
    tables.worker().write(batch_of(numbered(2), replay=True))
    assert sorted(tables.column("returns", "jid")) == ["0", "1"]


def test_a_try_that_has_not_ended_holds_up_another_with_other_borders(tables: Database) -> None:
    # Given: an engine was killed, and the database has not noticed yet; nobody else sees its receipts
    earlier = batch_of(*[numbered(1, start=chunk) for chunk in (1, 2, 3, 4)])
    later = batch_of(*[numbered(1, start=chunk) for chunk in (3, 4, 5, 6)], first=3, replay=True)
    worker = tables.worker()
    worker.write(batch_of())
    tries: list[str] = []

    def write() -> None:
        while "written" not in tries:
            try:
                worker.write(later)
                tries.append("written")
            except Transient as exc:
                tries.append(str(exc))

    thread = threading.Thread(target=write, daemon=True)
    with tables.engine.begin() as connection:
        Receipts().take(connection, earlier)

        # When: the next one has batches of another size, and meets them
        thread.start()
        time.sleep(0.5)
        written_meanwhile = "written" in tries
    thread.join(60)

    # Then: it waits, finds them, and writes only what is its own
    assert not written_meanwhile
    assert tries[-1:] == ["written"]
    assert sorted(tables.column("returns", "jid")) == ["5", "6"]
    assert _receipts(tables) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("make", "table"),
    [
        pytest.param(lambda stamp: returned({"a": 1}, _stamp=stamp), "returns", id="return"),
        pytest.param(lambda stamp: job(_stamp=stamp), "jobs", id="job"),
        pytest.param(
            lambda stamp: returned({"pkg_|-vim_|-vim_|-installed": state_result()}, _stamp=stamp), "states", id="state"
        ),
        pytest.param(
            lambda stamp: fired("company/alarm", {"n": 1, "_stamp": STAMP, "__peer_id": stamp}), "events", id="event"
        ),
    ],
)
@pytest.mark.parametrize("batches", [pytest.param(1, id="in-one-batch"), pytest.param(2, id="in-two-batches")])
def test_an_event_that_comes_twice_is_one_row(
    tables: Database, make: Callable[[str], Event], table: str, batches: int
) -> None:
    # Given: copies of one event, off two masters' buses
    copies = [make(STAMP), make(_OTHER_MASTER)]
    worker = tables.worker()

    # When
    if batches == 1:
        worker.write(batch_of(copies))
    else:
        worker.write(batch_of(copies[:1], first=1))
        worker.write(batch_of(copies[1:], first=2))

    # Then
    assert len(tables.rows(table)) == 1


@pytest.mark.parametrize("numbers", [[(0,), (1, 2)], [(1, 0), (1, 0)]], ids=["neighbours", "out-of-order"])
def test_copies_of_further_runs_of_a_job_are_no_rows_whoever_stands_beside_them(
    tables: Database, numbers: list[tuple[int, ...]]
) -> None:
    # Given: a first run of states, and two more in the same job
    def run(name: str, stamp: str, numbers: Iterable[int]) -> Event:
        results = {f"file_|-{name}{one}_|-x_|-managed": state_result(name, one) for one in numbers}
        return returned(results, fun="state.apply", _stamp=stamp)

    some, more = numbers
    worker = tables.worker()
    worker.write(batch_of([run("a", STAMP, range(4))]))

    # When: they come together, and each by itself, as off another master's bus
    worker.write(batch_of([run("b", STAMP, some), run("c", _OTHER_MASTER, more), run("b", STAMP, some)], first=2))
    worker.write(batch_of([run("c", STAMP, more)], first=3))
    worker.write(batch_of([run("b", _OTHER_MASTER, some)], first=4))

    # Then
    found = Counter(tables.column("states", "name"))
    assert found == {"a": 4, "b": len(some), "c": len(more)}


def test_different_returns_of_a_minion_for_one_job_are_kept(tables: Database) -> None:
    # When
    worker = tables.worker()
    worker.write(batch_of([returned("first"), returned("second")]))
    worker.write(batch_of([returned("third"), returned("first")], first=2))

    # Then
    assert sorted(tables.column("returns", "return")) == ["first", "second", "third"]


def test_a_jobs_return_does_not_replace_its_load(tables: Database) -> None:
    # When
    worker = tables.worker()
    worker.write(batch_of([job(arg=["as published"])]))
    worker.write(batch_of([job(arg=["as somebody else says"])], first=2))

    # Then
    assert tables.column("jobs", "arg") == [["as published"]]


def test_receipts_of_neighbours_become_one(tables: Database) -> None:
    # Given
    worker = tables.worker()
    for chunk in (1, 2, 3, 5):
        worker.write(batch_of(numbered(1, start=chunk), first=chunk))
    worker.write(batch_of(numbered(1, start=10), spool="spool-2", first=1))
    yesterday = datetime.now(timezone.utc) - timedelta(days=1)
    tables.execute(f"UPDATE eventsd_receipts SET stamp = '{yesterday:%Y-%m-%d %H:%M:%S}'")

    # When: an engine starts anew
    tables.worker().write(batch_of(numbered(1, start=6), first=6))
    again = batch_of(numbered(1, start=20), numbered(1, start=21), first=2, replay=True)
    tables.worker().write(again)

    # Then
    assert _receipts(tables) == [3, 5, 6]
    assert _receipts(tables, "spool-2") == [1]
    assert not {"20", "21"}.intersection(tables.column("returns", "jid"))


def test_batches_of_the_same_minions_do_not_lock_each_other_out(tables: Database) -> None:
    # Given: two connections that update the same hundred minions in opposite order
    worker = tables.worker()
    names = [f"minion-{number:03}" for number in range(100)]
    errors: list[Exception] = []

    def write(first: int, order: list[str]) -> None:
        for chunk in range(first, first + 10):
            try:
                worker.write(batch_of([returned(chunk, minion_id=name) for name in order], first=chunk))
            except Exception as exc:
                errors.append(exc)

    # When
    threads = [
        threading.Thread(target=write, args=(100, names)),
        threading.Thread(target=write, args=(200, names[::-1])),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    # Then
    assert errors == []
    assert len(tables.rows("returns")) == 2000
    assert len(tables.rows("minions")) == 100
