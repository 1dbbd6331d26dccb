"""What Salt hands to its job cache, as the bus has it."""

from __future__ import annotations

from typing import Any

import pytest

from salt_eventsd.event.handed import as_fired, kind_of_runner, told_by, without_login
from tests.support.events import JID, return_data, state_result
from tests.support.job_cache import KEY, PASSWORD, TOKEN, publication

TAG = "file_|-a_|-a_|-managed"


def _written_in(load: dict[str, Any]) -> dict[str, Any]:
    """Do what the master does to a return of states that have failed, after it has fired the event."""
    states = {}
    for tag, result in load["return"].items():
        states[tag] = {**result, "retcode": load["retcode"]}
        if result["result"] is False:
            states[tag].update(jid=load["jid"], id=load["id"], success=False, fun=load["fun"], _stamp="x")
            states[tag]["return"] = "Error: file.managed"
    return {**load, "return": states}


def test_what_a_client_logs_in_with_is_removed_and_nothing_else() -> None:
    # Given
    load = publication(JID)

    # When
    kept = without_login(load)

    # Then
    assert (load["key"], load["kwargs"]["token"], load["kwargs"]["password"]) == (KEY, TOKEN, PASSWORD)
    assert set(load) - set(kept) == {"key"}
    assert kept["kwargs"] == {"delimiter": ":", "show_timeout": True, "metadata": {"ticket": 7}}


def test_none_in_place_of_arguments_is_left_out() -> None:
    assert without_login({"arg": None, "kwargs": None, "fun": "x"}) == {"fun": "x"}


@pytest.mark.parametrize("fun", ["state.sls", "state.highstate"])
def test_what_the_master_has_written_into_states_is_removed(fun: str) -> None:
    # Given
    load = return_data({TAG: state_result(result=False)}, fun=fun, retcode=2)

    # Then
    assert as_fired(_written_in(load)) == load


def test_of_several_functions_each_one_s_states_are_plain() -> None:
    # Given
    plain = {"state.sls": {TAG: state_result()}, "test.ping": True}
    changed = {"state.sls": {TAG: {**state_result(), "retcode": 2}}, "test.ping": True}

    # When
    found = as_fired(return_data(changed, fun=["state.sls", "test.ping"], retcode={"state.sls": 2}))

    # Then
    assert found["return"] == plain


@pytest.mark.parametrize("value", [True, None, [], {"retcode": 1, "stdout": "x"}, "text"])
def test_other_returns_stay_as_they_are(value: Any) -> None:
    assert as_fired(return_data(value, retcode=1)) == return_data(value, retcode=1)


def test_a_runners_return_tells_of_its_start_and_its_end() -> None:
    # Given
    inner = {"jid": JID, "fun": "runner.test.arg", "user": "ann", "fun_args": [1], "_stamp": "x", "return": 5}
    load = {"id": "m", "tgt": "m", "jid": JID, "return": inner, "fun": "runner.test.arg"}

    # Then
    assert kind_of_runner(load) == "run"
    (start, begun), (end, told) = told_by(load)
    assert (start, end) == (f"salt/run/{JID}/new", f"salt/run/{JID}/ret")
    assert told == inner
    assert "return" not in begun


@pytest.mark.parametrize("load", [None, [], {}, {"jid": ""}, {"return": {"fun": "runner.x"}}])
def test_what_tells_of_no_job_is_no_event(load: Any) -> None:
    assert list(told_by(load)) == []


@pytest.mark.parametrize(
    "more",
    [
        {"cmd": "_return", "tgt": "web1"},
        {"_stamp": "2026-01-02T03:04:05.678901", "tgt": "web1"},
        {},
        {"tgt": "web*"},
    ],
)
def test_no_minion_speaks_for_a_runner(more: dict[str, Any]) -> None:
    # Given
    inner = {"jid": JID, "fun": "runner.test.arg", "id": "victim", "return": 5}
    load = {"id": "web1", "jid": JID, "fun": "test.arg", "return": inner, **more}

    # Then
    assert list(told_by(load)) == [(f"salt/job/{JID}/ret/web1", load)]


#: What hosts answer, and what salt-ssh fires of it.
OF_SSH: list[tuple[Any, dict[str, Any]]] = [
    (
        {"id": "web1", "jid": "1", "fun": "state.pkg", "out": "highstate", "return": {TAG: 1}, "retcode": 2},
        {"fun": "state.pkg", "out": "highstate", "return": {TAG: 1}, "retcode": 2, "success": False},
    ),
    ({"return": {"retcode": 5}, "retcode": 0}, {"return": {"retcode": 5}, "retcode": 0, "success": True}),
    (
        {"stdout": "out", "stderr": "", "retcode": 0},
        {"stdout": "out", "stderr": "", "retcode": 0, "success": True, "return": "out"},
    ),
    (
        {"stdout": "out", "stderr": "err", "retcode": 4, "_error": "failed", "parsed": None},
        {"stdout": "out", "stderr": "err", "retcode": 4, "_error": "failed", "parsed": None, "success": False}
        | {"return": "err"},
    ),
    # Who answers speaks for no other host, no runner and no time.
    (
        {"return": 1, "id": "web2", "jid": "2", "tgt": "web1", "cmd": "_return", "_stamp": "2026-01-01", "user": "ann"},
        {"return": 1},
    ),
    ("ssh: no route to host", {"return": "ssh: no route to host"}),
    ({"a": 1}, {"return": {"a": 1}}),
]


@pytest.mark.parametrize(("answered", "fired"), OF_SSH, ids=str)
def test_what_salt_ssh_hands_over_is_what_it_fires(answered: Any, fired: dict[str, Any]) -> None:
    load = {"jid": JID, "id": "web1", "fun": "test.arg", "return": answered}
    assert as_fired(load) == {"jid": JID, "id": "web1", "fun": "test.arg", **fired}
    [(tag, _)] = told_by(as_fired(load))
    assert tag == f"salt/job/{JID}/ret/web1"


def test_what_others_hand_over_is_not_taken_for_salt_ssh_s() -> None:
    load = {"jid": JID, "id": "web1", "fun": "test.arg", "return": {"return": 1, "retcode": 3}, "retcode": 0}
    assert as_fired(load) == load
