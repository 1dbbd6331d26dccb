"""
The format in which frames go from the reader's process to the engine: one after the other, each with its length and the
time it was read. They are sent in pieces so large that the cost of a single send does not matter.
"""

from __future__ import annotations

import socket
import struct
import time
from collections import deque
from collections.abc import Sequence

#: The length of the frame that follows, and the time it was read.
_HEAD = struct.Struct("<Id")
_HEAD_BYTES = _HEAD.size
#: This bit in the length marks a line for the log. The line's level then stands in place of the time.
_LINE = 0x80000000
#: A piece is sent as soon as it is so large, and sooner if the reader has nothing else to do.
PIECE_BYTES = 65_536
#: How many bytes may wait for the engine. They grow while the engine or its disk stands still; frames that do not fit
#: are counted.
MOST_BYTES = 256 * 2**20
#: How many lines for the log may wait.
_MOST_LINES = 1000

Frame = tuple[bytes, float]
Line = tuple[int, str]


class Hopper:
    """
    Holds frames on their way to the engine, in the reader's process.

    :param most_bytes: how many bytes may wait.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self.received = 0
        self.dropped = 0
        #: How many bytes wait. A piece that is being sent counts as a whole until all of it is sent.
        self.waiting_bytes = 0
        self._most_bytes = most_bytes
        self._lines = 0
        self._sent = 0
        self._pieces: deque[bytearray | bytes] = deque()
        self._piece = bytearray()

    def put(self, raws: Sequence[bytes]) -> bool:
        """
        Take frames that were read together, and say whether a whole piece is ready to be sent.

        :param raws: the frames.
        """
        now, pack = time.time(), _HEAD.pack
        room = self._most_bytes - self.waiting_bytes
        piece = self._piece
        has_piece = False
        for raw in raws:
            size = len(raw)
            if size + _HEAD_BYTES > room:
                self.dropped += 1
                continue
            room -= size + _HEAD_BYTES
            piece += pack(size, now)
            if size >= PIECE_BYTES:
                # It is a piece by itself, and need not be copied.
                self._pieces += (piece, raw)
                piece = self._piece = bytearray()
                has_piece = True
                continue
            piece += raw
            if len(piece) >= PIECE_BYTES:
                self._pieces.append(piece)
                piece = self._piece = bytearray()
                has_piece = True
        self.received += len(raws)
        self.waiting_bytes = self._most_bytes - room
        return has_piece

    def tell(self, level: int, text: str) -> None:
        """
        Take a line for the engine's log.

        :param level: the level, as :mod:`logging` has it.
        :param text: the line.
        """
        if self._lines < _MOST_LINES:
            self._lines += 1
            line = text.encode("utf-8", "backslashreplace")
            self._piece += _HEAD.pack(len(line) | _LINE, level) + line
            self.waiting_bytes += len(line) + _HEAD_BYTES

    def send(self, to: socket.socket) -> bool:
        """
        Send what waits, and say whether all of it is sent. A socket that does not block gets only as much as it takes.

        :param to: the socket to the engine.
        :raises OSError: the engine is gone.
        """
        if self._piece:
            self._pieces.append(self._piece)
            self._piece = bytearray()
        while self._pieces:
            piece = self._pieces[0]
            try:
                with memoryview(piece) as view, view[self._sent :] as rest:
                    self._sent += to.send(rest)
            except BlockingIOError:
                return False
            if self._sent == len(piece):
                self._sent = 0
                self.waiting_bytes -= len(piece)
                self._pieces.popleft()
        self._lines = 0
        return True


class Unpacker:
    """Puts frames together from the bytes that the engine receives, wherever the bytes were cut."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._needed = _HEAD_BYTES

    def feed(self, data: memoryview) -> tuple[list[Frame], list[Line]]:
        """
        Return the frames and the log lines that are complete by now.

        :param data: the next bytes.
        """
        frames: list[Frame] = []
        lines: list[Line] = []
        if self._rest:
            self._rest += data
            if len(self._rest) < self._needed:
                return frames, lines
            whole, self._rest = self._rest, bytearray()
            with memoryview(whole) as view:
                self._cut(view, frames, lines)
        else:
            self._cut(data, frames, lines)
        return frames, lines

    def _cut(self, view: memoryview, frames: list[Frame], lines: list[Line]) -> None:
        at, end = 0, len(view)
        unpack = _HEAD.unpack_from
        while (start := at + _HEAD_BYTES) <= end:
            size, read = unpack(view, at)
            stop = start + (size & ~_LINE)
            if stop > end:
                self._needed = stop - at
                break
            if size & _LINE:
                lines.append((int(read), bytes(view[start:stop]).decode()))
            else:
                frames.append((bytes(view[start:stop]), read))
            at = stop
        else:
            self._needed = _HEAD_BYTES
        self._rest += view[at:]
