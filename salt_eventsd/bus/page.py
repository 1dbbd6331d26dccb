"""
A page of memory that the engine shares with its reader, for values that it must be able to read at any time,
however busy either process is.

One process writes and the other reads, without a lock and without waiting. A checksum shows whether the page changed
while it was read.
"""

from __future__ import annotations

import mmap
import struct
import zlib

_HEAD = struct.Struct("<II")
_PAGE_BYTES = 65_536
#: How often :meth:`Page.read` tries again if the page changed while it was read.
_TRIES = 50

MOST_BYTES = _PAGE_BYTES - _HEAD.size


class Page:
    """A page that stays shared over a fork."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _PAGE_BYTES)

    def write(self, content: bytes) -> None:
        """
        Replace the content.

        :param content: the new content, :data:`MOST_BYTES` at most.
        """
        end = _HEAD.size + len(content)
        self._memory[_HEAD.size : end] = content
        self._memory[: _HEAD.size] = _HEAD.pack(len(content), zlib.crc32(content))

    def read(self) -> bytes:
        """Return what was written last; b"" if nothing was, or if the page changed at each try."""
        for _ in range(_TRIES):
            size, check = _HEAD.unpack(self._memory[: _HEAD.size])
            content = self._memory[_HEAD.size : _HEAD.size + size]
            if zlib.crc32(content) == check:
                return content
        return b""
