"""Convert the daemon's own settings, ``general``."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from salt_eventsd.config.checks import MOST_THREADS, is_path
from salt_eventsd.operate.convert.block import Block
from salt_eventsd.operate.convert.notes import Notes

_DAY = 86_400
#: What an engine inside the master does not need -> why.
_NEEDLESS = {
    "sock_dir": "the engine uses the sock_dir of the master (or minion) it runs in",
    "id": "the engine uses the id of the master (or minion) it runs in",
    "pidfile": "there is no daemon; the engine is a process of the master",
    "logfile": "the engine logs into the master's log",
    "loglevel": "the engine logs with the master's log_level",
    "backends": "a worker names its module, and Salt's loader finds it",
    "debug": "it had no effect",
}
#: Numbers that are called what they were -> what is to be said of them.
_NUMBERS = {
    "max_workers": ["Threads. 4 do for most: each writes a whole batch at once."],
    "state_timer": [],
}
#: Keys that are seen to elsewhere.
_ELSEWHERE = ("backend_dir", "stat_worker", "node")


def general_keys(general: Mapping[str, Any], notes: Notes) -> Block:
    """
    Return the keys that stand directly under ``eventsd:`` today.

    :param general: the old settings.
    :param notes: what is to be said goes there.
    """
    made = Block()
    for key, comment in _NUMBERS.items():
        value = _number(general, key, notes)
        if value is not None:
            made.put(key, value, *comment)
    path = general.get("state_file")
    if isinstance(path, str) and is_path(path):
        made.put("state_file", path, "It holds JSON today. The master's user must be able to write it.")
    elif path:
        notes.lose(f"general.state_file: expected an absolute path, got {path!r}; today's default is used")
    for key, why in _NEEDLESS.items():
        if key in general:
            notes.drop(f"general.{key}: {why}")
    if general.get("node") == "minion":
        notes.choose("general.node was minion: save this in /etc/salt/minion.d, and restart the minion instead.")
    elif "node" in general:
        notes.drop("general.node: the engine reads the bus of the master (or minion) that starts it")
    known = {"event_limit", "dump_timer", "max_workers", "state_timer", "state_file", *_NEEDLESS, *_ELSEWHERE}
    for key in general:
        if key not in known:
            notes.lose(f"general.{key}: not known; 0.9.3 had no such setting")
    return made


def batch(general: Mapping[str, Any], notes: Notes) -> dict[str, Any]:
    """
    Return when a batch is written.

    :param general: the old settings.
    :param notes: what is to be said goes there.
    """
    events, seconds = _number(general, "event_limit", notes), _number(general, "dump_timer", notes)
    return {
        **({"events": int(events)} if events is not None else {}),
        **({"seconds": seconds} if seconds is not None else {}),
    }


def _number(general: Mapping[str, Any], key: str, notes: Notes) -> int | float | None:
    value = general.get(key)
    if value is None:
        return None
    is_seconds = key in ("dump_timer", "state_timer")
    most = {"max_workers": MOST_THREADS, "event_limit": sys.maxsize}.get(key, _DAY)
    try:
        number = -1.0 if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = -1.0
    if not (0 < number <= most) or (number < 1 and not is_seconds):
        limit = f" and up to {most}" if most < sys.maxsize else ""
        notes.lose(f"general.{key}: expected a number above 0{limit}, got {value!r}; today's default is used")
        return None
    return number if is_seconds and number != int(number) else int(number)
