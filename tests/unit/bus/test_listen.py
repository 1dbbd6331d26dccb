"""How a reader takes what is on its socket."""

from __future__ import annotations

import asyncio
import socket
import time
from types import SimpleNamespace

import pytest
import salt.utils.msgpack
from tornado.iostream import IOStream, StreamClosedError

from salt_eventsd.bus import listen
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


def test_what_comes_while_nobody_reads_is_taken_all_at_once_also_at_the_end_of_the_connection() -> None:
    async def session() -> tuple[bytes, bytes]:
        ours, theirs = socket.socketpair()
        stream = IOStream(ours)
        stream.set_close_callback(lambda: None)
        _in_large_pieces(stream)
        theirs.sendall(b"before")
        first = await stream.read_bytes(4096, partial=True)
        # Now the stream watches for the end of the connection.
        for text in (b"one ", b"two ", b"three"):
            theirs.sendall(text)
            await asyncio.sleep(0.02)
        theirs.close()
        rest = await stream.read_bytes(4096, partial=True)
        with pytest.raises(StreamClosedError):
            await stream.read_bytes(4096, partial=True)
        return first, rest

    assert asyncio.run(session()) == (b"before", b"one two three")


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
    bus = Bus({}, taken.extend)
    frames = [b"frame %d" % number for number in range(50)]
    subscriber = Subscriber([frames[:30], [b""], frames[30:]])

    # When
    with pytest.raises(EOFError):
        asyncio.run(bus._read(subscriber))

    # Then
    assert taken == frames
    assert (bus.pulse.frames, bus.pulse.newest) == (50, frames[-1])
    assert subscriber.asked < 10


@pytest.mark.parametrize(
    ("pieces", "naps"),
    [
        pytest.param([1, 1, 1], [8, 8, 8], id="few frames"),
        pytest.param([20, 40, 60], [8, 25, 45], id="many, from the second time in a row"),
        pytest.param([20, 15, 60], [8, 50, 50], id="no longer than that"),
        pytest.param([20, 400, 400], [8, 8, 8], id="no shorter than usual"),
        pytest.param([20, 40, 1, 20, 40], [8, 25, 8, 8, 25], id="few in between"),
    ],
)
def test_naps_are_as_long_as_a_hundred_frames_take(
    pieces: list[int], naps: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given: a piece comes 2 ms after it was asked for
    now = 100.0
    napped: list[float] = []

    async def nap(seconds: float) -> None:
        nonlocal now
        napped.append(seconds)
        now += seconds

    def clock() -> float:
        return now

    class Waiting(Subscriber):
        async def recv(self) -> bytes:
            nonlocal now
            # Of two calls for each piece.
            now += 0.001
            return await super().recv()

    monkeypatch.setattr(asyncio, "sleep", nap)
    monkeypatch.setattr(listen, "time", SimpleNamespace(monotonic=clock, time=time.time))

    # When
    with pytest.raises(EOFError):
        asyncio.run(Bus({}, lambda _raws: None)._read(Waiting([[b"x"] * count for count in pieces])))

    # Then
    assert [round(seconds * 1000) for seconds in napped] == naps
