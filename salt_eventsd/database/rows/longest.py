"""
Marks of states that took long: of each run, the one that took longest; and all that took a second.

So the slowest of any time are found among what is marked, and the other states of the same runs. A mark too many only
costs its place in the index. Pure: no database in here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from salt_eventsd.database.rows.cells import Row
from salt_eventsd.database.schema import SLOW_MS


def mark_longest(rows: Iterable[Row]) -> None:
    """
    Mark rows of states, besides those that have a mark. Those of one job, minion and time are a run.

    :param rows: whole runs, or a part of one by itself.
    """
    longest: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        took = row["duration_ms"]
        is_marked = row.get("slow_ms") is not None
        row["slow_ms"] = took if is_marked or (took is not None and took >= SLOW_MS) else None
        if took is None:
            continue
        run = (row["jid"], row["minion_id"], row["stamp"])
        if run not in longest or longest[run]["duration_ms"] < took:
            longest[run] = row
    for row in longest.values():
        row["slow_ms"] = row["duration_ms"]
