"""How a reader takes what is on its socket."""

from __future__ import annotations

import asyncio
import socket

import pytest
import salt.utils.msgpack
from tornado.iostream import IOStream

from salt_eventsd.bus.listen import Bus, _has_own_tornado, _in_large_pieces

pytestmark = pytest.mark.skipif(_has_own_tornado(), reason="Salt 3006 reads with a Tornado of its own")


def read(asked: int, partial: bool) -> bytes:
    """Return what a subscriber gets that asks for so much of a socket with 50,000 bytes."""

    async def session() -> bytes:
        ours, theirs = socket.socketpair()
        stream = IOStream(ours)
        _in_large_pieces(stream)
        theirs.sendall(b"x" * 50_000)
        try:
            return await stream.read_bytes(asked, partial=partial)
        finally:
            stream.close()
            theirs.close()

    return asyncio.run(session())


def test_all_that_has_come_is_taken_at_once_however_little_is_asked_for() -> None:
    assert len(read(4096, partial=True)) == 50_000


def test_who_asks_for_an_exact_number_of_bytes_gets_them() -> None:
    assert len(read(4096, partial=False)) == 4096


def test_a_subscriber_without_a_stream_of_the_kind_is_left_as_it_is() -> None:
    _in_large_pieces(None)


class Subscriber:
    """Returns frames as Salt's does: the first of a piece, and the others of it one by one."""

    def __init__(self, pieces: list[list[bytes]]) -> None:
        self.unpacker = salt.utils.msgpack.Unpacker()
        self.asked = 0
        self._pieces = pieces

    async def recv(self) -> bytes:
        self.asked += 1
        for message in self.unpacker:
            if isinstance(message, dict):
                return bytes(message[b"body"])
        if not self._pieces:
            raise EOFError
        for body in self._pieces.pop(0):
            self.unpacker.feed(b"\x00")
            self.unpacker.feed(salt.utils.msgpack.dumps({"head": {}, "body": body}))
        return await self.recv()


def test_all_frames_of_a_piece_are_taken_at_once_and_in_order() -> None:
    # Given
    taken: list[bytes] = []
    bus = Bus({}, taken.append)
    frames = [b"frame %d" % number for number in range(50)]
    subscriber = Subscriber([frames[:30], [b""], frames[30:]])

    # When
    with pytest.raises(EOFError):
        asyncio.run(bus._read(subscriber))

    # Then
    assert taken == frames
    assert (bus.pulse.frames, bus.pulse.newest) == (50, frames[-1])
    assert subscriber.asked < 10
