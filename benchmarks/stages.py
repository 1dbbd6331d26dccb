"""
Measures each step of the data path alone, in this process and without Salt's daemons, to show where a regression is.
Each step gets what the engine's own threads give it: frames in lots, of which many are looked at together.

Only *listening* has a master: it reads a real bus into a sink that does nothing. That cost is Salt's and Python's, and
the least that an engine can have.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import fire
from benchmarks.carry import Figures
from benchmarks.fire import Gun
from benchmarks.rig import RigError, master, master_opts
from benchmarks.table import percentile
from salt_eventsd.bus.inbox import Inbox
from salt_eventsd.bus.listen import Bus
from salt_eventsd.config.structs import RedactConfig, WorkerConfig, default_events
from salt_eventsd.database.dialects import SQLite
from salt_eventsd.database.rows import RowBuilder
from salt_eventsd.dispatch.backoff import Backoff
from salt_eventsd.dispatch.lane import Lane
from salt_eventsd.event.chunk import Chunk, encode_events
from salt_eventsd.event.parse import Event
from salt_eventsd.intake.glance import glance
from salt_eventsd.intake.origin import Origins
from salt_eventsd.intake.pipeline import Pipeline
from salt_eventsd.redact import compile_redactor
from salt_eventsd.rules.compile import compile_rules
from salt_eventsd.spool.keep import Spool
from salt_eventsd.workers.write import Batch

#: How many events a commit of 0.1 s has at the speed of the bus.
CHUNK_EVENTS = 900
#: How many small events the reader hands over at a time.
LOT_EVENTS = 200
WORKER = "history"
#: So many chunks wait while some are claimed, of so many events each: a batch takes ten of them.
_WAITING, _EVENTS_A_CHUNK, _CLAIMS = 100_000, 100, 50
#: So many highstates of 100 KB are looked through, with this in one of their comments.
_TELLING, _TELLS = 20, "the token was renewed"
_WAIT_SECONDS = 90.0
#: A bus on a busy machine may pass nothing on for seconds. After so long, an event counts as missed and not as late.
_QUIET_SECONDS = 12.0


@dataclass
class Stopwatch:
    """Collects a row of figures for each step that is timed."""

    rows: list[Figures] = field(default_factory=list)

    @contextmanager
    def time(self, stage: str, events: int) -> Any:
        """
        Time the ``with`` block.

        :param stage: the name of the step.
        :param events: how many events go through it.
        """
        cpu, began = time.process_time(), time.perf_counter()
        yield
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
        self.add(stage, events, seconds, cpu)

    def add(self, stage: str, events: int, seconds: float, cpu: float) -> None:
        """Add a row."""
        self.rows.append({"stage": stage, "events/s": events / seconds, "CPU us/event": cpu / events * 1e6})


def without_database(folder: Path, events: int) -> tuple[list[Figures], list[Event]]:
    """
    Time the steps from the inbox to the rows, and return the figures and the events.

    :param folder: for a spool.
    :param events: how many.
    """
    watch = Stopwatch()
    raw = [fire.unframed(one) for one in fire.returns(events)]
    # These events make what a process makes only once.
    for one in raw[:100]:
        _pipeline().take(one, time.time())

    lots = parts([(one, time.time()) for one in raw], LOT_EVENTS)
    inbox = Inbox()
    frames: list[tuple[bytes, float]] = []
    with watch.time("inbox: put and take", events):
        for lot in lots:
            inbox.extend(lot)
            frames += inbox.take(0.0)
    pipeline = _pipeline()
    found: list[Event] = []
    with watch.time("parse, match, redact", events):
        for some, cleared_by in glance(frames, lambda: pipeline.redactor, pipeline.may_take):
            for one, received in some:
                found += [event for _, event in pipeline.take(one, received, None, cleared_by).destinations]

    spool = Spool(folder / "spool")
    try:
        with watch.time(f"spool: keep chunks of {CHUNK_EVENTS}", events):
            kept = [chunk.id for part in parts(found, CHUNK_EVENTS) for chunk in spool.put([chunk_of(part)])]
        with watch.time("spool: load chunks", events):
            for id_ in kept:
                spool.read(id_)
    finally:
        spool.close()
    builder = RowBuilder("bench-master", SQLite())
    with watch.time("build rows", events):
        for event in found:
            builder.rows(event)
    _look_through(watch)
    _claim(watch, folder / "waiting")
    return watch.rows, found


class _Nowhere:
    """A worker that is never asked to write."""

    def write(self, batch: Batch) -> None:
        """See :class:`Worker`."""


def _look_through(watch: Stopwatch) -> None:
    """Time what a highstate costs the intake that may hold a secret, and one that cannot."""
    pipeline = _pipeline()
    plain = [fire.unframed(one) for one in fire.usual_highstates(_TELLING, 200)]
    telling = [fire.unframed(one) for one in fire.usual_highstates(_TELLING, 200, _TELLS)]
    for what, raws in (("nothing found", plain), (f"{_TELLS!r} in it", telling)):
        with watch.time(f"parse, match, redact: 100 KB, {what}", len(raws)):
            for some, cleared_by in glance([(one, 0.0) for one in raws], lambda: pipeline.redactor, pipeline.may_take):
                for one, received in some:
                    pipeline.take(one, received, None, cleared_by)


def _claim(watch: Stopwatch, folder: Path) -> None:
    """Time how the next batch is found while much waits."""
    spool = Spool(folder)
    try:
        chunk = Chunk(WORKER, False, _EVENTS_A_CHUNK, 0.0, encode_events([]))
        spool.put([chunk] * _WAITING)
        there, newest = spool.totals()[WORKER], spool.newest_id()
        seconds: list[float] = []
        cpu: list[float] = []
        for _ in range(_CLAIMS):
            # With one in flight, a lane gives no other.
            lane = Lane(WORKER, WorkerConfig(), _Nowhere(), "", spool, Backoff())
            lane.backlog.restore(there, newest)
            began, own = time.perf_counter(), time.thread_time()
            claimed, _ = lane.claim(time.time())
            seconds.append(time.perf_counter() - began)
            cpu.append(time.thread_time() - own)
            if not claimed:
                raise RigError("nothing was claimed")
        what = f"dispatch: claim a batch of {_WAITING:,} waiting chunks"
        watch.add(what, 1, percentile(seconds, 50), percentile(cpu, 50))
    finally:
        spool.close()


def listening(events: int, highstates: int) -> list[Figures]:
    """
    Time the reading of a real bus, with a sink that counts.

    :param events: how many small returns.
    :param highstates: how many returns of 100 KB.
    """
    watch = Stopwatch()
    with master({}) as running:
        small = fire.returns(events)
        large = fire.highstates(highstates, 100_000)
        opts = master_opts(running)
        for stage, frames in (("listen: small returns", small), ("listen: returns of 100 KB", large)):
            seconds, cpu, read = _listen(opts, running.pull_socket, frames)
            watch.add(stage, read, seconds, cpu)
            watch.rows[-1]["MB/s"] = sum(map(len, frames)) / 1e6 * read / len(frames) / seconds
            watch.rows[-1]["missed"] = len(frames) - read
    return watch.rows


def parts(items: Sequence[Any], size: int) -> list[Sequence[Any]]:
    """Cut a sequence into parts of a size."""
    return [items[start : start + size] for start in range(0, len(items), size)]


def chunk_of(events: Sequence[Event]) -> Chunk:
    """Return a chunk of events."""
    return Chunk(WORKER, False, len(events), events[0].received, encode_events(events))


def _listen(opts: dict[str, Any], pull_socket: Path, frames: Sequence[bytes]) -> tuple[float, float, int]:
    read = 0
    cpu_before = cpu_after = 0.0
    last = time.monotonic()

    def sink(raws: list[bytes]) -> None:
        nonlocal read, last, cpu_before, cpu_after
        if not read:
            cpu_before = time.thread_time()
        # The master fires events of its own.
        read += sum(raw.startswith(b"salt/job/") for raw in raws)
        if read == len(frames):
            cpu_after = time.thread_time()
        last = time.monotonic()

    bus = Bus({**opts, "__role": "master"}, sink)
    thread = threading.Thread(target=bus.run, name="bench-listen", daemon=True)
    thread.start()
    _until(lambda: bus.connected)
    gun = Gun(pull_socket)
    began = last = time.monotonic()
    gun.burst(frames)
    _until(lambda: read == len(frames) or time.monotonic() - last > _QUIET_SECONDS)
    gun.close()
    bus.stop()
    thread.join(_WAIT_SECONDS)
    if not read:
        raise RigError("the bus passed nothing on")
    return last - began, cpu_after - cpu_before if cpu_after else float("nan"), read


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _WAIT_SECONDS
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)


def _pipeline() -> Pipeline:
    redact = RedactConfig()
    return Pipeline(
        rules=compile_rules(default_events(WORKER)),
        redactor=compile_redactor(redact.keys, redact.values, redact.by_function),
        origins=Origins(places=frozenset([WORKER])),
    )
