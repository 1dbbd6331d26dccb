"""
``python -m benchmarks``: run the chosen benchmarks and print the figures as text, CPU time also in yardsticks, and what
of it is worse than the baseline. ``--json FILE`` also writes JSON. ``python -m benchmarks fleet`` is
:mod:`benchmarks.fleet`.

Progress goes to stderr, tables to stdout.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import salt.version

import salt_eventsd
from benchmarks import engine, event_return, rules, stages, verdict, writing
from benchmarks.carry import Figures
from benchmarks.databases import KINDS, POSTGRESQL, Databases
from benchmarks.fleet import __main__ as fleet
from benchmarks.rig import RigError
from benchmarks.table import plain, render
from benchmarks.targets import FEW_CHANGES, targets
from benchmarks.yardstick import Yardsticks
from salt_eventsd.common.heap import collect_rarely
from salt_eventsd.event.parse import Event

#: The sections that ``--only`` may name, besides the databases.
SECTIONS = ("stages", "burst", "latency", "highstate", "event_return")
_QUICK_EVENTS = 5000


class Bench:
    """
    Makes the runs, and keeps the figures of each section.

    :param sizes: how many events to fire.
    :param databases: the databases to write into.
    :param folder: a folder for files.
    :ivar yardsticks: what this machine's yardstick takes, before and after each run.
    """

    def __init__(self, sizes: argparse.Namespace, databases: Databases, folder: Path) -> None:
        self.figures: dict[str, list[Figures]] = {}
        self.failed: list[str] = []
        self._sizes = sizes
        self._databases = databases
        self._folder = folder
        self.yardsticks = Yardsticks()
        self._of_run: list[Figures] = []

    def stages(self, kinds: list[str]) -> None:
        """Time each step alone."""
        # As in the engine: else the collector takes a sixth of the time.
        collect_rarely()
        events: list[Event] = []
        with self._run("stages: in this process"):
            rows, events = stages.without_database(self._folder, self._sizes.staged)
            self._add("stages", rows)
        with self._run("stages: matching"):
            self._add("stages", rules.matching(self._sizes.staged))
        with self._run("stages: listening to a bus"):
            self._add("stages", stages.listening(self._sizes.staged, self._sizes.highstates))
        for kind in kinds if events else ():
            with self._run(f"stages: writing to {kind}"):
                folder = self._folder / f"stages-{kind}"
                folder.mkdir()
                fresh = self._fresh(kind)
                self._add("stages", writing.writing(kind, fresh, folder, events))

    def burst(self, kind: str) -> None:
        """Fire the burst into the engine."""
        server = self._databases.process(kind)
        self._one("burst", f"engine, {kind}", lambda: engine.burst(self._fresh(kind)(), self._sizes.events, server))

    def latency(self, kind: str) -> None:
        """Fire at a steady rate, then prio events beside it."""
        seconds = self._sizes.seconds
        name = f"{engine.STEADY_RATE}/s, {kind}"
        self._one("latency", name, lambda: engine.latency(self._fresh(kind)(), seconds))
        name = f"{engine.PRIO_RATE}/s prio beside it, {kind}"
        self._one("latency", name, lambda: engine.prio(self._fresh(kind)(), seconds))

    def highstate(self, kind: str) -> None:
        """Fire returns of state runs in which everything has changed, and such in which little has."""
        self._one("highstate", f"engine, {kind}", partial(self._highstate, kind, False))
        self._one("highstate", f"engine, {kind}{FEW_CHANGES}", partial(self._highstate, kind, True))

    def event_return(self) -> None:
        """Fire the burst into Salt's own ``event_return``."""
        for queue in event_return.QUEUES:
            name = f"event_return, queue {queue or 'default'}"
            self._one("burst", name, partial(self._event_return, queue))

    def _highstate(self, kind: str, usual: bool) -> Figures:
        server = self._databases.process(kind)
        return engine.highstate(self._fresh(kind)(), self._sizes.highstates, usual, server)

    def _event_return(self, queue: int) -> Figures:
        return event_return.burst(self._fresh(POSTGRESQL)(), self._sizes.events, queue)

    def _one(self, section: str, name: str, run: Callable[[], Figures]) -> None:
        with self._run(f"{section}: {name}"):
            self._add(section, [{"run": name, **run()}])

    def _fresh(self, kind: str) -> Callable[[], str]:
        return lambda: self._databases.fresh(kind)

    def _add(self, section: str, rows: list[Figures]) -> None:
        self._of_run += rows
        self.figures.setdefault(section, []).extend(rows)

    @contextmanager
    def _run(self, what: str) -> Iterator[None]:
        """Say how long a run took, and a yardstick then. A run that fails is named, and the others go on."""
        say(f"{what} ...")
        self._of_run = []
        began = time.monotonic()
        try:
            yield
            said = f"{time.monotonic() - began:.1f} s"
        except Exception as exc:
            self.failed.append(what)
            said = f"FAILED: {type(exc).__name__}: {exc}"
        say(f"{what}: {said}; a yardstick was {self.yardsticks.tell(self._of_run):.2f} us")


