"""
Glance: the first look for secrets, at many frames at once.

RE2 releases Python's global lock while it searches, and then waits to get it back. For a small frame that costs several
times as much as the search, for this thread and for those it takes the lock from. For a large one, while batches are
written, it is the same: whoever has the lock keeps it for five milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from salt_eventsd.redact import Redactor

#: Small frames of about so many bytes in all are looked at together, and with them large ones of so many.
_TOGETHER_BYTES, _LARGE_TOGETHER_BYTES = 32_768, 2**19
#: A larger frame is not small: it is looked at only if a rule takes it, and alone if it is still larger than the other.
_SMALL_BYTES, _LARGE_BYTES = 4096, 2**18

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


def glance(
    frames: Frames, redactor_now: Callable[[], Redactor], is_wanted: Callable[[bytes], bool]
) -> Iterator[Glanced]:
    """
    Yield frames, in their order, with the result of the first look.

    :param frames: the frames.
    :param redactor_now: returns the redactor in force.
    :param is_wanted: says of a frame whether a rule may take it; asked for large ones.
    """
    for some in _portions(frames):
        redactor = redactor_now()
        pieces = [raw for raw, _ in some]
        large = [number for number, raw in enumerate(pieces) if len(raw) > _SMALL_BYTES]
        try:
            left = [number for number in large if len(pieces[number]) > _LARGE_BYTES or not is_wanted(pieces[number])]
            for number in left:
                pieces[number] = b""
            suspects = redactor.suspects(pieces)
        except Exception:
            # The closer look at each frame will meet the same error, and counts it for that frame alone.
            yield Glanced(some, None)
            continue
        start = 0
        for number in sorted(suspects.union(left)):
            yield Glanced(some[start:number], redactor)
            yield Glanced(some[number : number + 1], None)
            start = number + 1
        yield Glanced(some[start:], redactor)


def _portions(frames: Frames) -> Iterator[Frames]:
    """Yield portions of frames that are looked at together."""
    sizes = [len(raw) for raw, _ in frames]
    if sum(sizes) < _TOGETHER_BYTES:
        if frames:
            yield frames
        return
    start = small = large = 0
    for number, size in enumerate(sizes):
        if size <= _SMALL_BYTES:
            small += size
        else:
            large += size
        if small >= _TOGETHER_BYTES or large >= _LARGE_TOGETHER_BYTES:
            yield frames[start : number + 1]
            start, small, large = number + 1, 0, 0
    if start < len(frames):
        yield frames[start:]
