"""
The heap of this process.

glibc gives threads heaps of their own, and what a thread has needed for a large batch stays in its heap. Threads of
Python work in turns, so several heaps make them no faster; one heap is as large as what is in use at a time.
"""

from __future__ import annotations

import ctypes
import gc
from contextlib import suppress

#: ``M_ARENA_MAX`` of malloc.h.
_MOST_HEAPS = -8
#: The collector looks once so many objects are new, not at 700 as usual: a batch has more rows, and they go without it.
_COLLECTED_AT = 20_000


def share_heap() -> None:
    """
    Have all threads use one heap; call it before there are any. Another C library than glibc may have nothing like it,
    and then nothing changes.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_MOST_HEAPS, 1)


def collect_rarely() -> None:
    """
    Have Python's collector look at new objects only, and at many at a time; call it when all is loaded: that lives as
    long as this process.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECTED_AT)
