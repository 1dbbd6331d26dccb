"""Which workers get an event, by its tag and its function."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from salt_eventsd.config.structs import EventRule, default_events
from salt_eventsd.rules.compile import compile_rules
from salt_eventsd.rules.match import Rules
from salt_eventsd.rules.rule import Route


def routes(
    rules: dict[str, dict[str, Any]], tag: str, fun: str = "", full_tag: str | None = None, data: Any = None
) -> list[Route]:
    """Return where an event goes under these ``events:``."""
    compiled = compile_rules({name: msgspec.convert(rule, EventRule) for name, rule in rules.items()})
    return compiled.candidates(tag, full_tag or tag).routes(tag, fun, data, full_tag or tag)


def taken_by(rules: dict[str, dict[str, Any]], tag: str, fun: str = "") -> list[tuple[str, str]]:
    return [(one.worker, one.rule) for one in routes(rules, tag, fun)]


@pytest.mark.parametrize(
    ("pattern", "tag", "taken"),
    [
        pytest.param(r"salt/job/\d+/ret/", "salt/job/1/ret/web1", True, id="matches the start"),
        pytest.param(r"job/\d+/ret/", "salt/job/1/ret/web1", False, id="not in the middle"),
        pytest.param(r".*/ret/", "salt/job/1/ret/web1", True, id="anywhere, if asked for"),
        pytest.param(r"salt/job/\d+/new\Z", "salt/job/1/new/more", False, id="an end, if asked for"),
        pytest.param(r"salt/", "Salt/job", False, id="case counts"),
        pytest.param(r"(?i)salt/", "Salt/job", True, id="unless the pattern says otherwise"),
    ],
)
def test_a_tag_is_matched_at_its_start(pattern: str, tag: str, taken: bool) -> None:
    rules = {"r": {"tag": pattern, "worker": "w"}}

    assert bool(routes(rules, tag)) is taken


def test_a_rule_may_ask_for_a_syndics_prefix() -> None:
    rules = {"eu": {"tag": "syndic/eu/", "worker": "w"}, "us": {"tag": "syndic/us/", "worker": "w"}}

    found = routes(rules, "salt/auth", full_tag="syndic/eu/salt/auth")

    assert [one.rule for one in found] == ["eu"]


def test_an_event_no_rule_names_has_no_candidates() -> None:
    rules = compile_rules({"r": EventRule(tag="salt/job/", worker="w")})

    assert not rules.candidates("salt/auth", "salt/auth")


@pytest.mark.parametrize(
    ("ignore", "fun", "taken"),
    [
        pytest.param(["saltutil.find_job"], "saltutil.find_job", False, id="by name"),
        pytest.param(["saltutil.find_job"], "saltutil.find_job2", True, id="by the whole name"),
        pytest.param(["saltutil.*"], "saltutil.find_job", False, id="by glob"),
        pytest.param(["test.pin[gk]", "cmd.*"], "cmd.run", False, id="by any of several"),
        pytest.param(["*.run"], "cmd.run_all", True, id="a glob matches to the end"),
        pytest.param(["saltutil_find_job"], "saltutil.find_job", True, id="case and signs count"),
        pytest.param(["*"], "", True, id="no function, nothing to ignore"),
    ],
)
def test_functions_can_be_ignored(ignore: list[str], fun: str, taken: bool) -> None:
    rules = {"r": {"tag": "", "worker": "w", "ignore": ignore}}

    assert bool(routes(rules, "salt/job/1/ret/m", fun)) is taken


def test_what_one_rule_ignores_another_may_take() -> None:
    rules = {
        "most": {"tag": "salt/", "worker": "w", "ignore": ["test.*"]},
        "all": {"tag": "salt/", "worker": "other"},
    }

    assert taken_by(rules, "salt/job/1/ret/m", "test.ping") == [("other", "all")]


def test_several_workers_each_get_it() -> None:
    rules = {"r": {"tag": "x", "worker": ["a", "b"]}}

    assert taken_by(rules, "x") == [("a", "r"), ("b", "r")]


SUBS = {
    "returns": {
        "tag": "salt/job/",
        "worker": "history",
        "into": "returns",
        "subs": {
            "raid": {"fun": r"wputil\.check_raid", "worker": "raids", "into": "events"},
            "web": {"tag": r".*/ret/web", "worker": "webs", "into": "events"},
            "both": {"fun": r"test\.", "tag": r".*/ret/web", "worker": "both", "into": "events"},
        },
    }
}


@pytest.mark.parametrize(
    ("tag", "fun", "workers"),
    [
        pytest.param("salt/job/1/ret/db1", "cmd.run", ["history"], id="the parent alone"),
        pytest.param("salt/job/1/ret/db1", "wputil.check_raid", ["history", "raids"], id="parent and sub by function"),
        pytest.param("salt/job/1/ret/web1", "cmd.run", ["history", "webs"], id="parent and sub by tag"),
        pytest.param("salt/job/1/ret/web1", "test.ping", ["history", "webs", "both"], id="parent and several subs"),
        pytest.param("salt/job/1/ret/db1", "test.ping", ["history"], id="a sub's tag and function must both match"),
        pytest.param("salt/job/1/ret/db1", "x.wputil.check_raid", ["history"], id="a function is matched at its start"),
        pytest.param("salt/job/1/ret/db1", "", ["history"], id="no function"),
        pytest.param("salt/run/1/ret", "wputil.check_raid", [], id="no sub without its parent"),
    ],
)
def test_an_event_goes_to_parent_and_sub(tag: str, fun: str, workers: list[str]) -> None:
    assert [one.worker for one in routes(SUBS, tag, fun)] == workers


def test_what_the_parent_ignores_no_sub_sees() -> None:
    rules = {"r": {"tag": "x", "worker": "w", "ignore": ["test.*"], "subs": {"s": {"fun": "test", "worker": "w2"}}}}

    assert routes(rules, "x", "test.ping") == []


def test_a_sub_may_ignore_functions_of_its_own() -> None:
    rules = {"r": {"tag": "x", "worker": "w", "subs": {"s": {"worker": "w2", "ignore": ["test.*"]}}}}

    assert taken_by(rules, "x", "test.ping") == [("w", "r")]


def test_subs_nest_and_take_from_their_parents_what_they_do_not_say() -> None:
    # Given
    rules = {
        "a": {
            "tag": "x",
            "worker": ["w1", "w2"],
            "into": "returns",
            "prio": True,
            "subs": {"b": {"into": "events", "subs": {"c": {"fun": "f", "into": "minions", "prio": False}}}},
        }
    }

    # When
    found = routes(rules, "x", "f")

    # Then
    assert found == [
        Route("w1", "a", "returns", True),
        Route("w2", "a", "returns", True),
        Route("w1", "a.subs.b", "events", True),
        Route("w2", "a.subs.b", "events", True),
        Route("w1", "a.subs.b.subs.c", "minions", False),
        Route("w2", "a.subs.b.subs.c", "minions", False),
    ]


def test_a_parent_without_a_worker_only_gathers_its_subs() -> None:
    rules = {"r": {"tag": "x", "subs": {"s": {"fun": "f", "worker": "w"}}}}

    assert taken_by(rules, "x", "f") == [("w", "r.subs.s")]
    assert taken_by(rules, "x", "g") == []


def test_a_worker_gets_an_event_once_for_each_table() -> None:
    # Given
    rules = {
        "one": {"tag": "x", "worker": "w", "into": "events"},
        "two": {"tag": "x", "worker": "w", "into": "events"},
        "three": {"tag": "x", "worker": "w", "into": "returns"},
        "four": {"tag": "x", "worker": "other", "into": "events"},
    }

    # When
    found = taken_by(rules, "x")

    # Then
    assert found == [("w", "one"), ("w", "three"), ("other", "four")]


def test_of_two_rules_for_one_table_the_urgent_one_counts() -> None:
    rules = {
        "slow": {"tag": "x", "worker": "w", "into": "events"},
        "fast": {"tag": "x/alarm", "worker": "w", "into": "events", "prio": 1},
        "late": {"tag": "x", "worker": "w", "into": "events"},
    }

    assert routes(rules, "x/alarm") == [Route("w", "fast", "events", True)]
    assert routes(rules, "x/other") == [Route("w", "slow", "events", False)]


@pytest.mark.parametrize(
    ("tag", "fun", "into"),
    [
        pytest.param("salt/job/20260102030405678901/new", "test.ping", "jobs", id="a job"),
        pytest.param("salt/run/20260102030405678901/new", "runner.jobs.active", "jobs", id="a runner"),
        pytest.param("salt/wheel/20260102030405678901/new", "wheel.key.list_all", "jobs", id="a wheel"),
        pytest.param("salt/job/20260102030405678901/ret/web1", "test.ping", "returns", id="a return"),
        pytest.param("salt/job/req/ret/web1", "test.ping", "returns", id="a return with a place holder for a jid"),
        pytest.param("salt/run/20260102030405678901/ret", "runner.jobs.active", "returns", id="a runner's return"),
        pytest.param("salt/job/20260102030405678901/ret/web1", "saltutil.find_job", None, id="Salt's own polling"),
        pytest.param("salt/job/20260102030405678901/prog/web1/0", "", None, id="progress"),
        pytest.param("salt/run/20260102030405678901/progress", "", None, id="a runner's progress"),
        pytest.param("salt/auth", "", None, id="authentication"),
        pytest.param("20260102030405678901", "", None, id="an old-style tag"),
    ],
)
def test_without_rules_jobs_and_returns_are_kept(tag: str, fun: str, into: str | None) -> None:
    rules = compile_rules(default_events("history"))

    found = rules.candidates(tag, tag).routes(tag, fun)

    assert [(one.worker, one.into) for one in found] == ([("history", into)] if into else [])


def test_a_glob_takes_the_whole_tag_and_the_whole_function() -> None:
    rules = {"g": {"tag_glob": "salt/job/*/ret/*", "fun_glob": "state.*", "worker": "w"}}

    assert taken_by(rules, "salt/job/1/ret/web1", "state.apply")
    assert not taken_by(rules, "salt/job/1/ret/web1", "my.state.apply")
    assert not taken_by(rules, "salt/job/1/new", "state.apply")


def with_data(rules: dict[str, dict[str, Any]], data: Any) -> list[str]:
    return [one.rule for one in routes(rules, "salt/job/1/ret/web1", data.get("fun", ""), data=data)]


def test_a_rule_may_ask_for_minions_and_fields() -> None:
    # Given
    rules: dict[str, dict[str, Any]] = {
        "web": {"tag": "salt/job/", "minion": "web*", "worker": "w", "into": "returns"},
        "failed": {"tag": "salt/job/", "where": {"data.retcode": {"not": 0}}, "worker": "w", "into": "events"},
        "odd": {"tag": "salt/job/", "unless": {"fun": "test.ping", "data.success": True}, "worker": "x"},
    }

    # When / Then
    assert with_data(rules, {"id": "web1", "retcode": 0, "fun": "test.ping", "success": True}) == ["web"]
    assert with_data(rules, {"id": "db1", "retcode": 2, "fun": "test.ping", "success": False}) == ["failed", "odd"]
    assert with_data(rules, {"retcode": 0, "fun": "cmd.run", "success": True}) == ["web", "odd"]


def test_what_is_remembered_of_one_event_is_not_held_against_another() -> None:
    # Given: values that a dict takes for the same, and some that it cannot hold
    rules: dict[str, dict[str, Any]] = {
        "one": {"tag": "salt/job/", "where": {"data.x": 1}, "worker": "w"},
        "true": {"tag": "salt/job/", "where": {"data.x": True}, "worker": "x"},
    }
    compiled = compile_rules({name: msgspec.convert(rule, EventRule) for name, rule in rules.items()})

    # When / Then
    for _ in range(2):
        for value, names in ((1, ["one"]), (True, ["true"]), ([1], []), ({}, []), ("1", []), (1.0, ["one"])):
            found = compiled.candidates("salt/job/1", "salt/job/1").routes("salt/job/1", "", {"x": value})
            assert [one.rule for one in found] == names, value


def test_sub_events_nest_and_may_ask_for_the_tag_inside() -> None:
    # Given
    rules: dict[str, dict[str, Any]] = {
        "all": {
            "tag": "salt/",
            "worker": "w",
            "into": "events",
            "subs": {
                "inner": {
                    "tag": "company/",
                    "worker": "x",
                    "subs": {"deep": {"where": {"data.level": 3}, "worker": "y"}},
                }
            },
        }
    }

    # When / Then
    assert with_data(rules, {"tag": "company/door"}) == ["all", "all.subs.inner"]
    assert with_data(rules, {"tag": "company/door", "level": 3}) == [
        "all",
        "all.subs.inner",
        "all.subs.inner.subs.deep",
    ]
    assert with_data(rules, {"tag": "elsewhere", "level": 3}) == ["all"]


def test_own_tables_of_one_worker_each_get_the_event() -> None:
    own = {"tag": "salt/", "worker": "w", "columns": {"a": "data.id"}}
    rules = {"a": {**own, "table": "t"}, "b": {**own, "table": "u"}, "c": {"tag": "salt/", "worker": "w"}}

    assert [(one.rule, one.into) for one in routes(rules, "salt/x")] == [("a", "own"), ("b", "own"), ("c", "")]


def test_a_sub_event_may_ask_for_a_syndics_prefix_too() -> None:
    # Given
    sub = {"tag": "syndic/s1/", "into": "events"}
    rules: dict[str, dict[str, Any]] = {"a": {"tag": "salt/job", "worker": "w", "into": "returns", "subs": {"s1": sub}}}

    # When / Then: one syndic's answer is not taken for another's
    for full_tag, names in (("syndic/s1/salt/job/1/new", ["a", "a.subs.s1"]), ("syndic/s2/salt/job/1/new", ["a"])):
        found = routes(rules, "salt/job/1/new", full_tag=full_tag, data={})
        assert [one.rule for one in found] == names


#: Rules by what they look at, so that whatever is left out of what an answer is remembered under shows.
ASKING: dict[str, dict[str, Any]] = {
    "the function": {
        "one": {"tag": "salt/", "worker": "a", "fun": r"test\.p", "prio": 1},
        "other": {"tag": "salt/", "worker": "b", "ignore": ["test.echo"]},
    },
    "the minion": {"one": {"tag": "salt/", "worker": "a", "minion": "web*", "where": {"data.b": {"exists": False}}}},
    "values": {
        "one": {"tag": "salt/job/1/", "worker": "a", "where": {"data.a": 1}},
        "other": {"tag": "salt/", "worker": "b", "unless": {"data.a": [True, "1"]}},
        "third": {"tag": "salt/job/2/", "worker": "c", "where": {"data.a": "x"}},
        "fourth": {"tag": "salt/", "worker": "d", "fun": "test.ping", "where": {"data.a": "x"}},
    },
    "the job": {"one": {"tag": "salt/", "worker": "a", "where": {"jid": "2"}}},
    "the tag": {"one": {"tag": "salt/", "worker": "a", "where": {"tag": {"match": ".*/db"}}}},
    "the inner tag": {"one": {"tag": "salt/", "worker": "a", "subs": {"sub": {"tag": "syndic/", "into": "events"}}}},
}


@pytest.mark.parametrize("rules", ASKING.values(), ids=ASKING)
def test_what_is_remembered_changes_no_answer(rules: dict[str, dict[str, Any]]) -> None:
    # Given: events of which any two differ in one thing
    some = [
        # Without a syndic the two tags are one and the same text.
        (tag, f"{prefix}{tag}" if prefix else tag, fun, {**value, "id": minion, "jid": jid})
        for tag in ("salt/job/1/web", "salt/job/2/db", "company/x")
        for prefix in ("", "syndic/s1/")
        for fun in ("test.ping", "test.echo", "")
        for value in ({"a": 1}, {"a": True}, {"a": "1"}, {"a": "x"}, {"a": [1]}, {})
        for minion in ("web1", "db1")
        for jid in ("1", "2")
    ]

    def compiled() -> Rules:
        return compile_rules({name: msgspec.convert(rule, EventRule) for name, rule in rules.items()})

    def answer(known: Rules, tag: str, full_tag: str, fun: str, data: dict[str, Any]) -> list[Route]:
        return known.candidates(tag, full_tag).routes(tag, fun, data, full_tag)

    # When: rules that have seen everything, each event several times as on a bus, and such as have seen nothing
    experienced = compiled()
    found = [[answer(experienced, *one) for _ in range(3)] for one in some]

    # Then
    assert found == [[answer(compiled(), *one)] * 3 for one in some]
    assert [each[0] for each in found] == [answer(experienced, *one) for one in some]
    assert len({str(each) for each in found}) > 1
