"""
The heap of this process.

glibc gives threads heaps of their own, and what a thread has needed for a large batch stays in its heap. Threads of
Python work in turns, so several heaps make them no faster; one heap is as large as what is in use at a time.
"""

from __future__ import annotations

import ctypes
from contextlib import suppress

#: ``M_ARENA_MAX`` of malloc.h.
_MOST_HEAPS = -8


def share_heap() -> None:
    """
    Have all threads use one heap; call it before there are any. Another C library than glibc may have nothing like it,
    and then nothing changes.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_MOST_HEAPS, 1)
