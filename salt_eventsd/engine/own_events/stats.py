"""
The engine's own counters as an event, so that rules can route them like any other event.

The event has the tag ``eventsd/stats`` and a payload of numbers: ``{"bus": {"received": 12, ...}, "spool": {...},
"workers": {"history": {"written": 9, ...}}, "process": {"rss_bytes": ..., "cpu_seconds": ...}}``.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from salt_eventsd.event.frame import STATS_TAG, pack_frame

#: The parts of a report that hold counters.
_PARTS = ("bus", "spool", "workers")


def stats_frame(data: Mapping[str, Any]) -> bytes:
    """
    Return a report's numbers as a frame such as the bus carries.

    :param data: the report, from :func:`salt_eventsd.engine.state_file.to_data`.
    """
    payload = {key: _numbers(data[key]) for key in _PARTS if key in data}
    payload["process"] = {"rss_bytes": _rss_bytes(), "cpu_seconds": time_used()}
    payload["_stamp"] = datetime.now(timezone.utc).replace(tzinfo=None).isoformat()
    return pack_frame(STATS_TAG, payload)


def time_used() -> float:
    """Return the processor time this process has used, in seconds."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return round(used.ru_utime + used.ru_stime, 3)


def _numbers(value: Any) -> Any:
    """Keep the numbers of a mapping, at any depth; a state (connected, full) counts as 0 or 1."""
    if isinstance(value, Mapping):
        found = {key: _numbers(one) for key, one in value.items()}
        return {key: one for key, one in found.items() if one is not None and one != {}}
    if isinstance(value, bool):
        return int(value)
    return value if isinstance(value, (int, float)) else None


def _rss_bytes() -> int:
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
