"""What an event costs from the bus to the spool grows with its bytes and no faster, whatever a minion puts into it."""

from __future__ import annotations

import itertools
import logging
import tracemalloc
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salt_eventsd.config.language.destination import destination_of
from salt_eventsd.config.language.fields import Facts
from salt_eventsd.config.language.template import compile_template
from salt_eventsd.config.load import load
from salt_eventsd.config.structs import EventRule
from salt_eventsd.database.dialects import SQLite
from salt_eventsd.database.rows import RowBuilder
from salt_eventsd.event import parse as events
from salt_eventsd.event.clip import LONGEST_NAME, LONGEST_TAG
from salt_eventsd.event.codec import decode, encode
from salt_eventsd.event.frame import Frame, read_tag
from salt_eventsd.event.parse import Event
from salt_eventsd.intake.pipeline import Pipeline, pipeline_of
from salt_eventsd.intake.withheld import TooMuch, unpack
from salt_eventsd.operate.tap import Explainer, Filter
from salt_eventsd.rules.compile import compile_rules
from salt_eventsd.rules.match import Rules
from tests.support.events import MINION, raw_frame, return_data, returned
from tests.support.growth import assert_linear, cpu_seconds

pack = msgspec.msgpack.encode
RULES = {
    "some": EventRule(tag="x", worker="w", where={"data.return.a": {"match": "(a|b)*c"}}),
    "all": EventRule(tag="x", worker="w"),
}
PIPELINE = Pipeline(compile_rules(RULES), pipeline_of(load({})).redactor)


def take(raw: bytes) -> None:
    """Do with an event what the intake does before it keeps it."""
    for _, event in PIPELINE.take(raw, 0.0).destinations:
        event.json()


def of_lists(keys: int) -> bytes:
    """A mapping whose keys are lists of numbers that all hash alike."""
    length = max(1, (keys - 1).bit_length())
    chosen = itertools.islice(itertools.product(b"\xff\xfe", repeat=length), keys)
    return b"\xdf" + keys.to_bytes(4, "big") + b"".join(b"\xdc\x00%c%s\x01" % (length, bytes(one)) for one in chosen)


TAGS = {
    "syndics": "syndic/a/",
    "half a syndic": "syndic/",
    "slashes": "/",
    "jobs": "salt/job/1/ret/",
    "odd letters": "\u0141\udcff",
    "blanks": " ",
}


