"""
``python -m benchmarks.soak``: returns at bus speed for minutes, through a real master's bus into a real database.

It answers two questions: is every event there once, and do the engine and the master's EventPublisher end with as much
memory and as many open files as they began with? ``SOAK_SECONDS`` (600) is the time, ``SOAK_DATABASE`` (postgresql) the
database.

It fires as fast as the bus takes events, and pauses only while more than so many events wait for the database. If the
database is slower than the bus, a backlog would otherwise fill the disk and say nothing about memory.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa

from benchmarks import fire
from benchmarks.carry import Figures
from benchmarks.databases import KINDS, POSTGRESQL, Databases, reader
from benchmarks.fire import Gun
from benchmarks.rig import Master, Process, RigError, master
from benchmarks.table import render

#: How many events are sent to the bus at once.
_VOLLEY = 5000
#: How many events may wait for the database.
_MOST_WAITING = 50_000
#: How often memory and files are measured.
_SAMPLE_SECONDS = 2.0
#: How long writing the rest of the spool at the end may take.
_DRAIN_SECONDS = 120.0
#: Buffers fill at the beginning, so the second fifth is compared with the last.
_PARTS = 5
#: The growth that still counts as flat: in MiB, as a fraction, and in open files.
_MORE_MB, _MORE_PART, _MORE_FILES = 8.0, 0.1, 2


class Samples:
    """
    Memory and open files of a process over time.

    :param name: the name of the process, for the table.
    :param process: the process.
    """

    def __init__(self, name: str, process: Process) -> None:
        self.name = name
        self._process = process
        self._mb: list[float] = []
        self._files: list[int] = []

    def take(self) -> None:
        """Take one sample."""
        self._mb.append(self._process.resident_mb())
        self._files.append(self._process.open_files())

    def figures(self) -> Figures:
        """Return the figures, and whether they were flat."""
        early_mb, late_mb = early_and_late(self._mb)
        early_files, late_files = early_and_late(self._files)
        return {
            "process": self.name,
            "MB early": early_mb,
            "MB late": late_mb,
            "MB peak": max(self._mb),
            "files early": early_files,
            "files late": late_files,
            "flat": is_flat(early_mb, late_mb, early_files, late_files),
        }


def early_and_late(values: Sequence[float]) -> tuple[float, float]:
    """
    Return the medians of the second and of the last fifth.

    :param values: in order, at least five.
    """
    part = len(values) // _PARTS
    return statistics.median(values[part : 2 * part]), statistics.median(values[-part:])


def is_flat(early_mb: float, late_mb: float, early_files: float, late_files: float) -> bool:
    """Say whether a process has not grown more than it normally varies."""
    return late_mb - early_mb <= _MORE_MB + _MORE_PART * early_mb and late_files - early_files <= _MORE_FILES


def main() -> int:
    """Return the exit code: 0 if nothing was lost and nothing grew, else 1."""
    seconds = float(os.environ.get("SOAK_SECONDS", "600"))
    kind = os.environ.get("SOAK_DATABASE", POSTGRESQL)
    if kind not in KINDS:
        return _fail(f"SOAK_DATABASE: expected one of {', '.join(KINDS)}, got {kind}")
    if seconds < _PARTS * _SAMPLE_SECONDS:
        return _fail(f"SOAK_SECONDS: expected at least {_PARTS * _SAMPLE_SECONDS:.0f}, got {seconds:g}")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="soak-", ignore_cleanup_errors=True)))
        try:
            databases = Databases(folder, stack, [kind], _say)
            if databases.missing:
                return _fail(databases.missing[0])
            url = databases.fresh(kind)
            options = {"engines": ["eventsd"], "eventsd": {"workers": {"history": {"url": url}}, "state_timer": 1}}
            running = stack.enter_context(master(options))
            database = reader(url)
            stack.callback(database.dispose)
            tables, well = _soak(running, database, seconds)
        except RigError as exc:
            return _fail(str(exc))
    for title, rows in tables.items():
        print(f"\n{render(title, rows)}")
    print(f"\n{'nothing lost, and flat' if well else 'NOT WELL'}")
    return 0 if well else 1


def _soak(running: Master, database: sa.Engine, seconds: float) -> tuple[dict[str, list[Figures]], bool]:
    engine = running.engine()
    samples = [Samples("engine", engine), Samples("EventPublisher", running.child("EventPublisher"))]
    gun = Gun(running.pull_socket)
    # Each volley has its own jids, so that each event differs from all others.
    volley = fire.returns(_VOLLEY)
    fired = volleys = 0
    paused = 0.0
    cpu = engine.cpu_seconds()
    began = sampled = told = time.monotonic()
    while (now := time.monotonic()) - began < seconds:
        if now - sampled >= _SAMPLE_SECONDS:
            sampled = now
            for one in samples:
                one.take()
        if now - told >= 30:
            told = now
            _say(f"{now - began:.0f} s: {fired} events fired, {_lane(running)['queued_events']} wait in the spool")
        if fired - _written(running) > _MOST_WAITING:
            paused += 0.05
            time.sleep(0.05)
            continue
        gun.burst(_renumbered(volley, volleys))
        volleys += 1
        fired += _VOLLEY
    took = time.monotonic() - began
    deadline = time.monotonic() + _DRAIN_SECONDS
    while _written(running) < fired and time.monotonic() < deadline:
        time.sleep(0.5)
    cpu = engine.cpu_seconds() - cpu
    report = _report(running)
    with database.connect() as connection:
        rows = connection.exec_driver_sql("SELECT count(*) FROM eventsd_returns").scalar_one()
        stored = connection.exec_driver_sql(
            "SELECT count(*) FROM (SELECT DISTINCT jid, minion_id FROM eventsd_returns) AS one"
        ).scalar_one()
    processes = [one.figures() for one in samples]
    events: Figures = {
        "fired": fired,
        "stored": stored,
        "lost": fired - stored,
        "doubled": rows - stored,
        "gaps": len(report["bus"]["gaps"]),
        "dead letters": report["workers"]["history"]["dead_letters"],
        "seconds": took,
        "events/s": fired / took,
        "paused s": paused,
        "CPU us/event": cpu / fired * 1e6,
    }
    well = fired == stored == rows and not events["gaps"] and all(one["flat"] for one in processes)
    return {"events": [events], "processes": processes}, well


def _renumbered(volley: Sequence[bytes], number: int) -> list[bytes]:
    """Return a volley's events with jids that no other volley has."""
    frames: list[bytes] = []
    for first in range(0, len(volley), fire.MINIONS):
        old, new = (fire.identity(at)[0].encode() for at in (first, number * len(volley) + first))
        frames += [one.replace(old, new) for one in volley[first : first + fire.MINIONS]]
    return frames


def _report(running: Master) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode((running.folder / "cache" / "eventsd" / "status.json").read_bytes())
    return found


def _lane(running: Master) -> dict[str, Any]:
    found: dict[str, Any] = _report(running)["workers"]["history"]
    return found


def _written(running: Master) -> int:
    return int(_lane(running)["written"])


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _fail(why: str) -> int:
    _say(f"FAILED: {why}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
