"""Whatever is in an event fits: as a document, as the name of an index or a collection, as a subject."""

from __future__ import annotations

import json
import re
from typing import Any

import bson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from salt_eventsd.backends.mongo.documents import Documents, fit_collection
from salt_eventsd.backends.nats.message import fit_subject, widest
from salt_eventsd.backends.shape import document, fit_index
from salt_eventsd.config.language.template import compile_template
from salt_eventsd.event.codec import encode
from tests.support.events import fired

_PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
_PAYLOADS = st.recursive(
    _PLAIN, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=20
)
_NAMES = st.text() | st.text("ab.$*> _-/\\\0\n#,A", min_size=1)


def _mappings(value: Any) -> list[dict[str, Any]]:
    inner = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    return [*([value] if isinstance(value, dict) else []), *(found for one in inner for found in _mappings(one))]


@given(_PAYLOADS)
def test_any_payload_becomes_a_document_of_mongodb(payload: Any) -> None:
    # When
    made = bson.decode(Documents("master").make(fired("company/alarm", payload), "id").raw)

    # Then
    keys = [key for one in _mappings(made["data"]) for key in one]
    assert not [key for key in keys if "." in key or key.startswith("$") or "\0" in key]


@given(_PAYLOADS)
def test_any_payload_becomes_a_document_of_an_index(payload: Any) -> None:
    # When
    event = fired("company/alarm", payload)
    line = document(event, "master", deep=False)
    data = json.loads(line)["data"]

    # Then: in one line, flat, and nothing is missing
    assert b"\n" not in line
    assert not [value for value in data.values() if isinstance(value, (dict, list))]
    if not isinstance(event.data, dict):
        assert json.loads(data["value"]) == event.data
    elif "return" in event.data:
        assert json.loads(data["return"]) == event.data["return"]


@given(_PAYLOADS)
def test_a_payload_is_kept_whole_where_that_is_wanted(payload: Any) -> None:
    event = fired("company/alarm", payload)

    assert json.loads(document(event, "master", deep=True))["data"] == json.loads(encode(event.data))


@given(_NAMES)
def test_any_text_becomes_the_name_of_an_index(text: str) -> None:
    name = fit_index(text)

    assert 0 < len(name.encode()) <= 255
    assert name == name.lower()
    assert not re.search(r'[\\/*?"<>| ,#:]', name)
    assert not name.startswith(("-", "_", "+", "."))


@given(_NAMES)
@example("..system.users")
def test_any_text_becomes_the_name_of_a_collection(text: str) -> None:
    name = fit_collection(text)

    assert 0 < len(name.encode()) <= 120
    assert not set("$\0") & set(name)
    assert not name.startswith((".", "system."))
    assert not name.endswith(".")
    assert ".." not in name


@given(_NAMES)
def test_any_text_becomes_a_subject(text: str) -> None:
    subject = fit_subject(text)

    assert all(subject.split("."))
    assert not re.search(r"[\s\0*>]", subject)
    assert not subject.startswith("$")


@pytest.mark.parametrize(
    ("template", "subject"),
    [
        pytest.param("salt.events", "salt.events", id="constant"),
        pytest.param("salt.{fun}", "salt.>", id="field"),
        pytest.param("salt.jobs-{fun}.new", "salt.>", id="field-in-a-token"),
        pytest.param("{fun}", ">", id="field-alone"),
    ],
)
def test_a_stream_is_made_for_what_a_subject_can_become(template: str, subject: str) -> None:
    assert widest(compile_template(template)) == subject
