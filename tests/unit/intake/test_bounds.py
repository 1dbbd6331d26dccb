"""Dead letters, what is set aside, and what waits for a commit: bounded in bytes, and counted when they give way."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from salt_eventsd.bus.inbox import Inbox
from salt_eventsd.config.structs import BatchLimits, Size, SpoolConfig, default_events
from salt_eventsd.dispatch.quota import Quota
from salt_eventsd.dispatch.run import Dispatcher
from salt_eventsd.event.parse import Event
from salt_eventsd.exceptions import SpoolError
from salt_eventsd.intake.pipeline import Pipeline
from salt_eventsd.intake.taking import Policy
from salt_eventsd.intake.thread import Intake
from salt_eventsd.redact import compile_redactor
from salt_eventsd.rules.compile import compile_rules
from salt_eventsd.rules.rule import Route
from salt_eventsd.spool import aside as spool_aside
from salt_eventsd.spool import burial as graves
from salt_eventsd.spool.burial import Burial
from salt_eventsd.spool.dead_letters import Filter, discard, listed, requeue
from salt_eventsd.spool.keep import Spool
from tests.support.events import frame, numbered, return_data, returned
from tests.support.lanes import chunk, keep, lane_of
from tests.support.workers import Recorder

MIB = 2**20


def bury(spool: Spool, events: list[Event], worker: str = "history") -> None:
    (kept,) = spool.put([chunk(events, worker)])
    spool.burials.note(worker, [kept.id], [Burial(kept.id, at, event, "bad") for at, event in enumerate(events)])
    spool.settle([kept.id])


def jids(spool: Spool) -> list[str]:
    return [letter["data"]["jid"] for letter in listed(spool.folder, Filter(), 1000)]


def test_of_too_many_letters_the_oldest_go_and_are_counted_by_worker(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given
    monkeypatch.setattr(graves, "MOST_DEAD_LETTERS", 5)
    bury(spool, numbered(2), "graphs")
    bury(spool, numbered(3, start=2))

    # When
    bury(spool, numbered(3, start=5))

    # Then
    assert jids(spool) == ["3", "4", "5", "6", "7"]
    assert spool.burials.letters_given_way == {"graphs": 2, "history": 1}
    assert spool.burials.letters_given_way.total() == 3
    assert spool.burials.dead_letters() == {"history": 5}


def test_of_letters_that_are_too_large_the_oldest_go(tmp_path: Path) -> None:
    # Given: they may take a quarter of it
    spool = Spool(tmp_path / "spool", 20 * MIB)

    # When
    for number in range(40):
        bury(spool, [returned("x" * MIB, jid=str(number))])

    # Then
    spool.burials.dead_letters()
    assert 3 * MIB < spool.burials.letter_bytes <= 5 * MIB
    assert spool.burials.letters_given_way.total() == 40 - sum(spool.burials.dead_letters().values())
    listed_ids = [letter["tag"].split("/")[2] for letter in listed(spool.folder, Filter(), 100)]
    assert listed_ids == [str(number) for number in range(40 - len(listed_ids), 40)]
    for _ in range(20):
        spool.disk.shrink()
    assert spool.disk.used_bytes() <= 20 * MIB
    spool.close()


def test_letters_take_room_from_what_waits(tmp_path: Path) -> None:
    # Given
    spool = Spool(tmp_path / "spool")
    lane = lane_of(spool, Recorder())
    quota = Quota(lambda: SpoolConfig(max_bytes=Size(100_000)), spool, {"history": lane})
    bury(spool, [returned("x" * 20_000)])
    spool.burials.dead_letters()
    assert spool.burials.letter_bytes > 20_000

    # When
    for _ in range(10):
        keep(lane, spool, *quota.admit([chunk([returned("y" * 15_000)])]))

    # Then
    assert lane.backlog.dropped
    assert lane.backlog.bytes + spool.burials.letter_bytes <= 100_000
    spool.close()


def test_a_letter_larger_than_their_share_is_kept_alone(tmp_path: Path) -> None:
    # Given
    spool = Spool(tmp_path / "spool", MIB)
    bury(spool, numbered(2))

    # When
    bury(spool, [returned("x" * 400_000, jid="7")])

    # Then
    assert spool.burials.dead_letters() == {"history": 1}
    assert spool.burials.letters_given_way.total() == 2
    spool.close()


def test_letters_are_counted_whoever_takes_them_away(spool: Spool) -> None:
    # Given
    bury(spool, numbered(5))
    bury(spool, numbered(2, start=5), "graphs")
    spool.burials.dead_letters()
    size = spool.burials.letter_bytes

    # When
    requeue(spool.folder, Filter(worker="graphs"))
    discard(spool.folder, Filter(ids=[1]))

    # Then
    assert spool.burials.dead_letters() == {"history": 4}
    assert 0 < spool.burials.letter_bytes < size


def test_they_are_counted_without_a_look_at_each(spool: Spool) -> None:
    plan = spool.file.rows("EXPLAIN QUERY PLAN SELECT worker, letters, bytes FROM dead_counts WHERE letters > 0")

    assert [row[-1] for row in plan] == ["SCAN dead_counts"]


def test_requeueing_many_lets_an_engine_write_meanwhile(spool: Spool) -> None:
    # Given
    for start in range(0, 3000, 500):
        bury(spool, numbered(500, start=start))
    longest = 0.0

    # When: an engine puts chunks all the while
    done = threading.Event()
    moved: list[int] = []

    def put_back() -> None:
        moved.append(requeue(spool.folder, Filter()))
        done.set()

    thread = threading.Thread(target=put_back)
    thread.start()
    while not done.is_set():
        began = time.monotonic()
        spool.put([chunk(1, "other")])
        longest = max(longest, time.monotonic() - began)
        time.sleep(0.005)
    thread.join()

    # Then
    assert moved == [3000]
    assert spool.totals()["history"].events == 3000
    assert longest < 1.0


def test_of_spools_set_aside_the_newest_are_kept(tmp_path: Path) -> None:
    # Given
    spool = Spool(tmp_path / "spool", MIB)
    path = spool.file.path
    for number in range(8):
        (path.parent / f"spool.db.broken-20260102T0304{number:02}-0").write_bytes(b"x" * 10)
        (path.parent / f"spool.db.broken-20260102T0304{number:02}-0-wal").write_bytes(b"x" * 10)
    spool.close()

    # When
    again = Spool(spool.folder, MIB)

    # Then
    left = sorted(one.name for one in path.parent.glob("spool.db.broken-*0"))
    assert left == [f"spool.db.broken-20260102T0304{number:02}-0" for number in range(3, 8)]
    assert len(list(path.parent.glob("spool.db.broken-*"))) == 2 * spool_aside.MOST_KEPT
    assert again.file.aside.deleted == 3
    again.close()


def test_of_large_spools_set_aside_no_more_is_kept_than_a_spool_may_hold(tmp_path: Path) -> None:
    # Given
    folder = tmp_path / "spool"
    folder.mkdir()
    names = [f"spool.db.{kind}-20260102T03040{n}-0" for n, kind in enumerate(["stray", "broken", "broken"])]
    for name in names:
        (folder / name).write_bytes(b"x" * 600_000)

    # When
    spool = Spool(folder, MIB)

    # Then
    assert sorted(one.name for one in folder.glob("spool.db.*-0")) == [names[2]]
    assert spool.file.aside.deleted == 2
    spool.close()


@pytest.fixture
def intake(spool: Spool) -> Intake:
    """An intake whose thread does not run, and that commits once an hour."""
    pipeline = Pipeline(compile_rules(default_events("history")), compile_redactor((), (), {}))
    policy = Policy(pipeline, {"history": BatchLimits()})
    lanes = {"history": lane_of(spool, Recorder())}
    return Intake(
        Inbox(),
        spool,
        lambda: policy,
        lambda: 3600.0,
        quota=Quota(lambda: SpoolConfig(), spool, lanes),
        kept=lambda _: None,
    )


ROUTE = Route("history", "returns", "returns", prio=False)


@pytest.mark.parametrize(
    ("body", "count", "due"),
    [
        pytest.param(10, 100, False, id="few-and-small"),
        pytest.param(MIB, 17, True, id="large"),
        pytest.param(10, 10_000, True, id="many"),
    ],
)
def test_however_rare_commits_are_what_is_staged_is_bounded(intake: Intake, body: int, count: int, due: bool) -> None:
    # Given
    event = returned("x" * body)

    # When
    for _ in range(count):
        intake._stage.add(ROUTE, event, BatchLimits())

    # Then
    assert intake._due() is due
    intake._commit()
    assert not intake._due()


def test_what_is_staged_is_committed_within_one_gulp(intake: Intake, spool: Spool) -> None:
    """What has piled up in the inbox may be far more than may be staged."""
    for number in range(60):
        intake._inbox.put(frame(f"salt/job/{number}/ret/m", return_data("x" * MIB, jid=str(number))))
    most = 0
    commit = intake._commit

    def seen() -> None:
        nonlocal most
        most = max(most, intake._stage.bytes)
        commit()

    intake._commit = seen
    intake.start()
    assert intake.stop(20)

    assert 0 < most < 20 * MIB
    assert spool.totals()["history"].events == 60


def test_what_waits_in_memory_for_the_spool_is_bounded_and_what_gives_way_counted(
    intake: Intake, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given: a spool that cannot be written
    monkeypatch.setattr("salt_eventsd.intake.commit._MOST_UNKEPT_BYTES", 100_000)

    def fail(*_: object) -> None:
        raise SpoolError("eventsd: spool.dir: no")

    put = spool.put
    monkeypatch.setattr(spool, "put", fail)

    # When
    for number in range(20):
        intake._stage.add(ROUTE, returned("x" * 15_000, jid=str(number)), BatchLimits())
        intake._commit()

    # Then: the newest wait
    waiting = sum(len(chunk.payload) for chunk in intake._committer.waiting)
    assert 80_000 < waiting <= 100_000
    assert intake.lost + intake.unkept_events == 20
    monkeypatch.setattr(spool, "put", put)
    intake._commit()
    kept = spool.waiting("history", prio=False)
    assert [spool.read(one.id).events[0].jid for one in kept] == [str(number) for number in range(20 - len(kept), 20)]
    assert (intake.unkept_events, intake.spool_error) == (0, "")


@pytest.mark.parametrize(
    ("limits", "sizes", "chunks"),
    [
        pytest.param(BatchLimits(events=1000, bytes=Size(10_000)), [4000] * 5, [2, 2, 1], id="bytes"),
        pytest.param(BatchLimits(events=2, bytes=Size(2**20)), [10] * 5, [2, 2, 1], id="events"),
        pytest.param(
            BatchLimits(events=1000, bytes=Size(10_000)), [10, 50_000, 10], [1, 1, 1], id="one-too-large-alone"
        ),
    ],
)
def test_no_chunk_is_larger_than_a_batch_may_be(
    intake: Intake, spool: Spool, limits: BatchLimits, sizes: list[int], chunks: list[int]
) -> None:
    # When
    for size in sizes:
        intake._stage.add(ROUTE, returned("x" * size), limits)
    intake._commit()

    # Then
    kept = spool.waiting("history", prio=False)
    assert [one.events for one in kept] == chunks
    assert all(one.bytes <= int(limits.bytes) or one.events == 1 for one in kept)


def test_an_event_with_prio_is_due_at_once_in_a_chunk_of_its_own(intake: Intake, spool: Spool) -> None:
    # Given
    intake._stage.add(ROUTE, returned(jid="1"), BatchLimits())
    assert not intake._due()

    # When
    intake._stage.add(Route("history", "alarms", "events", prio=True), returned(jid="2"), BatchLimits())

    # Then
    assert intake._due()
    intake._commit()
    assert not intake._due()
    for prio, jid in ((False, "1"), (True, "2")):
        (kept,) = spool.waiting("history", prio=prio)
        assert [event.jid for event in spool.read(kept.id).events] == [jid]


def test_what_is_kept_after_a_spool_broke_is_not_counted_as_lost(spool: Spool) -> None:
    # Given
    lane = lane_of(spool, Recorder())
    dispatcher = Dispatcher(spool, {"history": lane}, lambda: 1)
    dispatcher.kept(spool.put([chunk(3)]))
    spool.file.ids.lowest = spool.newest_id() + 1

    # When: before the dispatcher has looked at the spool
    dispatcher.kept(spool.put([chunk(2)]))

    # Then
    assert (lane.backlog.lost, lane.backlog.events) == (3, 2)
