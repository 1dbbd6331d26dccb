"""
The first look for secrets, at many frames at once.

RE2 lets other threads run while it looks, and then waits for its turn: for a small frame that costs several times what
the look itself does, in this thread and in those it takes the turn from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

from salt_eventsd.redact import Redactor

#: So much is looked at together, in bytes ...
_TOGETHER_BYTES = 32_768
#: ... but larger frames each by itself, and only once a rule wants them.
_SMALL_BYTES = 4096


class Glanced(NamedTuple):
    """
    A frame after the first look.

    :param raw: the frame.
    :param received: when it was read, in seconds since 1970 UTC.
    :param cleared_by: the redactor that has found nothing in it; None where there may be something.
    """

    raw: bytes
    received: float
    cleared_by: Redactor | None


def glance(frames: Sequence[tuple[bytes, float]], redactor_now: Callable[[], Redactor]) -> Iterator[Glanced]:
    """
    Yield frames, in their order, each with what the first look says.

    :param frames: frames, each with when it was read.
    :param redactor_now: returns the redactor in force.
    """
    for some in _portions(frames):
        redactor = redactor_now()
        raws = [raw if len(raw) <= _SMALL_BYTES else b"" for raw, _ in some]
        suspects: frozenset[int] | None = None
        # Whatever goes wrong here, the closer look at a frame will meet it again, and counts it as that frame's.
        with suppress(Exception):
            suspects = redactor.suspects(raws)
        for number, (raw, received) in enumerate(some):
            is_cleared = suspects is not None and raws[number] and number not in suspects
            yield Glanced(raw, received, redactor if is_cleared else None)


def _portions(frames: Sequence[tuple[bytes, float]]) -> Iterator[Sequence[tuple[bytes, float]]]:
    start = size = 0
    for number, (raw, _) in enumerate(frames):
        if len(raw) <= _SMALL_BYTES:
            size += len(raw)
        if size >= _TOGETHER_BYTES:
            yield frames[start : number + 1]
            start, size = number + 1, 0
    if start < len(frames):
        yield frames[start:]
