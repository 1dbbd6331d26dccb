"""Frames go to the engine whole and in order, however they are cut on their way; what does not fit is counted."""

from __future__ import annotations

import logging
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salt_eventsd.bus.page import MOST_BYTES, Page
from salt_eventsd.bus.pieces import PIECE_BYTES, Hopper, Unpacker


@given(st.lists(st.binary(max_size=300), max_size=40), st.integers(1, 400))
def test_frames_come_out_as_they_went_in(frames: list[bytes], cut: int) -> None:
    # Given
    hopper, unpacker = Hopper(), Unpacker()
    ours, its = socket.socketpair()
    with ours, its:
        hopper.put(frames)
        hopper.tell(logging.ERROR, "a line \ud800")
        assert hopper.send(its)
        its.shutdown(socket.SHUT_WR)

        # When
        found, lines = [], []
        while data := ours.recv(cut):
            some, told = unpacker.feed(memoryview(data))
            found += some
            lines += told

    # Then
    assert [raw for raw, _ in found] == frames
    assert lines == [(logging.ERROR, "a line \\ud800")]
    assert hopper.waiting_bytes == 0


@pytest.mark.parametrize("together", [1, 2, 5, 30])
def test_large_frames_and_small_ones_keep_their_order(together: int) -> None:
    # Given
    hopper, unpacker = Hopper(), Unpacker()
    sizes = [3, 3 * PIECE_BYTES, 300, PIECE_BYTES - 1, 1, PIECE_BYTES, PIECE_BYTES, 40_000, 40_000, 7] * 3
    frames = [bytes([number]) * size for number, size in enumerate(sizes)]
    found = []
    ours, its = socket.socketpair()
    its.setblocking(False)
    ours.settimeout(5.0)

    # When: the socket is full at times
    with ours, its:
        for start in range(0, len(frames), together):
            some = frames[start : start + together]
            assert hopper.put(some) or sum(map(len, some)) < PIECE_BYTES
            hopper.send(its)
            found += unpacker.feed(memoryview(ours.recv(50_000)))[0]
        while len(found) < len(frames):
            hopper.send(its)
            found += unpacker.feed(memoryview(ours.recv(100_000)))[0]

    # Then
    assert [raw for raw, _ in found] == frames
    assert (hopper.received, hopper.dropped, hopper.waiting_bytes) == (len(frames), 0, 0)


@pytest.mark.parametrize("together", [1, 4, 10])
def test_what_does_not_fit_is_counted(together: int) -> None:
    # Given
    hopper = Hopper(most_bytes=100)

    # When
    for start in range(0, 10, together):
        hopper.put([bytes(20)] * min(together, 10 - start))

    # Then
    assert (hopper.received, hopper.dropped) == (10, 7)
    assert hopper.waiting_bytes <= 100


def test_a_socket_that_takes_nothing_more_is_not_waited_for() -> None:
    # Given
    hopper = Hopper()
    ours, its = socket.socketpair()
    its.setblocking(False)
    frame = bytes(PIECE_BYTES)

    # When
    with ours, its:
        for _ in range(50):
            assert hopper.put([frame])
        while_full = hopper.send(its)
        left = hopper.waiting_bytes
        unpacker, found = Unpacker(), 0
        while found < 50:
            found += len(unpacker.feed(memoryview(ours.recv(100_000)))[0])
            hopper.send(its)

    # Then
    assert not while_full
    assert left > 0
    assert hopper.waiting_bytes == 0


@pytest.mark.parametrize("size", [0, 1, 1000, MOST_BYTES])
def test_a_page_tells_what_was_written_last(size: int) -> None:
    page = Page()
    assert page.read() == b""

    page.write(b"before")
    page.write(bytes(size))

    assert page.read() == bytes(size)


def test_what_is_read_in_the_middle_of_a_change_is_not_believed() -> None:
    page = Page()
    page.write(b"whole")

    page._memory[8:9] = b"x"

    assert page.read() == b""
