"""
Waiting: of which time something that the bus has brought may wait in the spool, so that the history does not know it
yet. It is left to the engine: what the job cache has kept of it may not be quite the same, and would be there twice.
"""

from __future__ import annotations

import math
import time
from datetime import datetime, timezone
from pathlib import Path

from salt_eventsd.config.structs import General
from salt_eventsd.engine.report import Report
from salt_eventsd.operate.status import read_both
from salt_eventsd.spool.lock import is_locked

#: What is younger is under way from the bus to the database.
_UNDER_WAY_SECONDS = 10.0
#: The job cache keeps a return about when its event is fired.
_SLACK_SECONDS = 5.0
_NEVER = (math.inf, math.inf)


def left_to_engine(general: General, worker: str) -> tuple[float, float]:
    """
    Return the beginning and end of the time of which something may wait in the spool, in seconds since 1970 UTC.

    :param general: the keys that say where the engine's report and its spool are.
    :param worker: whose database the history is.
    """
    found = read_both(Path(general.state_file))[1]
    runs = is_locked(Path(general.spool.dir))
    now = time.time() - _UNDER_WAY_SECONDS
    if not isinstance(found, Report):
        return (now, math.inf) if runs else _NEVER
    lane = found.workers.get(worker)
    waits = lane is not None and lane["queued_events"] > 0
    oldest = found.written - (lane["oldest_age"] if lane is not None else 0.0) - _SLACK_SECONDS
    if runs:
        return (min(now, oldest) if waits else now), math.inf
    if found.ended:
        return (oldest, found.written + _SLACK_SECONDS) if waits else _NEVER
    # It was killed, at most one report later, and what it has read until then is in the spool.
    return oldest, found.written + found.timer + _SLACK_SECONDS


def note(left: tuple[float, float]) -> list[str]:
    """
    Return what to tell of what is left to the engine; nothing if that is no more than usual.

    :param left: from :func:`left_to_engine`.
    """
    if left[0] > time.time() - 2 * _UNDER_WAY_SECONDS:
        return []
    since = datetime.fromtimestamp(left[0], timezone.utc).isoformat(timespec="seconds")
    return [f"events wait in the spool: what came from {since} on, until they were read, was left to the engine"]
