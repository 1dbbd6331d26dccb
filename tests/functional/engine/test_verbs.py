"""What an engine can be asked for over its control socket."""

from __future__ import annotations

import json
from typing import Any

import pytest

from salt_eventsd import control as command
from salt_eventsd.engine.control import verbs
from salt_eventsd.engine.control.server import answering
from salt_eventsd.engine.idle import Waiting
from tests.functional.engine.conftest import Engine

KNOWN = ", ".join(verbs.VERBS)


def wrong(problem: str) -> dict[str, Any]:
    return {"problems": [f"eventsd: {problem}"], "retcode": 2}


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        pytest.param({"verb": "seen"}, {"seen": True, "retcode": 0}, id="seen"),
        pytest.param({"verb": "drop_orphaned", "worker": None}, {"dropped": {}, "retcode": 0}, id="drop_orphaned"),
        pytest.param({"verb": "seen", "worker": "x"}, wrong("seen: worker: unknown; it takes nothing"), id="too-much"),
        pytest.param(
            {"verb": "repaired", "since": "x", "events": 1},
            wrong("repaired: expected since= and events=, and still= if it is known, all of them numbers"),
            id="repaired-when",
        ),
        pytest.param(
            {"verb": "repaired", "since": 1, "events": 3, "still": -1},
            wrong("repaired: events, still: expected numbers of events, got 3 and -1"),
            id="repaired-less-than-nothing",
        ),
        pytest.param(
            {"verb": "repaired", "since": "1.5", "events": "3"},
            wrong("repaired: since: no gap that has ended began then"),
            id="repaired-nothing",
        ),
        pytest.param({"verb": "dance"}, wrong(f"this engine knows no 'dance'; it knows {KNOWN}"), id="unknown"),
        pytest.param({"verb": ["seen"]}, wrong(f"this engine knows no ['seen']; it knows {KNOWN}"), id="no-name"),
        pytest.param({}, wrong(f"this engine knows no None; it knows {KNOWN}"), id="nothing"),
    ],
)
def test_a_running_engine_answers(engine: Engine, request_: dict[str, Any], answer: dict[str, Any]) -> None:
    assert verbs.of_running(engine.service)(request_) == answer


@pytest.mark.parametrize(
    ("verb", "answer"),
    [
        ("compare", {"same": False, "idle": ["it was wrong"], "problems": [], "retcode": 0}),
        ("seen", wrong("seen takes an engine that runs, and this one is idle")),
        ("dance", wrong(f"this engine knows no 'dance'; it knows {KNOWN}")),
    ],
)
def test_an_idle_engine_answers(verb: str, answer: dict[str, Any]) -> None:
    assert verbs.of_idle(Waiting({}, ["it was wrong"]))({"verb": verb}) == answer


def test_the_command_asks_and_prints_the_answer(engine: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    state_file = engine.service.general.state_file
    with answering(state_file, verbs.of_running(engine.service)):
        code = command.main(["drop_orphaned", state_file, "worker=history"])

    assert code == 2
    assert "history is configured" in json.loads(capsys.readouterr().out)["problem"]


@pytest.mark.parametrize("arguments", [[], ["reload"], ["drop_orphaned", "status.json", "history"]], ids=str)
def test_the_command_says_how_it_is_used(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(arguments) == 2

    told = capsys.readouterr().out
    assert told.startswith("usage: ")
    assert all(f"  {name} " in told for name in verbs.VERBS)
