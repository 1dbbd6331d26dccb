"""
The status of a writer: its last report, and whether to believe it; as data, and as a page for people.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import msgspec

from salt_eventsd.common import moments
from salt_eventsd.common.machine import is_alive
from salt_eventsd.writer.told.report import LaneReport, Report

#: An older report is late: a healthy writer writes one every other second.
_LATE_SECONDS = 6.0
#: If a report is older than this, and than so many ``state_timer``, its writer is as good as down.
_HANGING_SECONDS = 15.0
_STALE_TIMERS = 4

Told = dict[str, Any]


def status(path: Path, problems: list[str]) -> Told:
    """
    Return the status as an operator sees it, with ``retcode`` 0 (well), 1 (degraded) or 2 (down or wrong).

    :param path: the state file.
    :param problems: what is wrong with the configuration on disk.
    """
    wrong = [f"the configuration on disk is wrong: {problem}" for problem in problems]
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Report)
    except FileNotFoundError:
        return _down(f"no writer has run here: there is no {path}", *wrong)
    except OSError as exc:
        return _down(f"eventsd: state_file: {path} cannot be read: {exc.strerror or exc}", *wrong)
    except msgspec.DecodeError as exc:
        return _down(f"{path} is not of this version of salt-eventsd: {exc}", *wrong)
    age = found.clock.age
    age = time.time() - found.written if age is None else age
    workers = {name: _worker(one) for name, one in found.workers.items()}
    if found.ended or not is_alive(found.pid):
        then = f"not running; it last reported at {_moment(found.written)}, and what is told below is of then"
        return {**_down(then, *wrong), "workers": workers}
    late = [f"the writer stands still: its last report is {age:.0f} s old"] if age > _LATE_SECONDS else []
    notes = [*late, *(one.text for one in found.problems), *wrong]
    is_as_good_as_down = age > max(_STALE_TIMERS * found.timer, _HANGING_SECONDS)
    return {
        "state": ("hanging" if late else "degraded") if notes else "well",
        "running": True,
        "since": _moment(found.started),
        "version": found.version,
        "pid": found.pid,
        "notes": notes,
        "workers": workers,
        "retcode": 2 if is_as_good_as_down else 1 if notes else 0,
    }


def page(told: Told) -> str:
    """
    Return a status as text.

    :param told: from :func:`status`.
    """
    since = f" since {told['since']}, version {told['version']}, pid {told['pid']}" if told["running"] else ""
    lines = [f"writer: {told['state']}{since}", *(f"! {note}" for note in told["notes"])]
    for name, worker in told.get("workers", {}).items():
        for label, one in ((name, worker), *((f"{name}, rule {rule}", one) for rule, one in worker["rules"].items())):
            lines.append(f"{label}: {_line(one)}")
    return "\n".join(lines)


def _line(one: Told) -> str:
    parts = [one["state"], f"written {one['written']:,}", f"buried {one['buried']:,}"]
    if one["already"]:
        parts.append(f"written before {one['already']:,}")
    if "waiting" in one:
        parts.append(f"waiting {one['waiting']:,} parcels")
        parts.append(f"unacknowledged {one['unacknowledged']:,} ({one['redelivered']:,} redelivered)")
        parts.append(f"lag {one['lag_seconds']:.0f} s")
    if one["retries"]:
        parts.append(f"failed tries {one['retries']:,}")
    return ", ".join([*parts, f"last write {one['last_write']}"])


def _worker(found: LaneReport) -> Told:
    told = msgspec.to_builtins(found)
    rules = {name: _flat(one) for name, one in told.pop("rules", {}).items()}
    return {**_flat(told), "rules": rules}


def _flat(told: Told) -> Told:
    counts = told.pop("counts")
    return {**told, "last_write": _moment(told["last_write"]), **counts}


def _down(*notes: str) -> Told:
    return {"state": "down", "running": False, "notes": list(notes), "retcode": 2}


def _moment(seconds: float) -> str:
    return moments.told(seconds) if seconds else "never"
