"""One rule of all, for a replay: the rules above it are asked, and no other sends anything."""

from __future__ import annotations

import msgspec
import pytest

from salt_eventsd.config.structs import EventRule
from salt_eventsd.rules.compile import compile_rules
from salt_eventsd.rules.only import only

_RULES = compile_rules(
    msgspec.convert(
        {
            "returns": {
                "tag": r"salt/job/\d+/ret/",
                "worker": ["history", "graphs"],
                "subs": {
                    "raid": {"fun": r"raid\.check", "subs": {"bad": {"where": {"data.retcode": {"above": 0}}}}},
                    "exim": {"fun": r"exim\.status"},
                },
            },
            "all": {"tag": "salt/", "worker": "history"},
        },
        dict[str, EventRule],
    )
)


def _rules_of(name: str, worker: str, fun: str, retcode: int = 0) -> list[str]:
    found = only(_RULES, name, worker)
    assert found is not None
    tag = "salt/job/1/ret/web1"
    routes = found.candidates(tag, tag).routes(tag, fun, {"fun": fun, "retcode": retcode}, tag)
    assert {one.worker for one in routes} <= {worker}
    return [one.rule for one in routes]


@pytest.mark.parametrize(
    ("name", "fun", "taken"),
    [
        pytest.param("returns", "raid.check", ["returns"], id="without its own sub-events"),
        pytest.param("all", "raid.check", ["all"], id="without what is before it"),
        pytest.param("returns.subs.raid", "raid.check", ["returns.subs.raid"], id="a sub-event"),
        pytest.param("returns.subs.raid", "exim.status", [], id="not its sister"),
    ],
)
def test_only_one_rule_sends_events(name: str, fun: str, taken: list[str]) -> None:
    assert _rules_of(name, "history", fun) == taken


def test_the_rules_above_are_asked() -> None:
    name = "returns.subs.raid.subs.bad"

    assert _rules_of(name, "graphs", "raid.check", 1) == [name]
    assert _rules_of(name, "graphs", "raid.check", 0) == []
    assert _rules_of(name, "graphs", "exim.status", 1) == []


@pytest.mark.parametrize(("name", "worker"), [("nothing", "history"), ("all", "graphs"), ("returns.subs.x", "history")])
def test_there_is_none(name: str, worker: str) -> None:
    assert only(_RULES, name, worker) is None
