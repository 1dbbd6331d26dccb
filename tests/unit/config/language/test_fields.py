"""What an expression means of an event."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from salt_eventsd.config.language.fields import (
    EARLY_ROOTS,
    MISSING,
    ROOTS,
    Constant,
    Facts,
    as_text,
    compile_field,
    compile_value,
    dig,
)
from salt_eventsd.event import parse as events
from salt_eventsd.event.parse import Event
from tests.support.events import JID, MINION, RECEIVED, STAMP_SECONDS, fired, returned

PAYLOAD = {"a.b": {"c d": [10, {"x": None}]}, "n": 0, "e": "", "0": "zero", "deep": {"list": ["a", ["b"]]}}


def facts(event: Event | None = None) -> Facts:
    return Facts(event or fired("company/alarm", PAYLOAD), "master-1")


def value(text: str, event: Event | None = None) -> Any:
    return compile_field(text).of(facts(event))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("data.n", 0, id="a key"),
        pytest.param("data.e", "", id="empty text is there"),
        pytest.param('data."a.b"."c d".0', 10, id="quoted keys and a position"),
        pytest.param("data.'a.b'.'c d'.0", 10, id="single quotes"),
        pytest.param('data."a.b"."c d".1.x', None, id="null is there"),
        pytest.param("data.0", "zero", id="a key that looks like a position"),
        pytest.param("data.deep.list.1.0", "b", id="positions in positions"),
        pytest.param("  data.n  ", 0, id="blanks around it"),
        pytest.param("data.deep.list.2", MISSING, id="beyond the end"),
        pytest.param("data.deep.list.-1", MISSING, id="no positions from the end"),
        pytest.param("data.deep.list.x", MISSING, id="no key of a list"),
        pytest.param("data.n.x", MISSING, id="below a number"),
        pytest.param("data.e.0", MISSING, id="below text"),
        pytest.param("data.nowhere", MISSING, id="no such key"),
        pytest.param("data.nowhere | json", MISSING, id="no such key, as JSON"),
        pytest.param("data.return", MISSING, id="no return"),
        pytest.param("data.return | json", MISSING, id="no return, as JSON"),
        pytest.param("data.return.x", MISSING, id="below no return"),
        pytest.param("data.deep | json", '{"list":["a",["b"]]}', id="as JSON"),
        pytest.param("data.e|json", '""', id="text as JSON"),
        pytest.param('data."a.b"."c d".1.x | json', "null", id="null as JSON"),
        pytest.param("tag", "company/alarm", id="tag"),
        pytest.param("jid", "", id="no jid"),
        pytest.param("master_id", "master-1", id="master_id"),
    ],
)
def test_a_field_of_an_event(text: str, expected: Any) -> None:
    found = value(text)

    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("jid", JID, id="jid"),
        pytest.param("minion_id", MINION, id="minion_id"),
        pytest.param("fun", "test.ping", id="fun"),
        pytest.param("kind", "job", id="kind"),
        pytest.param("phase", "ret", id="phase"),
        pytest.param("data.return.a.0", 1, id="below the return"),
        pytest.param("data.return", {"a": [1]}, id="the return"),
        pytest.param("data.return | json", '{"a":[1]}', id="the return as JSON"),
        pytest.param("data.return.a | json", "[1]", id="below the return, as JSON"),
        pytest.param("data.retcode", 0, id="beside the return"),
        pytest.param("stamp", datetime.fromtimestamp(STAMP_SECONDS, timezone.utc), id="stamp"),
        pytest.param("received", datetime.fromtimestamp(RECEIVED, timezone.utc), id="received"),
        pytest.param("now", datetime.fromtimestamp(RECEIVED, timezone.utc), id="now is when it was read"),
        pytest.param("rule", "returns.subs.raid", id="rule"),
    ],
)
def test_a_field_of_a_return(text: str, expected: Any) -> None:
    event = events.for_route(returned({"a": [1]}), "returns.subs.raid", "own")

    assert value(text, event) == expected


def test_the_whole_payload_holds_the_return() -> None:
    event = returned([1])

    assert value("data", event)["return"] == [1]
    assert value("data", event) == event.data
    assert value("data | json", event) == event.json().decode()


@pytest.mark.parametrize("data", [pytest.param([1, {"a": 2}], id="a list"), pytest.param("text", id="text"), 7, None])
def test_a_payload_that_is_no_mapping(data: Any) -> None:
    event = fired("company/alarm", data)

    assert value("data", event) == data
    assert value("data.a", event) is MISSING
    assert value("data.return", event) is MISSING
    assert value("data.1.a", event) == (2 if isinstance(data, list) else MISSING)


def test_large_numbers_stay_what_they_are() -> None:
    event = fired("company/alarm", {"n": 2**64 - 1, "m": {"k": -(2**63)}})

    assert value("data.n", event) == 2**64 - 1
    assert value("data.m | json", event) == f'{{"k":{-(2**63)}}}'


def test_missing_is_not_null_and_not_true() -> None:
    assert MISSING is not None
    assert not MISSING
    assert repr(MISSING) == "missing"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param((), {"a": ({"b": 1},)}, id="nothing to dig"),
        pytest.param(("a", "0", "b"), 1, id="tuples are lists"),
        pytest.param(("a", "00"), {"b": 1}, id="zeros in front"),
        pytest.param(("a", "\N{SUPERSCRIPT TWO}"), MISSING, id="a digit that is no position"),
    ],
)
def test_digging(path: tuple[str, ...], expected: Any) -> None:
    assert dig({"a": ({"b": 1},)}, path) == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("", "'' is no field; expected one of data, tag, ", id="empty"),
        pytest.param("dat.id", "'dat.id' is no field; expected one of data, tag, ", id="misspelt"),
        pytest.param("raid ok", "'raid ok' is no field; ", id="plain text"),
        pytest.param("data.a b", "a key with dots or spaces stands in quotes", id="a blank in a key"),
        pytest.param("data.", "'data.' is no field; ", id="nothing behind the dot"),
        pytest.param("data..a", "'data..a' is no field; ", id="nothing between dots"),
        pytest.param('data."a', "is no field; ", id="an open quote"),
        pytest.param("data[0]", "is no field; ", id="brackets"),
        pytest.param("minion_id.x", "'minion_id.x': only data has fields of its own", id="below a text"),
        pytest.param("data.a | yaml", "'data.a | yaml': no filter 'yaml'; there is json", id="filter"),
        pytest.param("data.a | json | json", "is no field; ", id="two filters"),
        pytest.param("data.a |", "is no field; ", id="no filter"),
        pytest.param("DATA.a", "is no field; ", id="upper case"),
    ],
)
def test_what_is_no_field(text: str, says: str) -> None:
    with pytest.raises(ValueError) as caught:
        compile_field(text)

    assert says in str(caught.value)


@pytest.mark.parametrize("root", sorted(set(ROOTS) - set(EARLY_ROOTS)))
def test_what_is_not_known_early(root: str) -> None:
    assert compile_field(root).root == root
    with pytest.raises(ValueError, match="is no field"):
        compile_field(root, EARLY_ROOTS)


@pytest.mark.parametrize(
    ("given", "constant"),
    [
        pytest.param(0, 0, id="number"),
        pytest.param(None, None, id="null"),
        pytest.param(True, True, id="true"),
        pytest.param([1, 2], [1, 2], id="list"),
        pytest.param("'raid'", "raid", id="single quotes"),
        pytest.param('"raid"', "raid", id="double quotes"),
        pytest.param("''", "", id="empty"),
        pytest.param("'data.id'", "data.id", id="like a field"),
        pytest.param(" 'a b' ", "a b", id="blanks around the quotes"),
        pytest.param("'say \"x\"'", 'say "x"', id="quotes in quotes"),
    ],
)
def test_constants(given: Any, constant: Any) -> None:
    assert compile_value(given) == Constant(constant)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        pytest.param("text", "text", id="text"),
        pytest.param(True, "true", id="true"),
        pytest.param(None, "null", id="null"),
        pytest.param(1.5, "1.5", id="number"),
        pytest.param({"a": "ä"}, '{"a":"ä"}', id="mapping"),
        pytest.param(datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc), "2026-01-02 03:04:05.000000", id="time"),
    ],
)
def test_values_as_text(given: Any, text: str) -> None:
    assert as_text(given) == text
