"""What spares a walk through a payload some steps changes nothing of what it finds."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from salt_eventsd.event.codec import decode, decode_as_texts, encode
from salt_eventsd.redact import Redactor, compile_redactor, structure
from salt_eventsd.redact.inside import Inside
from tests.support.secrets import CANARY, TEXTS

_REDACTORS = (compile_redactor((), (), {}), compile_redactor(("colour",), (r"blue\d+",), {}))
_TEXT = (
    st.sampled_from([text.replace("@@", CANARY) for text in TEXTS.values()])
    | st.sampled_from(
        ["up", "name", "password", "colour", "blue7", "Secret", "kind", "data", "curl", "-u", "bob:x", "key"]
    )
    | st.text(max_size=4)
)
_VALUES = st.recursive(
    _TEXT | st.none() | st.integers(0, 9) | st.binary(max_size=4) | st.just(b"password=hunter2"),
    lambda some: (
        st.lists(some, max_size=4) | st.dictionaries(_TEXT | st.binary(max_size=3) | st.just(1), some, max_size=4)
    ),
    max_leaves=30,
)
_PAYLOADS = st.dictionaries(st.sampled_from(["return", "fun_args", "id", "data", "x", "password"]), _VALUES)


def _told(redactor: Redactor, data: Any) -> bytes:
    return encode(redactor.apply(data, ""))


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=_PAYLOADS, redactor=st.sampled_from(_REDACTORS))
def test_mappings_with_nothing_odd_in_them_are_what_a_look_at_each_makes_of_them(
    monkeypatch: pytest.MonkeyPatch, data: dict[str, Any], redactor: Redactor
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(structure, "_FEW_TEXTS", 0)
        found = _told(redactor, data)
        patch.setattr(Inside, "without", lambda self, odd: frozenset())
        assert _told(redactor, data) == found


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=_PAYLOADS, redactor=st.sampled_from(_REDACTORS))
def test_that_a_return_comes_last_changes_nothing_of_what_is_masked(data: dict[str, Any], redactor: Redactor) -> None:
    payload = msgpack.packb(data, use_bin_type=True)

    one, other = redactor.apply(decode(payload), ""), redactor.apply(decode_as_texts(payload)[0], "")

    assert one == other
    assert [key for key in one if key != "return"] == [key for key in other if key != "return"]


def test_the_mappings_without_a_text_are_told() -> None:
    plain, odd = {"a": "up"}, {"a": ["down"]}

    assert Inside({"x": plain, "y": odd, "z": 1}).without({"down"}) == {id(plain)}
    assert Inside({"x": plain, "y": odd}).without({"x"}) == {id(plain), id(odd)}
    assert Inside({"x": plain, "y": b"\xff"}).without({"down"}) == frozenset()
