"""What is too heavy is known before it is decoded; what cannot be is not counted."""

from __future__ import annotations

import struct

import pytest

from salt_eventsd.event.weight import LIGHT_BYTES, is_heavy, most_values


def filled(size: int, value: bytes) -> bytes:
    """A list of so many bytes in all that holds nothing but one small value, over and over."""
    head_bytes = 5
    return b"\xdd" + struct.pack(">I", size - head_bytes) + value * (size - head_bytes)


@pytest.mark.parametrize("value", [b"\x90", b"\x80", b"\xc0", b"\x01"])
def test_what_is_not_counted_holds_no_more_than_it_may(value: bytes) -> None:
    assert not is_heavy(filled(LIGHT_BYTES, value))
    assert most_values(LIGHT_BYTES) >= LIGHT_BYTES


@pytest.mark.parametrize("value", [b"\x90", b"\x80", b"\xc0", b"\x01"])
def test_a_few_values_more_are_too_many(value: bytes) -> None:
    assert is_heavy(filled(LIGHT_BYTES + 10, value))
