"""
Parcels that are in the stream and that a consumer will not hand out any more.

When most nodes of a cluster are killed at once, what a consumer knows of a stream and what is in it may be of different
moments afterwards: parcels stay that it takes for acknowledged, some of which no writer has ever had. A new consumer
hands out all there is, and receipts in the database make that harmless.
"""

from __future__ import annotations

import time

from salt_eventsd.backends.broker.jetstream.api import Consumer

#: An acknowledged parcel leaves the stream at once; if one is still there after so long, it stays.
_LEFT_SECONDS = 15.0


class Passed:
    """
    Looks for such parcels.

    :param seconds: for how long one has to be there.
    """

    def __init__(self, seconds: float = _LEFT_SECONDS) -> None:
        self._seconds = seconds
        self._seen: dict[str, tuple[int, float]] = {}

    def has(self, consumer: str, info: Consumer, first: int) -> bool:
        """
        Say whether a consumer has passed by what is in the stream; call this again and again.

        :param consumer: its name.
        :param info: what it says.
        :param first: the lowest number of what the stream holds for it; 0 if it holds nothing.
        """
        is_through = first <= info.ack_floor.stream_seq or not (info.num_pending or info.num_ack_pending)
        if not first or not is_through:
            self._seen.pop(consumer, None)
            return False
        now = time.monotonic()
        seen, since = self._seen.get(consumer, (0, now))
        if seen != first:
            self._seen[consumer] = (first, now)
            return False
        if now - since < self._seconds:
            return False
        del self._seen[consumer]
        return True
