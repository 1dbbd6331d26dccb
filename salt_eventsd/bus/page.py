"""
A page of memory that the engine shares with its reader, for what must be known however busy either of them is.

The one writes and the other reads, without a lock or a wait: a checksum tells what was read in the middle of a change.
"""

from __future__ import annotations

import mmap
import struct
import zlib

_HEAD = struct.Struct("<II")
_PAGE_BYTES = 65_536
#: How often somebody reads again who has come in the middle of a change.
_TRIES = 50

MOST_BYTES = _PAGE_BYTES - _HEAD.size


class Page:
    """A page that stays shared over a fork."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _PAGE_BYTES)

    def write(self, content: bytes) -> None:
        """
        Put something else in its place.

        :param content: of :data:`MOST_BYTES` at most.
        """
        end = _HEAD.size + len(content)
        self._memory[_HEAD.size : end] = content
        self._memory[: _HEAD.size] = _HEAD.pack(len(content), zlib.crc32(content))

    def read(self) -> bytes:
        """Return what was written last, b"" if nothing was, or it changes all the time."""
        for _ in range(_TRIES):
            size, check = _HEAD.unpack(self._memory[: _HEAD.size])
            content = self._memory[_HEAD.size : _HEAD.size + size]
            if zlib.crc32(content) == check:
                return content
        return b""
