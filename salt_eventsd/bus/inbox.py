"""
The queue between the thread that receives the reader's frames and the thread that keeps events. It is bounded, and the
thread that puts frames in never waits.

Putting a frame in takes no lock that is held during I/O: it appends to a deque and sets a flag.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence

#: Python's memory for a frame besides its bytes, roughly: most of what a small frame takes.
FRAME_BYTES = 130
#: How many bytes may wait here. The inbox fills only while the spool's disk hangs; frames that do not fit are counted.
MOST_BYTES = 256 * 2**20


class Inbox:
    """
    Holds the frames that were read and are not yet kept.

    Each counter has one writer: the intake writes ``_taken`` and ``_taken_bytes``, the thread that puts frames in
    writes all others.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        # They come and go many at a time. With each lot is what it takes of memory.
        self._lots: deque[tuple[Sequence[tuple[bytes, float]], int]] = deque()
        self._most_bytes = most_bytes
        self._taken = self._taken_bytes = 0
        self._wake = threading.Event()
        self.received = 0
        self._put_bytes = 0
        self.dropped = 0
        self._dropped_bytes = 0

    def extend(self, frames: Sequence[tuple[bytes, float]]) -> None:
        """
        Take frames, each with the time it was read. This drops no frame: the caller checks :attr:`waiting_bytes` first.

        :param frames: the frames.
        """
        size = sum([len(raw) for raw, _ in frames]) + FRAME_BYTES * len(frames)
        self.received += len(frames)
        self._put_bytes += size
        self._lots.append((frames, size))
        if not self._wake.is_set():
            self._wake.set()

    def put(self, raw: bytes) -> None:
        """
        Take a frame that has just been read, or count it as dropped.

        :param raw: the frame.
        """
        size = len(raw) + FRAME_BYTES
        self.received += 1
        self._put_bytes += size
        if self.waiting_bytes > self._most_bytes:
            self.dropped += 1
            self._dropped_bytes += size
            return
        self._lots.append((((raw, time.time()),), size))
        if not self._wake.is_set():
            self._wake.set()

    def take(self, timeout_seconds: float) -> list[tuple[bytes, float]]:
        """
        Wait for a frame, then return all frames that are here, each with the time it was read.

        :param timeout_seconds: the longest wait; after it, return an empty list.
        """
        self._wake.wait(timeout_seconds)
        self._wake.clear()
        frames: list[tuple[bytes, float]] = []
        size = 0
        while self._lots:
            some, its_size = self._lots.popleft()
            frames += some
            size += its_size
        self._taken += len(frames)
        self._taken_bytes += size
        return frames

    def wake(self) -> None:
        """End a wait in :meth:`take`."""
        self._wake.set()

    @property
    def waiting(self) -> int:
        """The number of frames put and not yet taken."""
        return self.received - self.dropped - self._taken

    @property
    def waiting_bytes(self) -> int:
        """The memory of the frames put and not yet taken, in bytes."""
        return self._put_bytes - self._dropped_bytes - self._taken_bytes
