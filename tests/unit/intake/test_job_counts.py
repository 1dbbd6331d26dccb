"""What metrics tell of jobs: the same as the history tells of their returns, whatever minions send."""

from __future__ import annotations

import math
from typing import Any

import pytest

from salt_eventsd.config.load import load
from salt_eventsd.config.structs import MetricsConfig
from salt_eventsd.event.frame import pack_frame
from salt_eventsd.intake.counting import Counting
from salt_eventsd.intake.labels import LONGEST_LABEL, MOST_OF_ONE, OTHER, Series
from salt_eventsd.intake.pipeline import Pipeline, pipeline_of
from tests.support.events import JID, MINION, RECEIVED, job_data, return_data, state_result

PLAIN = MetricsConfig()
BY_MINION = MetricsConfig(minion_label=True)


@pytest.fixture
def pipeline() -> Pipeline:
    return pipeline_of(load({"eventsd": {"workers": {"history": {"module": "sql", "url": "sqlite:///x"}}}}))


@pytest.fixture
def counting() -> Counting:
    return Counting()


@pytest.fixture
def count(counting: Counting, pipeline: Pipeline) -> Any:
    """Takes a tag and a payload, and counts the event as the intake does."""

    def take(tag: str, data: Any, metrics: MetricsConfig = PLAIN, *, from_bus: bool = True) -> None:
        raw = pack_frame(tag, data)
        found = pipeline.take(raw, RECEIVED)
        if found.event is None and not found.forged:
            counting.ignored(raw, RECEIVED, pipeline)
        elif found.event is not None:
            counting.kept(found, metrics, from_bus=from_bus)

    return take


def ret(minion: str = MINION) -> str:
    return f"salt/job/{JID}/ret/{minion}"


def states(*results: Any, seconds: float = 0.5) -> dict[str, Any]:
    return {
        f"file_|-s{number}_|-/x{number}_|-managed": state_result(
            f"/x{number}", number, result=one, duration=seconds * 1e3
        )
        for number, one in enumerate(results)
    }


def series(of: Series) -> dict[tuple[str, ...], float]:
    return dict(of.items())


def test_a_job_and_its_returns(counting: Counting, count: Any) -> None:
    # When
    count(f"salt/job/{JID}/new", job_data(minions=["a", "b", "c"]))
    count(ret("a"), return_data(minion_id="a"))
    count(ret("b"), return_data("no", minion_id="b", retcode=1, success=False))

    # Then
    counts = counting.counts
    assert series(counts.new_jobs) == {("test.ping", ""): 1}
    assert series(counts.expected) == {("test.ping", ""): 3}
    assert series(counts.responses) == {("test.ping", "", "true"): 1, ("test.ping", "", "false"): 1}
    assert series(counts.by_minion) == {("a", "true"): 1, ("b", "false"): 1}
    assert series(counts.answered) == {("a",): RECEIVED, ("b",): RECEIVED}
    assert series(counts.status) == series(counts.seconds) == series(counts.scheduled) == {}


def test_a_return_that_was_missed_replaces_nothing_newer(counting: Counting, count: Any) -> None:
    # Given: the bus was missed while states failed, and then they went well
    fun = {"fun": "state.apply", "fun_args": ["web"]}
    count(ret(), return_data(states(True), **fun))
    before = series(counting.counts.answered)

    # When: Salt's job cache tells of the failure
    count(ret(), return_data(states(False), **fun, retcode=2, _stamp="2026-01-01T01:02:03.000000"), from_bus=False)

    # Then
    counts = counting.counts
    assert series(counts.status) == {(MINION, "state.apply", "web"): 1.0}
    assert series(counts.answered) == before == {(MINION,): RECEIVED}
    assert series(counts.by_minion) == {(MINION, "true"): 1, (MINION, "false"): 1}


