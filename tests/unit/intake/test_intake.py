"""Between bus and spool: an event that cannot be kept costs no other, is counted, and is not told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from salt_eventsd.bus.inbox import Inbox
from salt_eventsd.config.structs import BatchLimits, EventRule, MetricsConfig, SpoolConfig, default_events
from salt_eventsd.dispatch.quota import Quota
from salt_eventsd.event.beat import BEAT_FRAME
from salt_eventsd.event.chunk import Chunk, events_of
from salt_eventsd.event.frame import Frame
from salt_eventsd.event.parse import Event
from salt_eventsd.intake.labels import Series
from salt_eventsd.intake.pipeline import Pipeline
from salt_eventsd.intake.taking import Policy
from salt_eventsd.intake.thread import Intake
from salt_eventsd.redact import Redactor, compile_redactor
from salt_eventsd.rules.compile import compile_rules
from salt_eventsd.spool.keep import Spool
from tests.support.events import JID, RECEIVED, frame, job_data, return_data
from tests.support.lanes import eventually, lane_of
from tests.support.workers import Recorder

SECRET = "hunter2"


class Clumsy:
    """A redactor with a bug in it that certain events bring out."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self.values = redactor.values
        self.functions = redactor.functions

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


_TWO = {
    **default_events(["history"]),
    "commands": EventRule(tag=r"salt/job/[^/]+/ret/", fun=r"cmd\.", worker="second", into="events"),
    "alarms": EventRule(tag=r"salt/job/[^/]+/ret/", fun="alarm", worker="second", prio=True),
}
_BATCHES = {"history": BatchLimits(events=7), "second": BatchLimits()}
#: The functions of returns, in some of which there is more than is usual.
_FUNCTIONS = ("test.ping", "cmd.run", "saltutil.find_job", "alarm.raised", ["test.ping", "cmd.run"], "nothing.odd")


def mixed() -> list[bytes]:
    """Return frames of all kinds, many of one kind one after the other."""
    frames = []
    for number, fun in enumerate(one for one in _FUNCTIONS for _ in range(20)):
        jid = f"{20260102030405000000 + number // 30}"
        if number % 30 == 0:
            frames.append(frame(f"salt/job/{jid}/new", job_data(jid, minions=[f"m{one}" for one in range(40)])))
        # Some are as no return of Salt's is.
        data = return_data(number, jid, f"m{number}", fun, **({"cmd": "_minion_event"} if number % 17 == 0 else {}))
        frames.append(frame(f"salt/job/{jid}/ret/m{number}", data))
    return [*frames, BEAT_FRAME, b"no frame at all", frame("salt/auth", {})]


@pytest.mark.parametrize("lot", [1, 5, 1000])
@pytest.mark.parametrize("unkept", [(), ("20260102030405000001",)])
def test_returns_that_come_together_are_kept_as_if_each_had_come_alone(
    spool: Spool, quota: Faulty, lot: int, unkept: Sequence[str]
) -> None:
    redactor = compile_redactor(["password"], [], {})
    policy = Policy(Pipeline(compile_rules(_TWO), redactor), _BATCHES, metrics=MetricsConfig())

    def kept(size: int, cleared_by: Redactor | None) -> Any:
        intake = Intake(Inbox(), spool, lambda: policy, lambda: 60.0, quota, lambda kept: None)
        if unkept:
            intake.taking.heard.begin(unkept)
        frames = [(raw, RECEIVED) for raw in mixed()]
        for start in range(0, len(frames), size):
            intake.taking.lot(frames[start : start + size], cleared_by)
        chunks: dict[tuple[str, bool], list[Event]] = {}
        for chunk in intake._stage.take():
            assert chunk.events <= _BATCHES[chunk.lane].events
            chunks.setdefault((chunk.lane, chunk.prio), []).extend(events_of(chunk.payload))
        told = (
            intake.taking.matched,
            intake.taking.ignored,
            intake.taking.forged,
            intake.lost,
            intake.taking.taken,
            intake.taking.unanswered._jobs,
        )
        series = [one for one in vars(intake.taking.counting.counts).values() if isinstance(one, Series)]
        return chunks, told, [list(one.items()) for one in series]

    # When, Then: no shorter way for what nobody has looked at
    assert kept(lot, redactor) == kept(1, None)


def test_a_bug_that_a_usual_return_brings_out_costs_no_other(spool: Spool, quota: Faulty) -> None:
    # Given
    redactor = compile_redactor(["password"], [], {})
    pipeline = Pipeline(compile_rules(default_events(["history"])), redactor)
    usual = pipeline.usual
    pipeline.__dict__["usual"] = lambda raw, received: usual(raw, int(received))
    policy = Policy(pipeline, _BATCHES)
    intake = Intake(Inbox(), spool, lambda: policy, lambda: 60.0, quota, lambda kept: None)
    frames = [frame(f"salt/job/{JID}/ret/m", return_data(number)) for number in range(5)]

    # When
    intake.taking.lot([(raw, float("nan") if at == 2 else RECEIVED) for at, raw in enumerate(frames)], redactor)

    # Then
    assert [chunk.events for chunk in intake._stage.take()] == [4]
    assert (intake.lost, intake.taking.matched) == (1, 4)
