"""
Glance: the first look for secrets, at many frames at once.

RE2 releases Python's global lock while it searches, and then waits to get it back. For a small frame that costs several
times as much as the search, for this thread and for those it takes the lock from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from salt_eventsd.redact import Redactor

#: Frames of about so many bytes in all are looked at together.
_TOGETHER_BYTES = 32_768
#: A larger frame is looked at alone, and only if a rule takes it.
_SMALL_BYTES = 4096

#: Frames, each with when it was read.
Frames = Sequence[tuple[bytes, float]]


class Glanced(NamedTuple):
    """
    Frames after the first look.

    :param frames: frames that came one after the other.
    :param cleared_by: the redactor that has found nothing in any of them; None if there may be a secret in them.
    """

    frames: Frames
    cleared_by: Redactor | None


def glance(frames: Frames, redactor_now: Callable[[], Redactor]) -> Iterator[Glanced]:
    """
    Yield frames, in their order, with the result of the first look.

    :param frames: the frames.
    :param redactor_now: returns the redactor in force.
    """
    for some in _portions(frames):
        redactor = redactor_now()
        large = [number for number, (raw, _) in enumerate(some) if len(raw) > _SMALL_BYTES]
        small = [raw if len(raw) <= _SMALL_BYTES else b"" for raw, _ in some] if large else [raw for raw, _ in some]
        try:
            suspects = redactor.suspects(small)
        except Exception:
            # The closer look at each frame will meet the same error, and counts it for that frame alone.
            yield Glanced(some, None)
            continue
        if not suspects and not large:
            yield Glanced(some, redactor)
            continue
        start = 0
        for number in sorted(suspects.union(large)):
            yield Glanced(some[start:number], redactor)
            yield Glanced(some[number : number + 1], None)
            start = number + 1
        yield Glanced(some[start:], redactor)


def _portions(frames: Frames) -> Iterator[Frames]:
    """Yield portions of frames that are looked at together; a large frame ends its portion."""
    sizes = [len(raw) for raw, _ in frames]
    if sum(sizes) < _TOGETHER_BYTES:
        if frames:
            yield frames
        return
    start = size = 0
    for number, its_size in enumerate(sizes):
        size += its_size
        if size >= _TOGETHER_BYTES:
            yield frames[start : number + 1]
            start, size = number + 1, 0
    if start < len(frames):
        yield frames[start:]
