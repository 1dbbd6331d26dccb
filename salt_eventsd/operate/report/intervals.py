"""
Divides a time into intervals that begin at round moments.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta, timezone

#: A chart has no more bars than this.
MOST = 60
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_STEPS = (
    *(_MINUTE * count for count in (1, 2, 5, 10, 15, 30)),
    *(_HOUR * count for count in (1, 2, 3, 6, 12)),
    *(_DAY * count for count in (1, 2, 7, 14, 28)),
)
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def edges(start: datetime, end: datetime) -> list[datetime]:
    """
    Return where the intervals of a time begin, and where the last one ends: at most :data:`MOST` of one length.

    :param start: the beginning of the time; the first interval begins there or earlier.
    :param end: its end; the last interval ends there or later.
    """
    seconds = max(1.0, (end - start).total_seconds())
    # One more than it takes where the time does not begin at a round moment.
    step = next((one for one in _STEPS if seconds / one <= MOST - 1), _DAY * math.ceil(seconds / _DAY / (MOST - 1)))
    first = int((start - _EPOCH).total_seconds() // step) * step
    count = max(1, math.ceil(((end - _EPOCH).total_seconds() - first) / step))
    return [_EPOCH + timedelta(seconds=first + step * number) for number in range(count + 1)]
