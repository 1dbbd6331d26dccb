"""The values of a table's columns and a statement's parameters, from a rule and an event."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from salt_eventsd.config.language.destination import destination_of
from salt_eventsd.config.language.fields import Facts
from salt_eventsd.config.structs import EventRule
from salt_eventsd.exceptions import Refused
from tests.support.events import fired


def row(rule: dict[str, Any], data: Any) -> dict[str, Any]:
    """Return the values a rule makes of an event."""
    destination = destination_of("raid", msgspec.convert(rule, EventRule))
    return destination.row(Facts(fired("company/raid", data), "master-1"))


@pytest.mark.parametrize(
    "rule",
    [
        pytest.param({"table": "t", "columns": {"a": "data.a", "b": "tag", "c": 3, "d": "'x'"}}, id="table"),
        pytest.param(
            {"statement": "CALL p(:a, :b, :c, :d)", "fields": {"a": "data.a", "b": "tag", "c": 3, "d": "'x'"}},
            id="statement",
        ),
    ],
)
def test_values_come_from_the_event_and_the_rule(rule: dict[str, Any]) -> None:
    assert row(rule, {"a": [1]}) == {"a": [1], "b": "company/raid", "c": 3, "d": "x"}


@pytest.mark.parametrize("missing", [None, "null"])
def test_a_missing_field_is_null(missing: str | None) -> None:
    rule = {"table": "t", "columns": {"a": "data.a", "b": "data.b"}, "missing": missing}

    assert row(rule, {"b": 1}) == {"a": None, "b": 1}


def test_a_missing_field_refuses_the_event_if_the_rule_says_so() -> None:
    rule = {"table": "t", "columns": {"a": "data.a.b", "c": None}, "missing": "refuse"}

    with pytest.raises(Refused, match=r"the event has no data\.a\.b"):
        row(rule, {"a": {}})
    assert row(rule, {"a": {"b": None}}) == {"a": None, "c": None}


def test_an_event_without_a_jid_has_none() -> None:
    rule = {"table": "t", "columns": {"jid": "jid", "minion": "minion_id", "fun": "fun", "kind": "kind"}}

    assert row(rule, {}) == {"jid": None, "minion": None, "fun": None, "kind": None}
    with pytest.raises(Refused, match="the event has no jid"):
        row({**rule, "missing": "refuse"}, {})


def test_what_is_compiled_of_a_rule() -> None:
    rule = {"table": "s.t", "columns": {"a": "data.a", "b": "now"}, "upsert": ["a"], "missing": "refuse"}

    made = destination_of("raid", msgspec.convert(rule, EventRule))

    assert (made.name, made.table, made.statement, made.upsert, made.refuses) == ("raid", "s.t", "", ("a",), True)