@pytest.mark.parametrize(
    ("more", "success"),
    [
        pytest.param({}, "true", id="well"),
        pytest.param({"retcode": 2}, "false", id="code"),
        pytest.param({"success": False}, "false", id="success"),
        pytest.param({"success": None}, "true", id="a code alone, as of salt-call"),
        pytest.param({"success": None, "retcode": None}, "unknown", id="nothing told"),
        pytest.param({"return": states(True, False)}, "false", id="a state"),
        pytest.param({"return": {"a": 1}}, "true", id="a mapping without states"),
        pytest.param({"fun": "state.apply", "return": ["Rendering SLS failed"]}, "false", id="no rendering"),
        pytest.param(
            {"fun": ["a.b", "c.d"], "return": {"a.b": 1, "c.d": 2}, "retcode": {"a.b": 0, "c.d": 1}},
            "false",
            id="several functions",
        ),
    ],
)
def test_success_is_what_the_whole_return_tells(
    counting: Counting, count: Any, more: dict[str, Any], success: str
) -> None:
    count(ret(), {**return_data(), **more})

    assert series(counting.counts.by_minion) == {(MINION, success): 1}


def test_a_scheduled_run_of_states_that_failed_is_no_success(counting: Counting, count: Any) -> None:
    count(ret(), return_data(states(True, False), fun="state.apply", fun_args=["web"], schedule="hourly"))

    counts = counting.counts
    assert series(counts.scheduled) == {("state.apply", "web", "false"): 1}
    assert series(counts.responses) == {}
    assert series(counts.status) == {(MINION, "state.apply", "web"): 0}


def test_how_states_went_and_how_long_they_took(counting: Counting, count: Any) -> None:
    count(ret(), return_data(states(True, True, seconds=0.25), fun="state.highstate"))

    assert series(counting.counts.status) == {(MINION, "state.highstate", "highstate"): 1}
    assert series(counting.counts.seconds) == {("state.highstate", "highstate"): 0.5}


def test_a_test_run_leaves_status_and_duration_alone(counting: Counting, count: Any) -> None:
    # Given
    count(ret(), return_data(states(True), fun="state.apply", fun_args=["web"]))

    # When
    count(ret(), return_data(states(None, False), fun="state.apply", fun_args=["web", {"test": True}]))

    # Then
    assert series(counting.counts.status) == {(MINION, "state.apply", "web"): 1}
    assert series(counting.counts.seconds) == {("state.apply", "web"): 0.5}
    assert sum(series(counting.counts.responses).values()) == 2


@pytest.mark.parametrize(
    ("fun", "arguments", "state"),
    [
        pytest.param("state.highstate", [], "highstate", id="highstate"),
        pytest.param("state.apply", [], "highstate", id="apply"),
        pytest.param("state.apply", [{"test": False}], "highstate", id="apply with options"),
        pytest.param("state.apply", ["pillar={a: 1}"], "highstate", id="apply with options as text"),
        pytest.param("state.apply", ["web"], "web", id="by position"),
        pytest.param("state.sls", [{"mods": "web"}], "web", id="by name"),
        pytest.param("state.sls", ["mods=web"], "web", id="by name as text"),
        pytest.param("state.sls", [["web", "db"]], "web,db", id="several"),
        pytest.param("state.single", ["pkg.installed", "vim"], "pkg.installed", id="single"),
        pytest.param("state.single", [{"fun": "test.nop", "name": "x"}], "test.nop", id="single by name"),
        pytest.param("state.show_top", [], "", id="shows"),
        pytest.param("pkg.install", ["vim"], "", id="no state"),
        pytest.param("state.sls", "web", "", id="odd arguments"),
        pytest.param("state.sls", [7], "", id="a number"),
    ],
)
def test_the_state_is_what_the_function_was_called_with(
    counting: Counting, count: Any, fun: str, arguments: Any, state: str
) -> None:
    count(f"salt/job/{JID}/new", job_data(fun=fun, arg=arguments))
    count(ret(), return_data(fun=fun, fun_args=arguments))

    assert series(counting.counts.new_jobs) == {(fun, state): 1}
    assert series(counting.counts.responses) == {(fun, state, "true"): 1}


def test_functions_by_minion_when_asked_for(counting: Counting, count: Any) -> None:
    # Given
    count(ret(), return_data())

    # When
    count(ret(), return_data(states(True), fun="state.highstate"), BY_MINION)

    # Then: what was counted without minions is gone, as the series have another shape
    assert series(counting.counts.responses) == {("state.highstate", "highstate", "true", MINION): 1}
    assert series(counting.counts.seconds) == {("state.highstate", "highstate", MINION): 0.5}
    assert sum(series(counting.counts.by_minion).values()) == 2


