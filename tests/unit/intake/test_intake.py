"""Between bus and spool: an event that cannot be kept costs no other, is counted, and is not told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from salt_eventsd.bus.inbox import Inbox
from salt_eventsd.config.structs import BatchLimits, SpoolConfig, default_events
from salt_eventsd.dispatch.quota import Quota
from salt_eventsd.event.chunk import Chunk
from salt_eventsd.event.frame import Frame
from salt_eventsd.intake.pipeline import Pipeline
from salt_eventsd.intake.thread import Intake, Policy
from salt_eventsd.redact import Redactor, compile_redactor
from salt_eventsd.rules.compile import compile_rules
from salt_eventsd.spool.keep import Spool
from tests.support.events import frame, return_data
from tests.support.lanes import eventually, lane_of
from tests.support.workers import Recorder

SECRET = "hunter2"


class Clumsy:
    """A redactor with a bug in it that certain events bring out."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor

    def suspects(self, raws: Sequence[bytes]) -> frozenset[int]:
        return self._redactor.suspects(raws)

    def clean(self, frame: Frame, data: Any, fun: str, is_cleared: bool) -> tuple[Frame, Any, str]:
        if SECRET.encode() in frame.payload:
            int(SECRET)
        return self._redactor.clean(frame, data, fun, is_cleared)


class Faulty(Quota):
    """Quota with a bug in it that goes away after a while."""

    failures = 0

    def admit(self, chunks: list[Chunk]) -> list[Chunk]:
        if self.failures:
            self.failures -= 1
            raise KeyError(SECRET)
        return super().admit(chunks)


@pytest.fixture
def quota(spool: Spool) -> Faulty:
    return Faulty(lambda: SpoolConfig(), spool, {"history": lane_of(spool, Recorder())})


@pytest.fixture
def intake(spool: Spool, quota: Faulty) -> Iterator[Intake]:
    clumsy = Clumsy(compile_redactor(["password"], [], {}))
    pipeline = Pipeline(compile_rules(default_events(["history"])), clumsy)
    policy = Policy(pipeline, {"history": BatchLimits()})
    made = Intake(Inbox(), spool, lambda: policy, lambda: 0.01, quota, lambda kept: None)
    made.start()
    yield made
    assert made.stop(10)


def put(intake: Intake, *returned: str) -> None:
    for number, value in enumerate(returned):
        intake._inbox.put(frame(f"salt/job/{number}/ret/m", return_data(value, jid=str(number))))


def test_an_event_that_cannot_be_read_costs_no_other(
    intake: Intake, spool: Spool, caplog: pytest.LogCaptureFixture
) -> None:
    # When
    put(intake, "a", SECRET, "b", SECRET, "c")

    # Then
    eventually(lambda: spool.totals() and spool.totals()["history"].events == 3)
    assert intake.lost == 2
    [told] = [record.getMessage() for record in caplog.records]
    assert told.startswith("eventsd: an event could not be read and was left out: ValueError in test_intake.py, line ")
    assert SECRET not in caplog.text


def test_events_wait_in_memory_while_a_bug_keeps_them_from_the_spool(
    intake: Intake, spool: Spool, quota: Faulty, caplog: pytest.LogCaptureFixture
) -> None:
    # Given
    quota.failures = 3

    # When
    put(intake, "a", "b")

    # Then
    eventually(lambda: spool.totals() and spool.totals()["history"].events == 2 and not intake.spool_error)
    assert intake.lost == 0
    errors = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert len(errors) == 1
    assert "events cannot be kept: KeyError in test_intake.py" in errors[0]
    assert SECRET not in caplog.text
