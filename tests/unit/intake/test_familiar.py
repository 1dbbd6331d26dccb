"""Returns that are like earlier ones are recognized, and are what the pipeline says that looks at everything."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import msgpack
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from salt_eventsd.config.structs import EventRule, default_events
from salt_eventsd.event.frame import TAG_END
from salt_eventsd.event.parse import Event, for_route
from salt_eventsd.intake.familiar import Familiar, Known
from salt_eventsd.intake.origin import PEER, Origins
from salt_eventsd.intake.pipeline import Pipeline
from salt_eventsd.intake.result import Result
from salt_eventsd.redact import compile_redactor
from salt_eventsd.rules.compile import compile_rules
from salt_eventsd.rules.rule import Route
from tests.support.events import JID, RECEIVED

OTHER, TIME = "20260102030405678902", "2026-01-02T03:04:05.678901"
#: What may stand in a return; the first of each is usual.
FIELDS: dict[str, list[Any]] = {
    "cmd": ["_return", "_minion_event"],
    "id": ["web1", "web2", "web1 ", "w" * 32, "w" * 256, "w=1", "w\N{SNOWMAN}", 'w"', "VALUE_TRIMMED", "", 1],
    "success": [True, False],
    "return": [
        True,
        "text",
        None,
        {"a": 1},
        {"a_|-b": {"result": False, "changes": {}}},
        ["No sls"],
        {1: "a"},
        b"\xff",
        "VALUE_TRIMMED",
        ["x"] * 300,
        "\xa3fun\xa9test.ping",
    ],
    "retcode": [0, 1],
    "jid": [JID, OTHER, "7", "", None],
    "fun": ["test.ping", "cmd.run", "state.apply", "runner.jobs.list_jobs", "saltutil.find_job", ["a.b"]],
    "fun_args": [[], ["web1"], [{"id": "web1", "jid": JID}], [b"\xff"]],
    "_stamp": [
        *(TIME, f"{TIME}+00:00", "2026-01-02T03:04:06.000001", "2026-01-02T03:04:06.000001+00:00"),
        *('2026-01-02"03:04:05.678901', '2026-01-02T03Z\0","a":"bbb"', f"{TIME}+01:00", "2026-01-02T03:04+01:00xxx"),
        *("2026-01-02T03:04:05", "never", None),
    ],
    "order": [1, "x"],
    "ts": [1767323045, 1767323046, 1, 2**40, "x"],
    PEER: ["other_master"],
}
USUAL = tuple(FIELDS)[:-3]
ODD = st.sampled_from([*FIELDS, "mix", "no-id", "no-return", "no-_stamp", "no-jid"])
TAGS = st.sampled_from([None, None, None, f"salt/job/{JID}/ret/web1", f"salt/job/{OTHER}/ret/new", "salt/job/x/ret/w"])

_EVERYTHING = Origins(places=frozenset(("history",)))
PIPELINES = [
    (compile_rules(rules), compile_redactor((), (), functions), origins)
    for rules, functions, origins in (
        (default_events("history"), {}, _EVERYTHING),
        (default_events("history"), {"cmd.*": "return"}, Origins("drop", (), frozenset(("history",)), "take")),
        ({"bad": EventRule(tag=r"salt/job/\d+/ret/", where={"data.retcode": 1}, worker="history")}, {}, _EVERYTHING),
        ({"web": EventRule(tag=r"salt/job/\d+/ret/web", worker="history")}, {}, _EVERYTHING),
        ({"two": EventRule(tag=r"salt/job/\d+/ret/", worker=["history", "second"])}, {}, _EVERYTHING),
        (
            {
                "all": EventRule(tag=r"salt/job/\d+/ret/", worker="history"),
                "bad": EventRule(tag=r"salt/job/", where={"data.success": False}, worker="history", prio=True),
                "web": EventRule(tag=r"salt/job/", minion="w*", worker="second", into="events"),
                "two": EventRule(tag=r"salt/job/", where={"data.fun_args.0": "web1", "jid": JID}, worker="third"),
            },
            {},
            _EVERYTHING,
        ),
        ({"what": EventRule(tag=r"salt/job/", where={"data.return": True}, worker="history")}, {}, _EVERYTHING),
        ({"whose": EventRule(tag=r"salt/job/", where={"data.id": "web1"}, worker="history")}, {}, _EVERYTHING),
    )
]
#: With patterns of which some match what differs, and some what does not, and a key.
VALUES = ("web2", r"^w=", r"04:06\.", r"text|\ba\b", "cmd.run", r"890.$", "order")
PIPELINES += [
    (compile_rules(default_events("history")), compile_redactor((), VALUES[start:], {}), _EVERYTHING)
    for start in (0, 3, len(VALUES) - 1)
]


class Thorough(Pipeline):
    """A pipeline without the short way."""

    @cached_property
    def usual(self) -> Any:
        return lambda raw, received: None


@st.composite
def frames(draw: st.DrawFn) -> list[bytes]:
    """Frames of which each differs from an earlier one in a few fields."""
    told = [{name: FIELDS[name][0] for name in USUAL}]
    tags = [None]
    for _ in range(draw(st.integers(1, 6))):
        one = dict(draw(st.sampled_from(told)))
        for name in draw(st.lists(ODD, max_size=3)):
            if name == "mix":
                one = dict(draw(st.permutations(list(one.items()))))
            elif name.startswith("no-"):
                one.pop(name.removeprefix("no-"), None)
            else:
                one[name] = draw(st.sampled_from(FIELDS[name]))
        told.append(one)
        tags.append(draw(TAGS))
    return [frame_of(data, tag) for data, tag in zip(told, tags, strict=True)]


def destinations_of(known: tuple[list[Route], Event, Known]) -> list[tuple[Route, Event]]:
    to, event, _ = known
    return [(one, for_route(event, one.rule, one.into)) for one in to]


def frame_of(data: dict[str, Any], tag: str | None = None) -> bytes:
    tag = tag or f"salt/job/{data.get('jid') or JID}/ret/{data.get('id') or 'web1'}"
    return tag.encode() + TAG_END + msgpack.packb(data, use_bin_type=True)


def usual(**more: Any) -> bytes:
    return frame_of({**{name: FIELDS[name][0] for name in USUAL}, **more})


def learn(familiar: Familiar, pipeline: Pipeline, raw: bytes, times: int = 3) -> None:
    """Do with a frame what the intake does, as often as it takes."""
    if isinstance(found := pipeline.usual(raw, RECEIVED), Result) and found.event is not None:
        for _ in range(times):
            familiar.learn(raw, found)


@pytest.mark.parametrize("parts", PIPELINES)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(raws=frames())
def test_what_is_recognized_is_what_the_long_way_finds(parts: Any, raws: list[bytes]) -> None:
    pipeline, thorough = Pipeline(*parts), Thorough(*parts)
    familiar = pipeline.familiar
    for raw in [*raws, *raws]:
        known = familiar.take(raw, RECEIVED)
        if known is None:
            learn(familiar, pipeline, raw)
        else:
            assert destinations_of(known) == list(thorough.take(raw, RECEIVED, None, pipeline.redactor).destinations)


@pytest.mark.parametrize(
    "more",
    [
        pytest.param({"id": "web2"}, id="another minion"),
        pytest.param({"id": "w" * 32}, id="a longer name"),
        pytest.param({"id": "w\N{SNOWMAN}"}, id="another alphabet"),
        pytest.param({"return": {"a": [1, "text", None]}}, id="something else was returned"),
        pytest.param({"_stamp": "2026-01-02T03:04:06.000001"}, id="another time"),
    ],
)
@pytest.mark.parametrize(
    ("zone", "end", "ends"),
    [
        pytest.param("", {}, {}, id="as Salt 3007 has it"),
        pytest.param("+00:00", {"ts": 1767323045}, {"ts": 1767323046}, id="as Salt 3008 has it"),
    ],
)
def test_returns_that_differ_in_what_usually_differs_are_recognized(
    more: dict[str, Any], zone: str, end: dict[str, int], ends: dict[str, int]
) -> None:
    # Given
    pipeline = Pipeline(*PIPELINES[0])
    learn(pipeline.familiar, pipeline, usual(_stamp=TIME + zone, **end))
    raw = usual(**{**more, "_stamp": more.get("_stamp", TIME) + zone}, **ends)

    # When
    known = pipeline.familiar.take(raw, RECEIVED)

    # Then
    assert known is not None
    assert destinations_of(known) == list(
        Thorough(*PIPELINES[0]).take(raw, RECEIVED, None, pipeline.redactor).destinations
    )


@pytest.mark.parametrize(
    "more",
    [
        pytest.param({"id": "web2 "}, id="a blank at the end of a name"),
        pytest.param({"retcode": 1}, id="another code"),
        pytest.param({"fun_args": ["x"]}, id="other arguments"),
        pytest.param({"fun": "test.version"}, id="another function"),
        pytest.param({"cmd": "_minion_event"}, id="what a minion has fired"),
        pytest.param({"_stamp": "2026-01-02T03:04:05"}, id="a time in another form"),
        pytest.param({"_stamp": f"{TIME}+00:00"}, id="a time with its zone"),
        pytest.param({"return": {1: "a"}}, id="a key that is no text"),
        pytest.param({"return": "VALUE_TRIMMED"}, id="what Salt has cut down"),
        pytest.param({"return": "x" * 2000}, id="much"),
        pytest.param({"id": "w" * 256}, id="a very long name"),
    ],
)
def test_anything_else_is_not(more: dict[str, Any]) -> None:
    # Given
    pipeline = Pipeline(*PIPELINES[0])
    learn(pipeline.familiar, pipeline, usual())

    # Then
    assert pipeline.familiar.take(usual(**more), RECEIVED) is None
    assert pipeline.familiar.take(usual(), RECEIVED) is not None


@pytest.mark.parametrize(
    ("more", "is_known"),
    [
        pytest.param({}, True, id="nothing"),
        pytest.param({"return": {"a": ["4711"]}}, True, id="much like it"),
        pytest.param({"return": {"a": ["x 4711-42"]}}, False, id="in a value"),
        pytest.param({"return": {"4711-42": 1}}, False, id="in a key"),
        pytest.param({"id": "web4711-42"}, False, id="in a name"),
        pytest.param({"_stamp": "2026-01-02T03:04:06.471142"}, False, id="in a time"),
        pytest.param({"id": "w=1"}, False, id="perhaps in a tag"),
    ],
)
def test_where_a_pattern_of_the_users_own_may_find_something_nothing_is_recognized(
    more: dict[str, Any], is_known: bool
) -> None:
    # Given
    parts = (PIPELINES[0][0], compile_redactor((), (r"4711-?42$",), {}), _EVERYTHING)
    pipeline = Pipeline(*parts)
    learn(pipeline.familiar, pipeline, usual())

    # When
    known = pipeline.familiar.take(usual(**more), RECEIVED)

    # Then
    assert (known is not None) is is_known
    found = pipeline.take(usual(**more), RECEIVED, None, pipeline.redactor).event
    assert found is not None
    assert b"4711-42" not in found.json()


def test_a_few_that_differ_do_not_make_the_others_unfamiliar() -> None:
    # Given: of a job, one minion in five fails
    pipeline = Pipeline(*PIPELINES[0])
    taken = 0

    # When
    for number in range(1000):
        raw = usual(id=f"w{number}", retcode=0 if number % 5 else 1)
        if pipeline.familiar.take(raw, RECEIVED):
            taken += 1
        else:
            learn(pipeline.familiar, pipeline, raw, times=1)

    # Then
    assert taken > 700


def test_the_third_return_of_a_job_introduces_it() -> None:
    # Given
    pipeline = Pipeline(*PIPELINES[0])
    learn(pipeline.familiar, pipeline, usual())
    found = pipeline.usual(usual(jid=OTHER), RECEIVED)
    assert isinstance(found, Result)
    known = []

    # When
    for _ in range(4):
        known.append(pipeline.familiar.take(usual(jid=OTHER), RECEIVED))
        pipeline.familiar.learn(usual(jid=OTHER), found)

    # Then: no shape had to be learned for it
    assert [one is not None for one in known] == [False, False, False, True]
    assert known[3] is not None
    assert destinations_of(known[3]) == found.destinations
    assert len(pipeline.familiar._shapes) == 1


def test_jobs_that_take_turns_are_both_recognized() -> None:
    # Given
    pipeline = Pipeline(*PIPELINES[0])
    both = [usual(id="web2", jid=jid, fun_args=[jid]) for jid in (JID, OTHER)]

    # When
    for raw in both:
        learn(pipeline.familiar, pipeline, raw)

    # Then
    assert all(pipeline.familiar.take(raw, RECEIVED) for raw in both * 3)


@pytest.mark.parametrize(
    ("number", "places"),
    [
        pytest.param(2, ["history"], id="by a code"),
        pytest.param(4, ["history", "second"], id="to two"),
        pytest.param(5, ["history", "second"], id="by whose it is"),
    ],
)
def test_returns_are_recognized_that_go_to_several_or_by_what_is_known_of_them(number: int, places: list[str]) -> None:
    # Given
    pipeline = Pipeline(*PIPELINES[number])
    learn(pipeline.familiar, pipeline, usual(retcode=1, success=False))

    # When
    known = pipeline.familiar.take(usual(id="web2", retcode=1, success=False), RECEIVED)

    # Then
    assert known is not None
    assert [to.worker for to in known[0]] == places


@pytest.mark.parametrize("number", [3, 6, 7], ids=["by a tag", "by what was returned", "by a field that differs"])
def test_where_more_decides_than_the_function_nothing_is_recognized(number: int) -> None:
    # Given
    pipeline = Pipeline(*PIPELINES[number])
    raw = usual(retcode=1)

    # When
    learn(pipeline.familiar, pipeline, raw)

    # Then
    assert pipeline.take(raw, RECEIVED, None, pipeline.redactor).destinations
    assert pipeline.familiar.take(raw, RECEIVED) is None


def test_shapes_are_learned_seldom_where_none_is_met_again() -> None:
    # Given
    pipeline = Pipeline(*PIPELINES[0])

    # When
    for number in range(60):
        learn(pipeline.familiar, pipeline, usual(fun=f"test.ping{number}", jid=f"202601020304056789{number:02}"))

    # Then
    assert 8 <= len(pipeline.familiar._shapes) <= 10


def test_a_bounded_number_of_shapes_and_jobs_is_remembered() -> None:
    # Given
    pipeline = Pipeline(*PIPELINES[0])

    # When
    for number in range(1500):
        pipeline.familiar._chances.succeeded()
        learn(pipeline.familiar, pipeline, usual(fun=f"test.ping{number}", jid=f"2026010203040567{number:04}"))

    # Then
    assert 20 < len(pipeline.familiar._shapes) <= 64
    assert 400 < len(pipeline.familiar._of_jobs) <= 1000
