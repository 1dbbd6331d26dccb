"""Whatever a frame is, the short way of usual returns says of it what the pipeline says that looks at everything."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import msgpack
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from salt_eventsd.config.structs import EventRule, default_events
from salt_eventsd.event.frame import TAG_END
from salt_eventsd.intake.origin import PEER, Addressed, Origins
from salt_eventsd.intake.pipeline import Pipeline
from salt_eventsd.intake.result import Result
from salt_eventsd.redact import compile_redactor
from salt_eventsd.rules.compile import compile_rules
from tests.support.events import JID, MINION, RECEIVED, frame, return_data


class Thorough(Pipeline):
    """A pipeline without the short way."""

    @cached_property
    def usual(self) -> Callable[[bytes, float], Result | None]:
        return lambda raw, received: None


_WORKERS = frozenset(("history", "second"))
_TWO = {
    **default_events("history"),
    "other": EventRule(tag="salt/job/", worker=["history", "second"], into="events", where={"data.retcode": 1}),
    "subs": EventRule(
        tag=r"salt/job/[^/]+/ret/",
        worker="second",
        prio=True,
        subs={"inner": EventRule(fun=r"cmd\.", worker="history", into="events")},
    ),
}
_PIPELINES = [
    (compile_rules(rules), compile_redactor((), (), functions), origins)
    for rules, functions, origins in (
        (default_events("history"), {}, Origins(places=_WORKERS)),
        (_TWO, {"cmd.*": "return"}, Origins("drop", (), _WORKERS, "skip")),
        ({"web": EventRule(tag=r"salt/job/\d+/ret/", minion="web*", worker="history")}, {}, Origins("take")),
        ({"web": EventRule(tag=r"salt/job/\d+/ret/web", worker="history")}, {}, Origins("take")),
    )
]
_PIPELINES += [
    (compile_rules(default_events("history")), compile_redactor((), (one,), {}), Origins(places=_WORKERS))
    for one in ("web", r"\A\w{3}\Z", "2026|_return", "ret/w=")
]
_ODD = st.none() | st.integers(-2, 2**63) | st.floats() | st.text(max_size=3) | st.binary(max_size=3) | st.booleans()
_VALUES = st.recursive(_ODD, lambda some: st.lists(some, max_size=2) | st.dictionaries(_ODD, some, max_size=2))
_FIELDS = st.dictionaries(
    st.sampled_from(["jid", "id", "fun", "cmd", "return", "_stamp", "retcode", "data", "minions", PEER, "x", "x" * 999])
    | st.binary(max_size=2),
    st.sampled_from(
        [
            "",
            JID,
            MINION,
            f"{MINION} ",
            f"{JID} ",
            "_minion_event",
            "runner.jobs.list_jobs",
            "cmd.run",
            "VALUE_TRIMMED",
            ["a.b"],
            1,
        ]
    )
    | _VALUES,
    max_size=4,
)
_PARTS = st.sampled_from([JID, MINION, "salt", "job", "ret", "new", "", "syndic", "x" * 20, "20260102030405/78901"])
_NAMES = ("", "new", "a/b", "\N{SNOWMAN}", "web", "w=1", "m" * 5000)
_TAGS = (
    st.just(f"salt/job/{JID}/ret/{MINION}")
    | st.sampled_from(
        [
            f"salt/job/{JID}/ret/{name}"
            for name in ("", "new", "a/b", f"{MINION} ", "\N{SNOWMAN}", "web", "w=1", "m" * 5000)
        ]
    )
    | st.lists(_PARTS | st.text(max_size=3), max_size=7).map("/".join)
)


def told(pipeline: Pipeline, raw: bytes) -> tuple[str, str]:
    """Return all that a pipeline says of a frame, and what it remembers of it; as text, for NaN is not like itself."""
    addressed = Addressed()
    found = pipeline.take(raw, RECEIVED, addressed, pipeline.redactor)
    return repr(found), repr(addressed._minions._answers)


#: What they remember of one frame must not be wrong of another.
_BOTH = [(Pipeline(*parts), Thorough(*parts)) for parts in _PIPELINES]


def both(raw: bytes) -> None:
    for usual, thorough in _BOTH:
        assert told(usual, raw) == told(thorough, raw)


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_TAGS, _FIELDS, st.sets(st.sampled_from(["return", "jid", "id", "fun", "_stamp", "cmd"]), max_size=2))
def test_the_short_way_says_what_the_long_way_says(tag: str, fields: dict[Any, Any], missing: set[str]) -> None:
    data = {name: value for name, value in {**return_data(), **fields}.items() if name not in missing}

    both(tag.encode() + TAG_END + msgpack.packb(data, use_bin_type=True))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60), st.integers(0, 400), st.booleans())
def test_also_of_what_is_broken(noise: bytes, at: int, is_cut: bool) -> None:
    whole = frame(f"salt/job/{JID}/ret/{MINION}", return_data())

    both(whole[:at] + noise + (b"" if is_cut else whole[at + len(noise) :]))


@pytest.mark.parametrize(
    "raw",
    [
        b"salt/job/a/b/\n\n" + msgpack.packb({"k": "x" * 10 + "/ret/", **return_data(retcode=1)}),
        f"salt/job/{JID}/ret/".encode(),
        b"salt/job/\xff\xff/ret/m\n\n\x80",
        b"salt/job/" + b"\xff" * 20 + b"/ret/\xff\n\n" + msgpack.packb(return_data()),
    ],
)
def test_also_of_tags_that_only_look_usual(raw: bytes) -> None:
    both(raw)


@pytest.mark.parametrize(
    "more",
    [
        {"cmd": "_minion_event"},
        {PEER: "other_master"},
        {"fun": "runner.jobs.list_jobs"},
        {"fun": "cmd.run"},
        {"fun": ["cmd.run", "test.ping"]},
        {"return": {"a": "VALUE_TRIMMED"}},
        {"id": ""},
        {"jid": None},
        {"return": {1: "a", "1": "b"}},
        {"return": b"\xff"},
        {"_stamp": "never"},
        {"retcode": 1},
    ],
)
@pytest.mark.parametrize(
    "tag", [f"salt/job/{JID}/ret/{MINION}", f"salt/job/{JID}/ret/new", "salt/job/20260102030405/78901/ret/m"]
)
def test_also_of_returns_with_one_thing_that_is_odd(tag: str, more: dict[str, Any]) -> None:
    both(frame(tag, {**return_data(minions=[MINION]), **more}))


def test_a_usual_return_goes_the_short_way() -> None:
    pipeline = Pipeline(*_PIPELINES[0])

    found = pipeline.usual(frame(f"salt/job/{JID}/ret/{MINION}", return_data()), RECEIVED)

    assert isinstance(found, Result)
    assert found.event is not None
    assert (found.event.jid, found.event.minion_id, found.event.into) == (JID, MINION, "returns")


@pytest.mark.parametrize("pipelines", _BOTH)
@pytest.mark.parametrize("data", [{"id": f"{MINION} "}, {"jid": f"{JID} "}])
def test_an_id_that_ends_in_a_blank(pipelines: tuple[Pipeline, Pipeline], data: dict[str, str]) -> None:
    raw = frame(f"salt/job/{JID}/ret/{MINION} ", {**return_data(), **data})

    assert told(pipelines[0], raw) == told(pipelines[1], raw)
