"""Templates: names made of events, of which no minion can make another's."""

from __future__ import annotations

import re
from itertools import combinations
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from salt_eventsd.config.language.fields import Facts
from salt_eventsd.config.language.template import compile_template, tame
from salt_eventsd.event.parse import Event
from salt_eventsd.exceptions import Refused
from tests.support.events import MINION, returned

_UNFIT = re.compile(r"[^\w.-]")


def facts(event: Event | None = None) -> Facts:
    return Facts(event or returned(), "master-1")


def test_a_template() -> None:
    template = compile_template("salt:{minion_id}:{data.fun}-{stamp:%Y.%m}:{{x}}:{data.return | json}:{data.fun_args}")

    assert template.render(facts(returned({"a": 1}))) == f'salt:{MINION}:test.ping-2026.01:{{x}}:{{"a":1}}:[]'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("salt:{data.nowhere}", "the event has no data.nowhere", id="missing"),
        pytest.param("{data.id:%Y}", "data.id cannot be formatted with '%Y'; it is str", id="text as a time"),
        pytest.param("{data.fun_args:d}", "data.fun_args cannot be formatted with 'd'; it is list", id="list"),
        pytest.param("{data.retcode:%Y}", "data.retcode cannot be formatted with '%Y'; it is int", id="number"),
        pytest.param("{data.huge:c}", "data.huge cannot be formatted with 'c'; it is int", id="no sign"),
    ],
)
def test_an_event_that_does_not_fit_is_refused_and_its_value_is_not_told(text: str, says: str) -> None:
    template = compile_template(text)

    with pytest.raises(Refused, match=re.escape(says) + r"\Z"):
        template.render(facts(returned(huge=2**40)))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("{minion}", "is no field", id="no field"),
        pytest.param("{}", "is no field", id="nothing in braces"),
        pytest.param("{jid!r}", "!r means nothing here", id="conversion"),
        pytest.param("{jid", "expected '}'", id="open brace"),
    ],
)
def test_what_is_no_template(text: str, says: str) -> None:
    with pytest.raises(ValueError) as caught:
        compile_template(text)

    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("text", "apart"),
    [
        pytest.param("{minion_id}", ["minion_id"], id="one field"),
        pytest.param("{minion_id}-{fun}", ["minion_id", "fun -"], id="the minion's id is whole"),
        pytest.param("{fun}-{minion_id}", ["fun -", "minion_id"], id="wherever it stands"),
        pytest.param("{jid}:{fun}", ["jid :", "fun"], id="else the last"),
        pytest.param("{data.id}:{fun}", ["data.id", "fun :"], id="as the payload has it"),
        pytest.param("{minion_id}/{fun}", ["minion_id", "fun"], id="a slash parts"),
        pytest.param("{master_id}-{stamp:%Y-%m-%d}-{fun}", ["master_id", "stamp", "fun"], id="times are ours"),
        pytest.param("{jid}: {minion_id}{fun}", ["jid  :", "minion_id", "fun  :"], id="both ends of what is between"),
    ],
)
def test_fields_keep_off_what_parts_them(text: str, apart: list[str]) -> None:
    template = compile_template(text)

    found = [f"{field.text} {signs}".rstrip() for (_, field, _), signs in zip(template.parts, template.apart) if field]
    assert found == [one.rstrip() for one in apart]


_TEXTS = st.text("ab-:./~_0\0ü", max_size=6)


@given(_TEXTS, _TEXTS, _TEXTS, _TEXTS)
@example("a", "b-c", "a-b", "c")
@example("a/b", "x", "a_b", "x")
@example("a", "x" * 100, "a", "x" * 101)
@example("a_b", "c", "a", "b_c")
@pytest.mark.parametrize(
    "text", ["{minion_id}-{fun}.jsonl", "{fun}:{minion_id}", "x-{fun}-{minion_id}-y", "{minion_id}_{fun}"]
)
def test_no_two_pairs_have_one_name(text: str, minion: str, fun: str, other: str, another: str) -> None:
    # Given
    template = compile_template(text)

    def name(minion_id: str, function: str) -> str:
        event = Event("tag", 0.0, 0.0, "1", minion_id, function, "job", "ret", b"{}")
        return template.render(facts(event), lambda text, apart: tame(text, _UNFIT, apart, 60))

    # Then
    assert (name(minion, fun) == name(other, another)) == ((minion, fun) == (other, another))


@pytest.mark.parametrize("value", ["a/b", "a_b", "a\0b", "a b", "x" * 60, "x" * 61, "x" * 1_000_000, "", "DB", "db"])
def test_a_name_is_fit_and_short(value: str) -> None:
    made = tame(value, _UNFIT, "", 60)

    assert re.fullmatch(r"[\w.-]{0,60}(~[0-9a-f]{16})?", made)
    assert (made == value) == (re.fullmatch(r"[\w.-]{0,60}", value) is not None)


def test_names_differ() -> None:
    values: list[Any] = ["a/b", "a_b", "a\0b", "a b", "x" * 60, "x" * 61, "x" * 62, "DB", "db", ".", ".."]

    for one, other in combinations(values, 2):
        assert tame(one, _UNFIT, "", 60) != tame(other, _UNFIT, "", 60)


@pytest.mark.parametrize(
    ("text", "name", "could"),
    [
        pytest.param("/x/{minion_id}", "/x/db.1", True, id="another minion's"),
        pytest.param("/x/{minion_id}-{fun}.1", "/x/a-b.1.1", True, id="two fields"),
        pytest.param("/x/{minion_id}-{fun}.1", "/x/ab.1.1", False, id="two fields, and nothing between"),
        pytest.param("/x/{minion_id}.jsonl", "/x/db.jsonl.1", False, id="another ending"),
        pytest.param("/x/{minion_id}.1", "/x/db.1.1", True, id="the same ending"),
        pytest.param("/x/db", "/x/db.1", False, id="constant"),
        pytest.param("/x/{minion_id}", "/x/y/db.1", False, id="another folder"),
    ],
)
def test_whether_a_name_may_be_an_events(text: str, name: str, could: bool) -> None:
    assert compile_template(text).could_be(name) is could
