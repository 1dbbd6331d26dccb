"""A disk with hardly any room: what fits is kept, and no chunk is in the way because it is large."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from salt_eventsd.bus.inbox import Inbox
from salt_eventsd.config.structs import BatchLimits, SpoolConfig
from salt_eventsd.dispatch.quota import Quota
from salt_eventsd.intake.pipeline import Pipeline
from salt_eventsd.intake.taking import Policy
from salt_eventsd.intake.thread import Intake
from salt_eventsd.redact import compile_redactor
from salt_eventsd.rules.compile import compile_rules
from salt_eventsd.spool.keep import Spool
from tests.support.events import numbered, returned
from tests.support.lanes import chunk, lane_of
from tests.support.workers import Recorder


@pytest.fixture
def intake(spool: Spool) -> Intake:
    """An intake whose thread does not run."""
    policy = Policy(Pipeline(compile_rules({}), compile_redactor((), (), {})), {"history": BatchLimits()})
    lanes = {"history": lane_of(spool, Recorder())}
    return Intake(
        Inbox(),
        spool,
        lambda: policy,
        lambda: 0.1,
        quota=Quota(lambda: SpoolConfig(), spool, lanes),
        kept=lambda _: None,
    )


@pytest.fixture
def has_room(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Return what sets how much room the disk has, which what is kept takes away."""
    left = {"bytes": 0}
    put = spool.put

    def taking(chunks: list[object]) -> object:
        left["bytes"] -= sum(len(one.payload) for one in chunks)
        return put(chunks)

    monkeypatch.setattr(spool.disk, "room_bytes", lambda: left["bytes"])
    monkeypatch.setattr(spool, "put", taking)
    return lambda size: left.update(bytes=size)


def kept(spool: Spool) -> int:
    totals = spool.totals()
    return totals["history"].events if totals else 0


def test_a_chunk_that_is_too_large_for_the_room_is_kept_in_parts(
    intake: Intake, spool: Spool, has_room: Callable[[int], None]
) -> None:
    # Given: room for nearly half of it
    large = chunk(numbered(100))
    intake._committer.waiting = [large]
    has_room(len(large.payload) * 45 // 100)

    # When / Then
    intake._commit()
    assert 25 <= kept(spool) <= 45
    assert kept(spool) + intake.unkept_events == 100
    assert "the disk is full" in intake.spool_error

    # When / Then
    has_room(10**6)
    intake._commit()
    assert (kept(spool), intake.unkept_events, intake.spool_error) == (100, 0, "")
    events = [event for one in spool.waiting("history", prio=False) for event in spool.read(one.id).events]
    assert [event.jid for event in events] == [str(number) for number in range(100)]


def test_one_event_that_is_too_large_is_in_nobodys_way(
    intake: Intake, spool: Spool, has_room: Callable[[int], None]
) -> None:
    # Given
    huge = chunk([returned("x" * 300_000)])
    intake._committer.waiting = [huge, chunk(numbered(3))]
    has_room(5000)

    # When / Then
    intake._commit()
    assert (kept(spool), intake.unkept_events) == (3, 1)

    # When / Then
    has_room(400_000)
    intake._commit()
    assert (kept(spool), intake.unkept_events) == (4, 0)


def test_nothing_is_kept_where_there_is_no_room(intake: Intake, spool: Spool, has_room: Callable[[int], None]) -> None:
    intake._committer.waiting = [chunk(numbered(10)) for _ in range(5)]

    intake._commit()

    assert (kept(spool), intake.unkept_events) == (0, 50)
