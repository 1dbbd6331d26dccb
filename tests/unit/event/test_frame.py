"""Frames: what is packed by the engine itself is read as what Salt packs."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime, timezone
from typing import Any

import pytest
import salt.payload

from salt_eventsd.event.codec import decode
from salt_eventsd.event.frame import Frame, pack_frame, read_tag, syndics_of
from tests.support.events import JID, MINION, job_data, return_data


@pytest.mark.parametrize(
    ("tag", "data"),
    [
        pytest.param(f"salt/job/{JID}/new", job_data(), id="a job"),
        pytest.param(f"syndic/eu/salt/job/{JID}/ret/{MINION}", return_data({"a": [1, None, 2.5]}), id="a return"),
        pytest.param("company/door", {}, id="nothing in it"),
        pytest.param("", "text", id="a text, without a tag"),
    ],
)
def test_a_frame_of_our_own_is_the_one_that_salt_makes(tag: str, data: Any) -> None:
    raw = pack_frame(tag, data)

    assert raw == tag.encode() + b"\n\n" + salt.payload.dumps(data, use_bin_type=True)
    frame = read_tag(raw, 1.5)
    assert (frame.full_tag, decode(frame.payload), frame.received) == (tag, data, 1.5)


def nested(levels: int) -> list[Any]:
    made: list[Any] = []
    for _ in range(levels):
        made = [made]
    return made


@pytest.mark.parametrize(
    ("data", "read"),
    [
        pytest.param({"a": {1}}, {"a": [1]}, id="a set"),
        pytest.param(OrderedDict(a=(1, 2)), {"a": [1, 2]}, id="a mapping of a class of its own"),
        pytest.param({"a": 2**70}, {"a": str(2**70)}, id="a number beyond 64 bits"),
        pytest.param(
            {"at": datetime(2026, 1, 2, tzinfo=timezone.utc)}, {"at": "2026-01-02T00:00:00+00:00"}, id="a time"
        ),
        pytest.param({"a": b"\xff"}, {"a": b"\xff"}, id="bytes"),
        pytest.param({"a": "\udcff"}, {"a": "\\xed\\xb3\\xbf"}, id="half a letter"),
        pytest.param({(1, 2): 3}, {"[1, 2]": 3}, id="a list for a key"),
        pytest.param(nested(100_000), {"undecodable": "nested too deeply to be kept"}, id="too deep"),
    ],
)
def test_what_messagepack_has_no_type_for_is_packed_as_text(data: Any, read: Any) -> None:
    assert decode(read_tag(pack_frame("x", data), 0.0).payload) == read


def test_half_a_letter_in_a_tag_is_no_error() -> None:
    assert read_tag(pack_frame("x/\udcff", {}), 0.0).tag == "x/\\xed\\xb3\\xbf"


@pytest.mark.parametrize(
    ("full_tag", "syndics"),
    [
        pytest.param("salt/job/1/new", "", id="none"),
        pytest.param("syndic/eu/salt/job/1/new", "eu", id="one"),
        pytest.param("syndic/eu/syndic/fr/salt/job/1/new", "eu/fr", id="one behind another"),
        pytest.param("syndic/eu", "", id="an event of the syndic's own"),
    ],
)
def test_syndics_are_told_by_the_tag(full_tag: str, syndics: str) -> None:
    assert syndics_of(full_tag) == syndics


def test_a_tag_without_a_syndic_is_read_as_one_object() -> None:
    assert isinstance(frame := read_tag(b"salt/job/1/new\n\n\x80", 0.0), Frame)
    assert frame.tag is frame.full_tag
