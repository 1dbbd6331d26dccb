"""
The first look for secrets, at many frames at once.

RE2 lets other threads run while it looks, and then waits for its turn: for a small frame that costs several times what
the look itself does, in this thread and in those it takes the turn from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from salt_eventsd.redact import Redactor

#: So much is looked at together, in bytes ...
_TOGETHER_BYTES = 32_768
#: ... but larger frames each by itself, and only once a rule wants them.
_SMALL_BYTES = 4096


#: Frames, each with when it was read.
Frames = Sequence[tuple[bytes, float]]


class Glanced(NamedTuple):
    """
    Frames after the first look.

    :param frames: one after the other.
    :param cleared_by: the redactor that has found nothing in any of them; None where there may be something.
    """

    frames: Frames
    cleared_by: Redactor | None


def glance(frames: Frames, redactor_now: Callable[[], Redactor]) -> Iterator[Glanced]:
    """
    Yield frames, in their order, with what the first look says of them.

    :param frames: any.
    :param redactor_now: returns the redactor in force.
    """
    for some in _portions(frames):
        redactor = redactor_now()
        large = [number for number, (raw, _) in enumerate(some) if len(raw) > _SMALL_BYTES]
        small = [raw if len(raw) <= _SMALL_BYTES else b"" for raw, _ in some] if large else [raw for raw, _ in some]
        try:
            suspects = redactor.suspects(small)
        except Exception:
            # Whatever is wrong, the closer look at a frame will meet it again, and counts it as that frame's.
            yield Glanced(some, None)
            continue
        start = 0
        for number in sorted(suspects.union(large)):
            yield Glanced(some[start:number], redactor)
            yield Glanced(some[number : number + 1], None)
            start = number + 1
        yield Glanced(some[start:], redactor)


def _portions(frames: Frames) -> Iterator[Frames]:
    """Cut frames into portions to be looked at together; a large one is a portion, or the end of one."""
    start = size = 0
    for number, (raw, _) in enumerate(frames):
        size += len(raw)
        if size >= _TOGETHER_BYTES:
            yield frames[start : number + 1]
            start, size = number + 1, 0
    if start < len(frames):
        yield frames[start:]