@pytest.mark.parametrize("unit", [pytest.param(unit, id=name) for name, unit in TAGS.items()])
def test_a_tag_is_read_and_matched_in_a_time_like_its_bytes(unit: str) -> None:
    rules = compile_rules({"a": EventRule(tag=r"salt/job/\d+/ret/", worker="w"), "b": EventRule(tag_glob="*a*b*c*d")})

    def step(raw: bytes) -> None:
        head = read_tag(raw, 0.0)
        events.identity({}, head.tag)
        rules.candidates(head.tag, head.full_tag).routes(head.tag, "", {}, head.full_tag)

    assert_linear(step, lambda size: raw_frame((unit * (size // len(unit))).encode("utf-8", "surrogatepass"), b"\x80"))


def test_a_tag_of_megabytes_is_clipped_and_still_unlike_others() -> None:
    one, other = (read_tag(raw_frame("x/" * 2**20 + end, b"\x80"), 0.0).tag for end in "ab")

    assert len(one) == LONGEST_TAG
    assert one.startswith("x/x/")
    assert one != other


PAYLOADS: dict[str, Callable[[int], bytes]] = {
    "text": lambda size: pack({"fun": "cmd.run", "return": "a" * size}),
    "not UTF-8": lambda size: b"\x81\xa1a\xdb" + size.to_bytes(4, "big") + b"\xff" * size,
    "backslashes": lambda size: pack({"return": "\\" * size}),
    "lone surrogates": lambda size: (
        b"\x81\xa1a\xdb" + (size // 3 * 3).to_bytes(4, "big") + b"\xed\xb0\x80" * (size // 3)
    ),
    "empty lists": lambda size: b"\xdd" + size.to_bytes(4, "big") + b"\x90" * size,
    "empty mappings": lambda size: b"\xdd" + size.to_bytes(4, "big") + b"\x80" * size,
    "nested": lambda size: b"\x91" * size + b"\xc0",
    "nested mappings": lambda size: b"\x81\x01" * (size // 2) + b"\xc0",
    "keys that are lists": lambda size: of_lists(size // 12),
    "keys that are numbers": lambda size: pack({number << 40: 1 for number in range(size // 10)}),
    "keys that are floats": lambda size: pack(
        {2.0**-number * other: 1 for number in range(61) for other in range(size // 610)}
    ),
    "functions": lambda size: pack({"fun": ["a"] * (size // 2)}),
    "a function": lambda size: pack({"fun": "a," * (size // 2)}),
    "an id": lambda size: pack({"id": "a" * size, "jid": "1" * size}),
    "a stamp": lambda size: pack({"_stamp": "2" * size}),
    "numbers": lambda size: pack([2**63] * (size // 9)),
    "floats": lambda size: (
        b"\xdd" + (size // 9).to_bytes(4, "big") + b"\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00" * (size // 9)
    ),
    "times of Salt": lambda size: b"\xdd" + (size // 3).to_bytes(4, "big") + b"\xc7\x00\x4e" * (size // 3),
    "trimmed": lambda size: pack(
        {"a": ["VALUE_TRIMMED"] * (size // 14), "return": {str(n): {} for n in range(size // 14)}}
    ),
    "no MessagePack": lambda size: b"\xc1" * size,
}


@pytest.mark.parametrize("make", [pytest.param(make, id=name) for name, make in PAYLOADS.items()])
def test_a_payload_is_read_and_built_in_a_time_like_its_bytes(make: Callable[[int], bytes]) -> None:
    rules = compile_rules(
        {
            "a": EventRule(tag="x", worker="w", fun=r"state\.", ignore=("a*a*a*a*b", "saltutil.*"), minion="*a*b*c"),
            "b": EventRule(
                tag="x", worker="w", where={"data.return.a.b": {"match": ".*a.*b"}, "jid": {"glob": "*1*2"}}
            ),
        }
    )

    def step(payload: bytes) -> None:
        head = read_tag(raw_frame("x", payload), 0.0)
        data = decode(payload)
        fun = events.function_of(data)
        rules.candidates("x", "x").routes("x", fun, data, "x")
        events.build(head, data, fun).json()

    assert_linear(step, make, smallest=2**13)


def test_keys_that_hash_alike_cost_no_minutes() -> None:
    assert cpu_seconds(decode, of_lists(2**14)) < 1.0


def test_few_lists_as_keys_are_still_text() -> None:
    assert encode(decode(of_lists(2))) in (b'{"[-1]":1,"[-2]":1}', b'{"[-1]": 1, "[-2]": 1}')


def test_ids_of_megabytes_are_clipped() -> None:
    jid, minion_id, _, _ = events.identity({"jid": "1" * 2**20, "id": "m" * 2**20}, "x")

    assert (len(jid), len(minion_id)) == (LONGEST_NAME, LONGEST_NAME)


def remembered_bytes(rules: Rules) -> int:
    return rules._answers._bytes + rules._known._bytes


@pytest.mark.parametrize(
    "rule",
    [
        pytest.param({}, id="by function"),
        pytest.param({"where": {"minion_id": {"glob": "*"}}}, id="by minion"),
        pytest.param({"where": {"data.return": {"exists": True}}}, id="by what never repeats"),
    ],
)
def test_names_that_a_minion_makes_up_are_remembered_within_bounds(rule: dict[str, Any]) -> None:
    # Given
    rules = compile_rules({"r": msgspec.convert({"tag": "x", "worker": "w", **rule}, EventRule)})

    # When
    for number in range(60_000):
        fun = f"{number}{'f' * (200 if number % 100 else 100_000)}"
        data = return_data(fun, minion_id=f"{MINION}{fun}", fun=fun)
        assert rules.candidates("x", "x").routes("x", fun, data, "x")

    # Then
    assert remembered_bytes(rules) <= 16 * 2**20
    assert len(rules._answers) < 20_000


@pytest.mark.parametrize(
    "rule",
    [
        pytest.param({"tag": r"(x+x+)+y"}, id="tag"),
        pytest.param({"tag": "x", "fun": r"(x+x+)+y"}, id="fun"),
        pytest.param({"tag": "x", "where": {"data.return": {"match": r"(x+x+)+y"}}}, id="where"),
        pytest.param({"tag": "x", "unless": {"data.return": {"match": r"(x+x+)+y"}}}, id="unless"),
    ],
)
def test_an_expression_that_explodes_takes_no_event_and_is_told_once(
    rule: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    # Given
    text = "x" * 5000
    given = {"bad": {"worker": "w", **rule}, "good": {"tag": "x", "worker": "v"}}
    rules = compile_rules({name: msgspec.convert(one, EventRule) for name, one in given.items()})
    data = return_data(text, fun=text)

    # When
    with caplog.at_level(logging.ERROR):
        found = [rules.candidates(text, text).routes(text, text, data, text) for _ in range(3)]

    # Then
    assert [[route.rule for route in routes] for routes in found] == [["good"]] * 3
    assert rules.undecided.events == {"bad": 3}
    [told] = [record.getMessage() for record in caplog.records]
    assert told.startswith("eventsd: events.bad: ")


RETURNS: dict[str, Callable[[int], Any]] = {
    "text": lambda size: "a" * size,
    "digits": lambda size: "9" * size,
    "lines": lambda size: "a\n" * (size // 2),
    "quotes": lambda size: '"' * size,
    "slashes and dots": lambda size: "../" * (size // 3),
    "braces": lambda size: "{x}" * (size // 3),
    "lists": lambda size: [[]] * (size // 3),
    "pairs": lambda size: {str(number): number for number in range(size // 12)},
    "states": lambda size: {f"a_|-{number}_|-b_|-c": {} for number in range(size // 20)},
    "states with the same number": lambda size: {
        f"a_|-{number}_|-b_|-c": {"__run_num__": 7} for number in range(size // 40)
    },
    "states with numbers ahead": lambda size: {
        f"a_|-{number}_|-b_|-c": {"__run_num__": number + size // 80 if number < size // 80 else None}
        for number in range(size // 40)
    },
    "a state of many parts": lambda size: {"a" + "_|-" * (size // 3): {"comment": ["x"] * 10}},
    "a comment of many lines": lambda size: {"a_|-b_|-c_|-d": {"comment": ["x"] * (size // 4), "duration": "1" * 100}},
    "a duration": lambda size: {"a_|-b_|-c_|-d": {"duration": "9" * size, "name": "n" * 10}},
}


@pytest.mark.parametrize("make", [pytest.param(make, id=name) for name, make in RETURNS.items()])
@pytest.mark.parametrize("fun", ["cmd.run", "state.apply"])
def test_rows_are_made_in_a_time_like_a_returns_bytes(make: Callable[[int], Any], fun: str) -> None:
    builder = RowBuilder("master", SQLite())

    assert_linear(builder.rows, lambda size: returned(make(size), fun=fun), smallest=2**13)


#: What a rule of the user's own, and names that workers make, can ask of an event.
OWN = {
    "tag": "tag",
    "whole": "data",
    "text": "data | json",
    "value": "data.return",
    "deep": 'data.return.a."b c".0.x',
    "json": "data.return | json",
    "when": "stamp",
}


@pytest.mark.parametrize("make", [pytest.param(make, id=name) for name, make in RETURNS.items()])
def test_own_fields_and_templates_cost_a_time_like_an_events_bytes(make: Callable[[int], Any]) -> None:
    rule = EventRule(table="t", columns=OWN, worker="w")
    destination = destination_of("r", rule)
    template = compile_template("salt.{minion_id}.{data.return}.{data.fun_args}.{stamp:%Y}")

    def step(event: Event) -> None:
        destination.row(Facts(event, "master"))
        template.render(Facts(event, "master"))

    assert_linear(step, lambda size: returned(make(size)), smallest=2**13)


@pytest.mark.parametrize(
    "name", ["text", "not UTF-8", "empty lists", "nested", "keys that are lists", "functions", "a function"]
)
def test_the_tap_and_rule_tests_cost_a_time_like_an_events_bytes(name: str) -> None:
    # Given
    config = load({"eventsd": {"events": {"all": {"tag": ".", "worker": "history"}}}})
    explainer = Explainer(config)
    shown = Filter(tag="*a*b*c*d", fun="*a*b*c*d", minion="a*a*a*b", worker="*", rule="*")

    def step(raw: bytes) -> None:
        shown.shows(explainer.explain(raw, 0.0))

    # Then
    assert_linear(step, lambda size: raw_frame("x/" * min(size, 2000), PAYLOADS[name](size)), smallest=2**13)


@settings(max_examples=settings.default.max_examples // 5)
@given(data=st.data())
def test_a_megabyte_of_anything_costs_less_than_half_a_second(data: st.DataObject) -> None:
    # Given: something small of any shape, many times
    leaf = (
        st.none()
        | st.booleans()
        | st.integers(-(2**63), 2**64 - 1)
        | st.floats()
        | st.text(max_size=4)
        | st.binary(max_size=4)
    )
    keys = st.text(max_size=4) | st.integers(0, 2**64 - 1) | st.floats() | st.booleans()
    unit = data.draw(
        st.recursive(leaf, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3))
    )
    packed = pack(unit)
    count = 2**20 // len(packed) + 1
    payload = b"\x82\xa3fun\xa1f\xa6return\xdd" + count.to_bytes(4, "big") + packed * count

    # Then
    assert cpu_seconds(take, raw_frame("x", payload), 2) < 0.5


def test_a_payload_of_nothing_but_brackets_takes_no_memory() -> None:
    # Given
    count = 10 * 2**20
    heavy = Frame("x", "x", b"\xdd" + count.to_bytes(4, "big") + b"\x90" * count, 0.0)
    tracemalloc.start()

    # When
    try:
        with pytest.raises(TooMuch):
            unpack(heavy)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    # Then
    assert peak < 2 * count


@pytest.mark.parametrize("kind", [b"\x90", b"\x80", b"\x91\x01", b"\xa1a", b"\xcd\x01\x00", b"\x91\x91\x91\xc0"])
def test_the_memory_of_a_payload_is_bounded_by_its_bytes(kind: bytes) -> None:
    # Given
    peaks = []
    for count in (10_000, 100_000, 1_000_000, 4_000_000):
        payload = b"\xdd" + count.to_bytes(4, "big") + kind * count

        # When
        tracemalloc.start()
        try:
            data = unpack(Frame("x", "x", payload, 0.0))[0]
            del data
        except TooMuch:
            pass
        finally:
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()

    # Then
    assert max(peaks) < 48 * 2**20
