"""Whether something is tried that costs less if it succeeds, and more if it does not."""

from __future__ import annotations

#: So many failures in a row may be chance. From then on, each doubles how often the try is left out ...
CHANCES = 2
#: ... up to so many times.
_MOST_LEFT_OUT = 64


class Chances:
    """
    Learns from the last tries. Where something always fails, it is tried now and then.

    :param free: so many failures in a row change nothing.
    :param keeps: what part of the failures is not made up for by a success: where both come in turn, it is the failures
        that count.
    """

    def __init__(self, free: int = CHANCES, keeps: float = 0.0) -> None:
        self._free = free
        self._keeps = keeps
        self._failures = 0.0
        self._left_out = 0

    def take(self) -> bool:
        """Return whether to try now; if so, the caller says how it went."""
        if self._left_out > 0:
            self._left_out -= 1
            return False
        return True

    def succeeded(self) -> None:
        """Note that a try has succeeded."""
        self._failures *= self._keeps

    def failed(self) -> None:
        """Note that a try has failed."""
        self._failures += 1
        if self._failures >= self._free:
            self._left_out = min(_MOST_LEFT_OUT, 2 ** min(int(self._failures), 16))