def main() -> int:
    """Return the exit code: 0, or 1 if a run could not be made or, asked for, a figure is worse than its baseline."""
    if sys.argv[1:2] == ["fleet"]:
        return fleet.main(sys.argv[2:])
    chosen = _arguments()
    # Ends the ``with`` blocks, and with them the masters and servers.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    began = time.monotonic()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True)))
        try:
            databases = Databases(folder, stack, chosen.servers, say)
        except RigError as exc:
            say(f"FAILED: {exc}")
            return 1
        bench = Bench(chosen, databases, folder)
        kinds = [kind for kind in chosen.kinds if kind in databases.kinds]
        if "stages" in chosen.sections:
            bench.stages(kinds)
        for section in ("burst", "latency", "highstate"):
            for kind in kinds if section in chosen.sections else ():
                getattr(bench, section)(kind)
        if "event_return" in chosen.sections and POSTGRESQL in databases.kinds:
            bench.event_return()
        versions = databases.versions()
    found = targets(bench.figures)
    for section, rows in {**bench.figures, "targets": found}.items():
        if rows:
            print(f"\n{render(section, rows)}")
    about = _about(chosen, time.monotonic() - began, statistics.mean(bench.yardsticks.taken), versions)
    if chosen.json:
        chosen.json.write_text(json.dumps(plain({**about, **bench.figures, "targets": found}), indent=1) + "\n")
    passes = verdict.given(chosen, f"bench of {chosen.events:,} events", about, bench.figures, say)
    say(f"{time.monotonic() - began:.0f} s in all")
    for what in (*databases.missing, *bench.failed):
        say(f"NOT MEASURED: {what}")
    return 1 if bench.failed or not passes else 0


def say(text: str) -> None:
    """Print a message that is not a result."""
    print(text, file=sys.stderr, flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure what the engine carries.")
    names = (*KINDS, *SECTIONS)
    parser.add_argument("--events", type=int, metavar="N", help="returns in the burst (30000)")
    parser.add_argument("--highstates", type=int, metavar="N", help="returns of state runs (500)")
    parser.add_argument("--only", default="", metavar="NAME,...", help=f"some of {', '.join(names)}")
    parser.add_argument("--quick", action="store_true", help=f"{_QUICK_EVENTS} returns, and less of everything")
    verdict.add_arguments(parser)
    chosen = parser.parse_args()
    only = [name for name in chosen.only.split(",") if name]
    if unknown := [name for name in only if name not in names]:
        parser.error(f"--only: no {', '.join(unknown)}; there are {', '.join(names)}")
    chosen.sections = [name for name in SECTIONS if name in only] or list(SECTIONS)
    chosen.kinds = [kind for kind in KINDS if kind in only] or list(KINDS)
    chosen.servers = [
        kind
        for kind in KINDS
        if (kind in chosen.kinds and chosen.sections != ["event_return"])
        # event_return needs PostgreSQL, also where the engine is measured with other databases only.
        or (kind == POSTGRESQL and "event_return" in only)
        or (kind == POSTGRESQL and POSTGRESQL in chosen.kinds and "event_return" in chosen.sections)
    ]
    chosen.events = chosen.events or (_QUICK_EVENTS if chosen.quick else 30_000)
    if chosen.events < 1:
        parser.error("--events: expected 1 or more")
    chosen.staged = min(chosen.events, 20_000) if chosen.events > 1000 else 1000
    chosen.highstates = chosen.highstates or (100 if chosen.quick else 500)
    chosen.seconds = 5.0 if chosen.quick else 15.0
    return chosen


def _about(chosen: argparse.Namespace, seconds: float, yardstick_us: float, versions: dict[str, str]) -> dict[str, Any]:
    return {
        "salt_eventsd": salt_eventsd.__version__,
        "salt": salt.version.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "databases": versions,
        "sections": chosen.sections,
        "events": chosen.events,
        "yardstick us": round(yardstick_us, 2),
        "seconds": round(seconds),
    }


if __name__ == "__main__":
    sys.exit(main())
