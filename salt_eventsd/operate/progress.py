"""Tell a person at a terminal how far a verb is that takes long, a line now and then."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TextIO

#: No more lines than one in so many seconds.
_SECONDS = 2.0


def teller(stream: TextIO | None) -> Callable[[str], None]:
    """
    Return what tells lines, of which those are left out that come too soon after another one.

    :param stream: where they go; None if nobody is to be told.
    """
    told_at = 0.0

    def tell(line: str) -> None:
        nonlocal told_at
        now = time.monotonic()
        if stream is not None and now - told_at >= _SECONDS:
            told_at = now
            print(line, file=stream, flush=True)

    return tell
