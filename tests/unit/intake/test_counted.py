"""What is kept, and what metrics tell, is the same whether returns are recognized or each is looked at."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from salt_eventsd.config.structs import BatchLimits, MetricsConfig
from salt_eventsd.event.chunk import Chunk, events_of
from salt_eventsd.event.parse import Event
from salt_eventsd.event.sharing import decode
from salt_eventsd.intake.heard import Heard
from salt_eventsd.intake.labels import Series
from salt_eventsd.intake.peers import Peers
from salt_eventsd.intake.pipeline import Pipeline
from salt_eventsd.intake.taking import Policy, Taking
from tests.support.events import RECEIVED
from tests.unit.intake.test_familiar import JID, OTHER, PIPELINES, Thorough, frames, usual

METRICS = [None, MetricsConfig(), MetricsConfig(minion_label=True)]
#: Usual returns, and some that tell how it went.
RETURNED: list[Any] = [
    *(True, True, "text", ["x"], ["No sls"], {"a": 1}),
    *({"a_|-b_|-c_|-d": {"result": result, "changes": {}, "duration": 1.5}} for result in (True, False)),
]
CHOICES: dict[str, list[Any]] = {
    "fun": ["test.ping", "test.ping", "state.apply", "runner.state.sls", "state.show_sls"],
    "retcode": [0, 0, 1, {"a": 2}, None],
    "success": [True, True, False],
    "jid": [JID, OTHER],
    "fun_args": [[], ["web1"], ["test=True"]],
    "schedule": [None, None, "daily"],
    "ts": [None, 1767323045],
}
WORKERS = ("history", "second", "third")


class Slow(Thorough):
    """A pipeline without either short way."""

    @cached_property
    def familiar(self) -> Any:
        class Nothing:
            def take(self, *_: Any) -> None:
                return None

        return Nothing()


def taken(pipeline: Pipeline, lots: list[list[tuple[bytes, float]]], metrics: MetricsConfig | None) -> Taking:
    policy = Policy(pipeline, dict.fromkeys(WORKERS, BatchLimits()), frozenset(), metrics)
    taking = Taking(lambda: policy, Heard(lambda _: False), Peers())
    for lot in lots:
        taking.lot(lot, pipeline.redactor)
    assert taking.left_out == 0
    assert taking._told == []
    return taking


def kept(chunks: list[Chunk]) -> dict[tuple[str, bool], list[Event]]:
    found: dict[tuple[str, bool], list[Event]] = {}
    for one in chunks:
        shared = [(share.shared.payload, share.rule, share.into) for share in one.shares]
        events = events_of(one.payload) if one.ordering is None else decode(one.payload, shared, one.ordering, 0).events
        found.setdefault((one.lane, one.prio), []).extend(events)
    return found


def told(taking: Taking) -> dict[str, Any]:
    counts = vars(taking.counting.counts)
    return {name: dict(one.items()) for name, one in counts.items() if isinstance(one, Series)}


def assert_same(parts: Any, lots: list[list[tuple[bytes, float]]], metrics: MetricsConfig | None) -> Taking:
    quick, slow = taken(Pipeline(*parts), lots, metrics), taken(Slow(*parts), lots, metrics)
    assert told(quick) == told(slow)
    assert (quick.matched, quick.ignored, quick.taken) == (slow.matched, slow.ignored, slow.taken)
    assert kept(quick.stage.take()) == kept(slow.stage.take())
    return quick


@pytest.mark.parametrize("parts", PIPELINES)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(raws=frames(), order=st.randoms(use_true_random=False), metrics=st.sampled_from(METRICS))
def test_both_ways_keep_and_count_the_same(
    parts: Any, raws: list[bytes], order: Any, metrics: MetricsConfig | None
) -> None:
    many = [raw for raw in raws for _ in range(5)]
    order.shuffle(many)
    middle = len(many) // 2
    lots = [[(raw, RECEIVED + number) for number, raw in enumerate(some)] for some in (many[:middle], many[middle:])]

    assert_same(parts, lots, metrics)


@st.composite
def alike(draw: st.DrawFn) -> list[bytes]:
    """Frames of two kinds that differ in minion and in what was returned alone."""
    names = ("fun", "retcode", "success", "jid", "fun_args", "schedule", "ts")
    kinds = [{name: draw(st.sampled_from(CHOICES[name])) for name in names} for _ in range(2)]
    frame = st.tuples(st.sampled_from(kinds), st.sampled_from(["web1", "web2", "db1"]), st.sampled_from(RETURNED))
    return [
        usual(**{name: value for name, value in kind.items() if value is not None}, id=minion, **{"return": value})
        for kind, minion, value in draw(st.lists(frame, min_size=10, max_size=40))
    ]


@pytest.mark.parametrize("parts", PIPELINES)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(raws=alike(), metrics=st.sampled_from(METRICS))
def test_what_was_returned_decides_where_it_may(parts: Any, raws: list[bytes], metrics: MetricsConfig | None) -> None:
    assert_same(parts, [[(raw, RECEIVED) for raw in raws]], metrics)


@pytest.mark.parametrize("metrics", METRICS[1:])
def test_returns_that_are_recognized_are_counted(metrics: MetricsConfig) -> None:
    # Given: of two jobs, one of a schedule, some minions fail
    raws = [
        usual(id=f"web{number}", retcode=number % 5 // 4, **more)
        for number in range(200)
        for more in ({}, {"jid": OTHER, "schedule": "daily"})
    ]

    # When
    quick = assert_same(PIPELINES[4], [[(raw, RECEIVED) for raw in raws]], metrics)

    # Then
    familiar = quick._policy().pipeline.familiar
    assert sum(1 for raw in raws if familiar.take(raw, RECEIVED, True)) > 300
    assert sum(told(quick)["responses"].values()) == sum(told(quick)["scheduled"].values()) == 200


def test_a_state_is_counted_by_what_it_returned() -> None:
    # Given
    ran = {"a_|-b_|-c_|-d": {"result": True, "changes": {}, "duration": 250.0}}
    raws = [usual(id=f"w{number}", fun="state.apply", **{"return": ran}) for number in range(10)]

    # When
    quick = assert_same(PIPELINES[0], [[(raw, RECEIVED) for raw in raws]], METRICS[1])

    # Then
    assert set(told(quick)["seconds"].values()) == {0.25}
