"""Keys of a payload become text, and two keys never one."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from salt_eventsd.event.codec import decode, decode_as_texts, encode
from tests.support.growth import assert_linear, cpu_seconds

PACKER = msgpack.Packer()


def mapping(*pairs: tuple[Any, Any]) -> bytes:
    """Pack a mapping whose keys Python would take for one."""
    return PACKER.pack_map_pairs(pairs)


def kept(payload: bytes) -> Any:
    return json.loads(encode(decode(payload)))


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        pytest.param([(1, "a"), (True, "b"), (1.0, "c")], {"1": "a", "true": "b", "1.0": "c"}, id="equal in Python"),
        pytest.param([(80, "a"), ("80", "b")], {"80 (number)": "a", "80": "b"}, id="a number and its text"),
        pytest.param([("80", "b"), (80, "a")], {"80 (number)": "a", "80": "b"}, id="the other way round"),
        pytest.param(
            [(True, 1), ("true", 2), (None, 3), ("null", 4), (False, 5)],
            {"true (boolean)": 1, "true": 2, "null (null)": 3, "null": 4, "false": 5},
            id="words",
        ),
        pytest.param(
            [(8, 1), ("8", 2), ("8 (number)", 3), ("8 (number 2)", 4)],
            {"8 (number 3)": 1, "8": 2, "8 (number)": 3, "8 (number 2)": 4},
            id="names that are taken",
        ),
        pytest.param([(b"a", 1), ("a", 2)], {"a (bytes)": 1, "a": 2}, id="bytes"),
        pytest.param([([1], 1), ("[1]", 2), ([1], 3)], {"[1] (structure)": 3, "[1]": 2}, id="a list, twice"),
        pytest.param([("a", 1), ("a", 2)], {"a": 2}, id="one key twice"),
        pytest.param([(-1, 1), (2**64 - 1, 2), (0.5, 3)], {"-1": 1, str(2**64 - 1): 2, "0.5": 3}, id="numbers"),
    ],
)
def test_keys_have_names_of_their_own(pairs: list[tuple[Any, Any]], expected: dict[str, Any]) -> None:
    assert kept(mapping(*pairs)) == expected
    assert kept(PACKER.pack_map_pairs([("return", 0)])[:1] + PACKER.pack("return") + mapping(*pairs)) == {
        "return": expected
    }


def test_bytes_that_are_no_text_do_not_become_a_key_that_is_there() -> None:
    payload = b"\x82" + b"\xa1\xff" + PACKER.pack(1) + PACKER.pack("\\xff") + PACKER.pack(2)

    assert kept(payload) == {"\\xff": 1, "\\xff (text)": 2}


KEYS = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=3)


@given(st.lists(KEYS | st.sampled_from(["1", "true", "null", "1.0", 1, True, 1.0]), max_size=8))
def test_no_value_is_lost(keys: list[Any]) -> None:
    different = {(type(key), key): None for key in keys}
    pairs = [(key, number) for number, (_, key) in enumerate(different)]

    found = kept(mapping(*pairs))

    assert sorted(found.values()) == list(range(len(pairs)))


@pytest.mark.parametrize(
    "pairs",
    [
        pytest.param(lambda n: [(number, 0) for number in range(n)], id="numbers"),
        pytest.param(lambda n: [(7, 0), ("7", 0), *((f"7 (number {i})", 0) for i in range(n))], id="taken names"),
        pytest.param(lambda n: [(1, 0), *[("a", 0)] * n], id="one key many times"),
        pytest.param(lambda n: [*((i, 0) for i in range(n)), *((str(i), 0) for i in range(n))], id="all of them twice"),
    ],
)
def test_naming_keys_costs_as_much_as_they_have_bytes(pairs: Callable[[int], list[tuple[Any, Any]]]) -> None:
    assert_linear(decode, lambda size: mapping(*pairs(size // 8)), largest=2**20)


@pytest.mark.parametrize("lists", [1000, 8192])
def test_lists_of_one_hash_as_keys_take_no_long_time(lists: int) -> None:
    # Python has one hash for -1 and -2, and so for all lists of these two.
    keys = [[-1 - (number >> bit & 1) for bit in range(13)] for number in range(lists)]
    payload = mapping(*((key, None) for key in keys), ("a", "b" * 2**18))

    assert len(decode(payload)) == lists + 1
    assert cpu_seconds(decode, payload, tries=3) < 0.25


def test_long_lists_of_one_hash_as_keys_take_no_long_time() -> None:
    # Each time two of them are compared, all that is alike in them is.
    same = [0x01010101] * 1000
    keys = [[*same, *(-1 - (number >> bit & 1) for bit in range(10))] for number in range(1000)]
    payload = mapping(*((key, None) for key in keys))

    assert len(decode(payload)) == 1000
    assert cpu_seconds(decode, payload, tries=3) < 1.0


def test_numbers_that_look_like_lists_take_a_run_of_states_no_slower_way() -> None:
    # The bytes of which a duration consists are any bytes, those among them with which lists begin.
    fields = dict.fromkeys(["name", "comment", "__sls__", "__id__", "__saltfunc__", "start_time"], "/etc/app.conf" * 3)
    states = {f"file_|-{at}_|-{at}_|-managed": {**fields, "duration": at / 7} for at in range(1, 301)}
    payload = PACKER.pack({"return": states})

    assert decode(payload) == {"return": states}
    slower = cpu_seconds(lambda one: msgpack.unpackb(one, strict_map_key=False), payload, tries=20)
    assert cpu_seconds(decode, payload, tries=20) < slower * 1.05


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(PACKER.pack({"a": 1, "return": {"b": b"\xff", "c": None}, "z": "\u00e4"}), id="in between"),
        pytest.param(PACKER.pack({"a": {"return": 1}}), id="none of its own"),
        pytest.param(mapping((1, "a"), ("return", True)), id="odd"),
        pytest.param(PACKER.pack({"return": {1: "a", 2: "b"}}), id="odd keys in it"),
        pytest.param(PACKER.pack([1, "return"]), id="no mapping"),
        pytest.param(b"\xc1", id="no MessagePack"),
    ],
)
def test_a_payload_that_is_decoded_and_encoded_at_once_is_the_same(payload: bytes) -> None:
    # When
    data, texts = decode_as_texts(payload)

    # Then
    plain = decode(payload)
    assert data == plain
    if texts is not None:
        returned = encode(plain.pop("return")) if isinstance(plain, dict) and "return" in plain else b""
        assert texts == (encode(plain), returned)
