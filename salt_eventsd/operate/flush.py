"""
What ``salt-run eventsd.flush`` does: has the engine write at once what waits, and looks until that is written.
"""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

from salt_eventsd.engine.control import ask
from salt_eventsd.exceptions import EventsdError

#: How often it is looked whether all is written.
_LOOK_SECONDS = 0.2


def flush(path: Path, worker: str | None = None, seconds: float = 30.0) -> dict[str, Any]:
    """
    Have a running engine write what waits, and return what came of it, with ``retcode`` 0 if all of it has left the
    spool, 1 if some still waits, and 2 if nothing could be asked for.

    :param path: of the engine's control socket.
    :param worker: only what waits for this worker; None for all.
    :param seconds: how long to look.
    :raises EventsdError: there is no engine, it does not answer, or ``seconds`` is no time.
    """
    try:
        longest = float(seconds)
    except (TypeError, ValueError):
        longest = math.nan
    if not 0 <= longest < math.inf:
        raise EventsdError(f"eventsd: seconds: expected a number of seconds, got {seconds!r}")
    began = ask(path, "flush", worker=worker)
    if began["retcode"]:
        return began
    until = time.monotonic() + longest
    before, now = began["workers"], began["workers"]
    while _left(before, now) and time.monotonic() < until:
        time.sleep(_LOOK_SECONDS)
        now = ask(path, "waiting", worker=worker)["workers"]
    left = _left(before, now)
    written = {name: one["written"] - before[name]["written"] for name, one in now.items() if name in before}
    answer: dict[str, Any] = {"written": written, "waiting": left, "retcode": 1 if left else 0}
    if paused := [name for name, one in now.items() if one["paused"]]:
        answer["paused"] = paused
    if errors := {name: one["error"] for name, one in now.items() if one["error"] and name in left}:
        answer["errors"] = errors
    return answer


def _left(before: dict[str, Any], now: dict[str, Any]) -> dict[str, int]:
    """Return how many of the events that waited before still wait, by worker; paused ones need not be waited for."""
    left = {}
    for name, one in now.items():
        if name in before and not one["paused"]:
            still = before[name]["waiting"] - (one["gone"] - before[name]["gone"])
            if (count := min(still, one["waiting"])) > 0:
                left[name] = count
    return left
