"""
The engine's own numbers in a history, as a worker ``stats`` writes them.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from tests.support import backends
from tests.support.events import fired
from tests.support.stores import settled


def fill_numbers(url: str) -> None:
    """
    The engine's numbers of half a day, one an hour, in which it was started anew once: it received 10 events an hour,
    lost one in all, and the worker history has been down since the last hour.

    :param url: of the database.
    """
    start = datetime.now(timezone.utc) - timedelta(hours=12)
    events = []
    for hour in range(12):
        since = hour if hour < 6 else hour - 6
        worker = {"up": int(hour < 11), "queued_events": 5 * (hour == 11), "oldest_age": 0.5, "written": 8 * since}
        counts = {"buried": 0, "dropped": 0, "retries": int(hour == 11), "dead_letters": 0}
        numbers = {
            "bus": {"received": 10 * since, "matched": 9 * since, "lost": int(2 < hour < 6), "gaps_noticed": 0},
            "workers": {"history": {**worker, **counts, "rules": {"raid": {**worker, **counts}}}},
            "spool": {"bytes": 4096, "oldest_seconds": 0.5},
            "process": {"rss_bytes": 1 << 27, "cpu_seconds": 0.25 * since},
        }
        stamp = (start + timedelta(hours=hour)).replace(tzinfo=None).isoformat()
        events.append(fired("eventsd/stats", {**numbers, "_stamp": stamp}))
    writing = backends.worker("stats", {"url": url, "keep": "forever"})
    settled(writing, events)
    writing.close()  # type: ignore[attr-defined]  # optional
