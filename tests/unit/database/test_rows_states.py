"""State results: a row for each, from the return they came in."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salt_eventsd.event.parse import Event
from tests.support.events import JID, MINION, fired, returned, state_result
from tests.unit.database.test_rows import MASTER, TIME, only, tables

TAG = "file_|-motd_|-/etc/motd_|-managed"


def state_run(results: Any, **more: Any) -> Event:
    return returned(results, fun="state.apply", **more)


def test_a_states_result_is_a_row() -> None:
    # Given
    changes = {"diff": "-a\n+b", "mode": "0644"}
    event = state_run({TAG: state_result(changes=changes, comment="updated", number=3)})

    # When
    row = only(event, "states")

    # Then
    assert json.loads(row.pop("changes")) == changes
    assert row == {
        "jid": JID,
        "minion_id": MINION,
        "run_num": 3,
        "sls": "motd",
        "state_id": "motd",
        "state": "file.managed",
        "name": "/etc/motd",
        "result": True,
        "changed": True,
        "duration_ms": 1.5,
        "comment": "updated",
        "stamp": TIME,
        "test": False,
        "fun": "state.apply",
        "slow_ms": 1.5,
    }


def test_a_state_run_is_a_return_with_the_sum_of_its_durations() -> None:
    event = state_run(
        {
            TAG: state_result(duration=1.5, number=0),
            "cmd_|-a_|-b_|-run": state_result(duration="2.25 ms", number=1),
            "cmd_|-c_|-d_|-run": state_result(duration=None, number=2),
        }
    )

    found = tables(event)

    assert list(found) == ["returns", "states", "minions"]
    assert [row["run_num"] for row in found["states"]] == [0, 1, 2]
    assert found["returns"][0]["duration_ms"] == 3.75


def test_only_the_states_are_wanted() -> None:
    event = fired(f"salt/job/{JID}/ret/{MINION}", {"id": MINION, "return": {TAG: state_result()}}, "states")

    assert list(tables(event)) == ["states"]


@pytest.mark.parametrize(
    ("fields", "column", "value"),
    [
        pytest.param({"result": False}, "result", False, id="failed"),
        pytest.param({"result": None}, "result", None, id="would change"),
        pytest.param({"result": "True"}, "result", None, id="a result that is no boolean"),
        pytest.param({"changes": {}}, "changed", False, id="no changes"),
        pytest.param({"changes": None}, "changes", "{}", id="null for changes"),
        pytest.param({"changes": ["x"]}, "changed", True, id="a list of changes"),
        pytest.param({"comment": ["a", 1]}, "comment", "a\n1", id="a list of comments"),
        pytest.param({"comment": None}, "comment", "", id="no comment"),
        pytest.param({"comment": {"a": 1}}, "comment", "{'a': 1}", id="a mapping for a comment"),
        pytest.param({"duration": "soon"}, "duration_ms", None, id="no duration"),
        pytest.param({"name": ["a"]}, "name", "/etc/motd", id="a name that is no text: the tag's"),
        pytest.param({"__sls__": None}, "sls", "", id="no sls"),
        pytest.param({"__id__": None}, "state_id", "motd", id="no id: the tag's"),
        pytest.param({"__run_num__": "7"}, "run_num", 0, id="a number that is none: its place"),
        pytest.param({"__run_num__": None}, "run_num", 0, id="no number: its place"),
        pytest.param(
            {"__run_num__": 2**40},
            "run_num",
            0,
            id="a number no column holds: its place",
        ),
        pytest.param(
            {"__run_num__": True},
            "run_num",
            0,
            id="a boolean for a number: its place",
        ),
    ],
)
def test_odd_fields_of_a_result(fields: dict[str, Any], column: str, value: Any) -> None:
    row = only(state_run({TAG: state_result(**{"name": "/etc/motd", **fields})}), "states")

    assert row[column] == value
    assert type(row[column]) is type(value)


@pytest.mark.parametrize(
    ("tag", "state", "state_id", "name"),
    [
        pytest.param("a_|-b_|-c_|-d", "a.d", "b", "c", id="all four"),
        pytest.param("a_|-b_|-x_|-y_|-d", "a.d", "b", "x_|-y", id="a name with the separator in it"),
        pytest.param("a_|-b", "a.b", "b", "", id="cut short"),
        pytest.param("_|-", ".", "", "", id="nothing but the separator"),
    ],
)
def test_what_a_result_does_not_say_its_tag_does(tag: str, state: str, state_id: str, name: str) -> None:
    row = only(state_run({tag: {"result": True}}), "states")

    assert (row["state"], row["state_id"], row["name"]) == (state, state_id, name)


def test_results_that_share_a_number_are_all_kept() -> None:
    event = state_run({f"cmd_|-{name}_|-x_|-run": state_result(number=1) for name in "abc"})

    numbers = [row["run_num"] for row in tables(event)["states"]]

    assert numbers[0] == 1
    assert len(set(numbers)) == 3


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(["Rendering SLS 'base:motd' failed: a_|-b"], id="errors of rendering"),
        pytest.param("a_|-b_|-c_|-d", id="text with the separator"),
        pytest.param({TAG: None}, id="null for a result"),
        pytest.param({TAG: [True]}, id="a list for a result"),
        pytest.param({"data": {MINION: [f"{TAG} failed"]}}, id="an orchestration that failed to render"),
        pytest.param({"x": {"y": TAG}}, id="the separator somewhere inside"),
    ],
)
def test_what_only_looks_like_states_is_just_a_return(value: Any) -> None:
    event = state_run(value)

    found = tables(event)

    assert list(found) == ["returns", "minions"]
    assert json.loads(found["returns"][0]["return"]) == value


def test_odd_entries_among_the_results_are_passed_over() -> None:
    event = state_run({TAG: state_result(), "retcode": 0, "x_|-y": None, "z": {"result": True}})

    assert only(event, "states")["state_id"] == "motd"


def test_an_orchestrations_states_are_the_masters() -> None:
    # Given
    inner = {"out": "highstate", "ret": {"web1": {TAG: state_result(result=False)}}}
    results = {
        "salt_|-deploy_|-deploy_|-state": state_result("deploy", 0, changes=inner, result=False, __id__="deploy"),
        "salt_|-notify_|-notify_|-runner": state_result("notify", 1, __id__="notify"),
    }
    value = {"data": {f"{MASTER}_master": results}, "outputter": "highstate", "retcode": 1}
    event = fired(
        f"salt/run/{JID}/ret", {"jid": JID, "fun": "runner.state.orchestrate", "return": value, "success": False}
    )

    # When
    found = tables(event)

    # Then
    assert list(found) == ["returns", "states"]
    assert [(row["minion_id"], row["state"], row["result"]) for row in found["states"]] == [
        (f"{MASTER}_master", "salt.state", False),
        (f"{MASTER}_master", "salt.runner", True),
    ]
    assert json.loads(found["states"][0]["changes"]) == inner


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(returned({"data": {"web2": {TAG: state_result()}}}, fun="state.apply"), id="a minion's return"),
        pytest.param(
            returned({"state.apply": {"data": {"web2": {TAG: state_result()}}}}, fun=["state.apply", "x.y"]),
            id="a minion's return of several",
        ),
        pytest.param(
            fired(
                f"salt/run/{JID}/ret",
                {"jid": JID, "fun": "runner.salt.execute", "return": {"data": {"web2": {TAG: state_result()}}}},
            ),
            id="what a runner was told by a minion with the id data",
        ),
    ],
)
def test_nobody_but_an_orchestration_has_states_in_the_name_of_others(event: Event) -> None:
    assert "web2" not in [row["minion_id"] for row in tables(event).get("states", [])]


def test_the_key_of_a_states_row_is_clipped_like_its_returns() -> None:
    event = returned({TAG: state_result()}, jid="7" * 100, minion_id="m" * 300)

    row = only(event, "states")

    kept = only(event, "returns")
    assert (row["jid"], row["minion_id"]) == (kept["jid"], kept["minion_id"])


def test_durations_that_add_up_to_more_than_a_number_holds_are_left_out() -> None:
    event = state_run({f"cmd_|-{name}_|-x_|-run": state_result(duration=1e308) for name in "ab"})

    assert only(event, "returns")["duration_ms"] is None


SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(max_size=5)
RESULTS = st.dictionaries(
    st.sampled_from(
        ["name", "changes", "result", "comment", "__sls__", "__run_num__", "duration", "__id__", "start_time", "x"]
    ),
    SCALARS | st.lists(SCALARS, max_size=2) | st.dictionaries(st.text(max_size=3), SCALARS, max_size=2),
)
RUNS = st.dictionaries(
    st.lists(st.sampled_from(["_|-", "file", "motd", ""]), max_size=7).map("".join), RESULTS | SCALARS, max_size=5
)


@given(value=RUNS | st.fixed_dictionaries({"data": st.dictionaries(st.text(max_size=3), RUNS | SCALARS, max_size=3)}))
def test_rows_can_be_made_of_any_results_each_with_a_key_of_its_own(value: Any) -> None:
    rows = tables(state_run(value)).get("states", [])

    keys = [(row["minion_id"], row["run_num"]) for row in rows]
    assert len(set(keys)) == len(keys)
    for row in rows:
        json.loads(row["changes"])
        assert row["result"] in (True, False, None)


HEALTHY = {TAG: state_result(changes={})}
BOTH = {"file_|-a_|-a_|-managed": state_result(number=0), "cmd_|-b_|-b_|-run": state_result(result=False, number=1)}


@pytest.mark.parametrize(
    ("fun", "value", "counts"),
    [
        pytest.param("state.apply", HEALTHY, (1, 0, 0), id="healthy"),
        pytest.param("state.highstate", BOTH, (2, 1, 1), id="one changed, and one failed after a change"),
        pytest.param("state.sls", ["Rendering SLS 'base:motd' failed"], (0, 0, 0), id="not rendered"),
        pytest.param("state.single", BOTH, (None, None, None), id="what somebody typed"),
        pytest.param("test.ping", True, (None, None, None), id="no states"),
    ],
)
def test_a_run_of_states_says_how_many_there_were(fun: str, value: Any, counts: tuple[int | None, ...]) -> None:
    # Given
    for result in BOTH.values():
        result["changes"] = {"a": "b"} if result["result"] else {}

    # When
    (row,) = tables(returned(value, fun=fun))["returns"]

    # Then
    assert (row["states"], row["states_changed"], row["states_failed"]) == counts


@pytest.mark.parametrize(
    ("value", "counts"),
    [
        pytest.param(HEALTHY, (1, 0, 0), id="healthy"),
        pytest.param(["Rendering SLS 'base:motd' failed"], (0, 0, 1), id="not rendered, which nothing else would tell"),
    ],
)
def test_of_several_functions_only_runs_of_states_are_counted(value: Any, counts: tuple[int, ...]) -> None:
    # Given: a function that fails, one that runs states, and one that runs a state that somebody typed
    functions = ["cmd.run", "state.apply", "state.single"]
    told = dict(zip(functions, ["x", value, BOTH], strict=True))
    event = returned(told, fun=functions, retcode=dict.fromkeys(functions, 1), success=dict.fromkeys(functions, False))

    # When
    (row,) = tables(event)["returns"]

    # Then
    assert (row["states"], row["states_changed"], row["states_failed"]) == counts


def test_a_test_run_says_nothing_of_how_many_states_there_were() -> None:
    (row,) = tables(state_run(HEALTHY, fun_args=["motd", {"__kwarg__": True, "test": True}]))["returns"]
    assert (row["states"], row["test"]) == (None, True)
