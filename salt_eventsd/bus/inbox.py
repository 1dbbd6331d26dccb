"""
The hand-over from the thread that gets the reader's frames to the one that keeps events: bounded, and never waited for.

Nobody who puts something in takes a lock that is held over I/O: a deque's append and a flag.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence

#: What Python takes for a frame besides its bytes, roughly: small ones are mostly this.
FRAME_BYTES = 130
#: What may wait here, in bytes. It fills only while the spool's disk hangs; what does not fit is counted.
MOST_BYTES = 256 * 2**20


class Inbox:
    """
    Frames read and not yet kept.

    Each counter has one writer: ``_taken`` the keeper's thread, all others the one that puts frames in.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._frames: deque[tuple[bytes, float]] = deque()
        self._most_bytes = most_bytes
        self._taken = 0
        self._wake = threading.Event()
        self.received = 0
        self._put_bytes = 0
        self.dropped = 0
        self._dropped_bytes = 0

    def extend(self, frames: Sequence[tuple[bytes, float]]) -> None:
        """
        Take frames, each with when it was read. None is dropped: who has them looks at :attr:`waiting_bytes` first.

        :param frames: the frames.
        """
        self.received += len(frames)
        self._put_bytes += sum([len(raw) for raw, _ in frames]) + FRAME_BYTES * len(frames)
        self._frames.extend(frames)
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
        self._frames.append((raw, time.time()))
        if not self._wake.is_set():
            self._wake.set()

    def take(self, timeout_seconds: float) -> list[tuple[bytes, float]]:
        """
        Return all frames there are, each with when it was read; waits for the first.

        :param timeout_seconds: return nothing after so long.
        """
        self._wake.wait(timeout_seconds)
        self._wake.clear()
        frames = []
        while self._frames:
            frames.append(self._frames.popleft())
        self._taken += sum(len(raw) + FRAME_BYTES for raw, _ in frames)
        return frames

    def wake(self) -> None:
        """End a wait in :meth:`take`."""
        self._wake.set()

    @property
    def waiting(self) -> int:
        """Frames put and not yet taken."""
        return len(self._frames)

    @property
    def waiting_bytes(self) -> int:
        """Bytes of memory that frames put and not yet taken have."""
        return self._put_bytes - self._dropped_bytes - self._taken
