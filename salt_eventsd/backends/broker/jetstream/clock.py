"""
What time it is at the broker. A writer's own clock may be hours off, and says nothing of how long a parcel has waited.
"""

from __future__ import annotations

import time


class BrokerClock:
    """Goes by what the broker says, and by a clock of ours that is never set."""

    def __init__(self) -> None:
        self._last = (0, 0.0)
        # When that was the last message for the first time, by the monotonic clock.
        self._since = 0.0

    def now(self, said: float, last: int, kept: float) -> float:
        """
        Return the time, in seconds since 1970 UTC. Servers before 2.10 do not say it: it is then at least the moment in
        which the last message came, and that was known here for a while.

        :param said: by the broker; 0 if it says none.
        :param last: the number of the last message in the stream.
        :param kept: when the broker has taken it.
        """
        if said:
            return said
        now = time.monotonic()
        if self._last != (last, kept):
            self._last, self._since = (last, kept), now
        return kept + now - self._since
