"""Whatever a minion sends, a name or a document made of it costs a time in proportion to its bytes, and is bounded."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from salt_eventsd.backends.file import worker as file
from salt_eventsd.backends.graphite import carbon
from salt_eventsd.backends.mongo.documents import Documents, fit_collection
from salt_eventsd.backends.nats.message import fit_subject
from salt_eventsd.backends.redis import commands as redis
from salt_eventsd.backends.shape import document, envelope, event_id, fit_index
from salt_eventsd.backends.stats.numbers import numbers
from salt_eventsd.config.language.fields import Facts
from salt_eventsd.config.language.template import compile_template
from salt_eventsd.event.parse import Event
from salt_eventsd.exceptions import Refused
from tests.support.events import returned
from tests.support.growth import assert_linear

#: What names are made of, again and again.
_PIECES = ["a", "..a", "$/", "~", "ü", " \n\0*"]
_NAMES: dict[str, Callable[[str], object]] = {
    "index": fit_index,
    "collection": fit_collection,
    "subject": lambda text: _subject(text),
    "path": lambda text: _rendered("/x/{minion_id}-{fun}.jsonl", text, file.clean),
    "key": lambda text: _rendered("{jid}:{minion_id}:{fun}", text, redis.clean),
    "metric": lambda text: _rendered("salt.{fun}.{minion_id}", text, carbon.clean),
    "could-be": lambda text: compile_template("/x/{minion_id}-{fun}-{jid}.1").could_be(f"/x/{text}"),
}


def _subject(text: str) -> str:
    try:
        return fit_subject(text)
    except Refused:
        return ""


def _event(**fields: Any) -> Event:
    return msgspec.structs.replace(returned(), **fields)


def _rendered(template: str, text: str, clean: Any) -> str:
    facts = Facts(_event(minion_id=text, fun=text, jid=text), "master-1")
    return compile_template(template).render(facts, clean)


@pytest.mark.parametrize("step", [pytest.param(step, id=name) for name, step in _NAMES.items()])
@pytest.mark.parametrize("piece", _PIECES)
def test_a_name_of_a_minions_costs_as_much_as_it_is_long(step: Callable[[str], object], piece: str) -> None:
    assert_linear(step, lambda size: piece * (size // len(piece)))


@pytest.mark.parametrize("name", ["index", "collection", "subject", "path", "key", "metric"])
@pytest.mark.parametrize("piece", _PIECES)
def test_a_name_of_a_minions_is_short_and_plain(name: str, piece: str) -> None:
    made = str(_NAMES[name](piece * (1_000_000 // len(piece))))

    assert len(made.encode()) < 4000
    assert not re.search(r"[\x00-\x1f\x7f]", made)


def _wide(size: int) -> dict[str, Any]:
    return {f"a.b_{number}$": number for number in range(size // 16)}


def _deep(size: int) -> dict[str, Any]:
    made: dict[str, Any] = {"n": 1}
    for _ in range(min(size // 6, 200)):
        made = {"a": made}
    return {"list": [made] * (size // 1200 + 1)}


def _lists(size: int) -> dict[str, Any]:
    return {"return": [[number, "x", None] for number in range(size // 12)]}


def _huge(size: int) -> dict[str, Any]:
    return {"return": [2**70] * (size // 22)}


_STEPS: dict[str, Callable[[Event], object]] = {
    "document": lambda event: document(event, "master-1", False),
    "document-deep": lambda event: document(event, "master-1", True),
    "mongo": lambda event: Documents("master-1").make(event, "id"),
    "envelope": lambda event: envelope(event, "master-1"),
    "id": event_id,
    "numbers": lambda event: list(numbers(event.data)),
}


@pytest.mark.parametrize("step", [pytest.param(step, id=name) for name, step in _STEPS.items()])
@pytest.mark.parametrize("make", [_wide, _deep, _lists, _huge])
def test_a_document_costs_as_much_as_its_event_is_large(
    step: Callable[[Event], object], make: Callable[[int], dict[str, Any]]
) -> None:
    def event(size: int) -> Event:
        data = make(size)
        return returned(data.pop("return", True), **data)

    assert_linear(step, event, largest=2**17)


def test_numbers_at_any_depth_cost_no_stack() -> None:
    inside: Any = 1
    for _ in range(100_000):
        inside = {"a": inside}

    assert list(numbers({"n": 2, "deep": inside})) == [(("n",), 2.0)]


def test_keys_that_become_one_lose_no_value() -> None:
    given = {"a.b": 1, "a_b": 2, "a..b": 3, "a__b": 4, "": 5, "_": 6}

    data = msgspec.json.decode(document(returned(**given), "m", False))["data"]

    assert set(given.values()) <= {value for value in data.values() if isinstance(value, int)}