def test_a_runner_runs_on_the_master(counting: Counting, count: Any) -> None:
    count(f"salt/run/{JID}/ret", {"jid": JID, "fun": "runner.jobs.active", "return": {"retcode": 0}, "success": True})

    assert series(counting.counts.by_minion) == {("master", "true"): 1}


def test_a_job_of_a_syndic_is_the_job_of_its_master(counting: Counting, count: Any) -> None:
    count(f"salt/job/{JID}/new", job_data(minions=["syndic1"]))
    count(f"syndic/syndic1/salt/job/{JID}/new", job_data(minions=["a", "b"]))

    assert series(counting.counts.new_jobs) == {("test.ping", ""): 1}
    assert series(counting.counts.expected) == {("test.ping", ""): 3}


class TestHeartbeats:
    """The ``status`` beacon of a minion, which counts though no rule takes it."""

    def test_a_beacon_is_a_heartbeat(self, counting: Counting, count: Any) -> None:
        count(f"salt/beacon/{MINION}/status/2026", {"id": MINION, "data": {"loadavg": {}}})
        count(f"salt/beacon/{MINION}/diskusage/", {"id": MINION})
        count("salt/minion/other/start", {"id": "other"})

        assert series(counting.counts.beats) == {(MINION,): RECEIVED}

    @pytest.mark.parametrize(
        "data",
        [
            pytest.param({"id": "evil", "cmd": "_minion_event", "tag": "x", "data": {}}, id="of another minion"),
            pytest.param({"id": ["evil"], "cmd": "_minion_event"}, id="of nobody"),
        ],
    )
    def test_a_forged_one_is_none(self, counting: Counting, count: Any, data: dict[str, Any]) -> None:
        count(f"salt/beacon/{MINION}/status/2026", data)

        assert series(counting.counts.beats) == {}

    def test_only_minions_with_accepted_keys_have_one(self, counting: Counting, count: Any) -> None:
        counting.counts.accepted = frozenset({MINION})

        for minion in (MINION, "made up"):
            count(f"salt/beacon/{minion}/status/2026", {})

        assert series(counting.counts.beats) == {(MINION,): RECEIVED}


class TestHostile:
    """What a minion sends takes bounded room, and takes none from others."""

    def test_one_minion_that_makes_up_functions_leaves_room_for_others(self, counting: Counting, count: Any) -> None:
        # When
        for number in range(MOST_OF_ONE * 2):
            count(ret("evil"), return_data(fun=f"x.y{number}", minion_id="evil"))
        count(ret(), return_data(fun="test.version"))

        # Then
        found = series(counting.counts.responses)
        assert len(found) == MOST_OF_ONE + 2
        assert found[(OTHER, OTHER, OTHER)] == MOST_OF_ONE
        assert found[("test.version", "", "true")] == 1

    def test_odd_names_become_short_and_valid(self, counting: Counting, count: Any) -> None:
        odd = ("x" * 10**6, 'a\nb"c\\', "\ud800", "ä" * 1000)
        for fun in odd:
            count(ret("evil"), return_data(fun=fun, minion_id="evil"))

        found = [key[0] for key in series(counting.counts.responses)]
        assert len(found) == len(odd)
        assert all(len(name) <= LONGEST_LABEL and name.encode() for name in found)

    @pytest.mark.parametrize(
        "data",
        [
            pytest.param({**return_data(), "fun": [["x"], {}, 1]}, id="functions"),
            pytest.param({**return_data(states(True)), "retcode": [[[[[1]]]]], "fun_args": {"a": 1}}, id="codes"),
            pytest.param({**return_data(fun="state.apply"), "return": {"a_|-b_|-c_|-d": 5}}, id="a result"),
            pytest.param(
                return_data({"a_|-b_|-c_|-d": {"duration": [1], "result": {}, "changes": 0}}, fun="state.apply"),
                id="all",
            ),
            pytest.param(return_data({"a_|-b_|-c_|-d": {"duration": float("nan")}}, fun="state.apply"), id="no number"),
            pytest.param({**job_data(), "minions": {"a": 1}, "arg": [[[]]]}, id="minions"),
            pytest.param([1, 2], id="a list"),
        ],
    )
    def test_odd_payloads_are_counted_or_not_but_raise_nothing(
        self, counting: Counting, count: Any, data: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        count(ret(), data)
        count(f"salt/job/{JID}/new", data)

        assert caplog.text == ""
        assert all(math.isfinite(value) for _, value in counting.counts.seconds.items())
