"""
The rig of the fault tests: an engine that can be killed, on the bus of a real master, and numbered events for it.

Each test checks two properties after a fault. *Conservation*: every event fired is in the database once, or is a dead
letter, or is one that no engine can have kept (:meth:`Rig.conserved`). *Liveness*: an event fired after the fault is
written within so many seconds (:meth:`Rig.lives`).
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import psutil

from salt_eventsd.spool.dead_letters import Filter, listed
from tests.support.salt import History, RawBus, wait_until

#: How long events wait for others before they are committed to the spool.
COMMIT_SECONDS = 0.1
#: How long an event takes from its sender through the bus to the engine, in seconds. A longer time seen is added.
UNDER_WAY_SECONDS = 0.3
#: Events that are not written after so long are missing.
_STILL_COMING_SECONDS = 20.0
_ROOT = Path(__file__).parents[2]
_jids = itertools.count(900_001)


class Stream:
    """
    Numbered returns of one job, each with the time it was fired. A thread fires them within :meth:`firing`.

    :param connect: connects to the bus; called again if the bus has gone away.
    :param per_second: how many events per second.
    :param fields: fields that replace those of each payload.
    """

    def __init__(self, connect: Callable[[], RawBus], per_second: int, **fields: Any) -> None:
        self.jid = str(next(_jids))
        self.moments: dict[str, float] = {}
        self._connect = connect
        self._per_second = per_second
        self._fields = fields
        self._stop = threading.Event()

    @contextmanager
    def firing(self) -> Iterator[Stream]:
        """Fire while the block runs."""
        thread = threading.Thread(target=self._run, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            thread.join(30)

    def burst(self, count: int, **fields: Any) -> list[str]:
        """
        Fire so many events at once.

        :param count: how many.
        :param fields: fields that replace those of each payload.
        :returns: their minion ids, which differ.
        """
        names = [f"m{number}" for number in range(len(self.moments), len(self.moments) + count)]
        with self._connect() as bus:
            for name in names:
                bus.fire_returns(self.jid, [name], **{**self._fields, **fields})
                self.moments[name] = time.time()
        return names

    def _run(self) -> None:
        each = max(1, self._per_second // 100)
        while not self._stop.is_set():
            # The bus goes away with its master; events that were not fired do not count.
            with suppress(OSError), self._connect() as bus:
                while not self._stop.wait(each / self._per_second):
                    for _ in range(each):
                        name = f"m{len(self.moments)}"
                        bus.fire_returns(self.jid, [name], **self._fields)
                        self.moments[name] = time.time()
            self._stop.wait(0.05)


class Engine:
    """
    An engine on a master's bus, which a test can start and kill at any time.

    :param folder: the folder of its spool, status and log.
    :param master: the path of the master's configuration.
    :param eventsd: the engine's configuration.
    """

    def __init__(self, folder: Path, master: str, eventsd: dict[str, Any]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.spool = Path(eventsd.get("spool", {}).get("dir", folder / "spool"))
        self._log = folder / "engine.log"
        self._config = folder / "engine.json"
        config = {
            "state_file": str(folder / "status.json"),
            "state_timer": 0.2,
            **eventsd,
            "spool": {"dir": str(self.spool), "commit_seconds": COMMIT_SECONDS, **eventsd.get("spool", {})},
        }
        self._config.write_text(json.dumps({"master": master, "eventsd": config}), encoding="utf-8")
        self._process: subprocess.Popen[bytes] | None = None
        #: Times in which no engine can have kept the events that were fired.
        self.away: list[tuple[float, float]] = []
        #: The times at which it was killed.
        self.kills: list[float] = []
        self._gone_at = 0.0

    @property
    def pid(self) -> int:
        """The process id."""
        assert self._process, "the engine was not started"
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """The log of all its processes so far."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def report(self) -> dict[str, Any]:
        """Return the last report of this process; {} while there is none."""
        try:
            found: dict[str, Any] = json.loads((self.folder / "status.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        return found if found["pid"] == self.pid else {}

    def worker(self, name: str = "history") -> dict[str, Any]:
        """
        Return its report of a worker.

        :param name: the name of the worker.
        """
        found: dict[str, Any] = self.report().get("workers", {}).get(name, {})
        return found

    def story(self) -> str:
        """Return its report, its log and the stacks of its threads, for the text of a failure."""
        if self.running:
            os.kill(self.pid, signal.SIGUSR1)
            time.sleep(0.5)
        return f"{json.dumps(self.report())}\n{self.log[-12_000:]}"

    def start(self, *, listening: bool = True) -> None:
        """
        Start the process.

        :param listening: whether to wait until it reads the bus.
        """
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.engine", str(self._config)],
                cwd=_ROOT,
                env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        if listening:
            self.wait_until_listening()

    def wait_until_listening(self, timeout_seconds: float = 40.0) -> None:
        """
        Wait until it reads the bus.

        :param timeout_seconds: fail after so long.
        """

        def listening() -> bool:
            assert self.running, f"the engine ended:\n{self.log[-4000:]}"
            return bool(self.report().get("bus", {}).get("connected"))

        wait_until(listening, "engine that reads the bus", timeout_seconds)
        if self._gone_at:
            since = self.report()["bus"]["since"]
            self.away.append((self._gone_at - COMMIT_SECONDS - UNDER_WAY_SECONDS, since + UNDER_WAY_SECONDS))
            self._gone_at = 0.0

    def kill(self) -> None:
        """Kill it without a chance to clean up."""
        assert self._process
        self._gone_at = time.time()
        self.kills.append(self._gone_at)
        self._process.kill()
        self._process.wait(30)

    def terminate(self, timeout_seconds: float = 30.0) -> float:
        """
        End it as Salt does; return how many seconds that took.

        :param timeout_seconds: fail after so long.
        """
        assert self._process
        self._gone_at = time.time()
        started = time.monotonic()
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(timeout_seconds)
        return time.monotonic() - started

    def close(self) -> None:
        """End the engine if it runs."""
        if self._process and self.running:
            with suppress(psutil.NoSuchProcess):
                psutil.Process(self.pid).resume()
            self._process.kill()
            self._process.wait(30)


class Rig:
    """
    An engine, its bus, and the database that the tests check.

    :param engine: an :class:`Engine` or a similar object. Its worker ``history`` writes into the database.
    :param connect: connects to the bus.
    :param history: the database.
    """

    def __init__(self, engine: Any, connect: Callable[[], RawBus], history: History) -> None:
        self.engine = engine
        self.history = history
        self.connect = connect

    def stream(self, per_second: int = 500, **fields: Any) -> Stream:
        """
        Return a stream of events.

        :param per_second: how many events per second.
        :param fields: fields that replace those of each payload.
        """
        return Stream(self.connect, per_second, **fields)

    def lives(self, timeout_seconds: float) -> float:
        """
        Fire an event and wait until it is written; return how long that took.

        :param timeout_seconds: fail after so long.
        """
        probe = self.stream()
        started = time.monotonic()
        probe.burst(1)
        try:
            self.history.wait_for(1, "eventsd_returns", "jid = :jid", timeout_seconds=timeout_seconds, jid=probe.jid)
        except AssertionError as exc:
            raise AssertionError(f"{exc}\n{self.engine.story()}") from None
        return time.monotonic() - started

    def conserved(self, stream: Stream, counted: int = 0) -> int:
        """
        Fail if an event of a stream is doubled, or is missing without a reason. Call this after :meth:`lives`.

        :param stream: the stream.
        :param counted: how many more may be missing, because the engine has counted them as lost.
        :returns: how many are missing for a known reason.
        """
        deadline = time.monotonic() + _STILL_COMING_SECONDS
        while True:
            try:
                return self._conserved(stream, counted)
            except AssertionError:
                # On a busy machine, others of the stream's events are written while this looks.
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)

    def _conserved(self, stream: Stream, counted: int) -> int:
        kept = Counter(
            row["minion_id"] for row in self.history.rows("SELECT minion_id FROM put WHERE jid = :jid", jid=stream.jid)
        )
        there = self._received(stream)
        assert set(kept) == set(there), f"{len(kept)} were put into the returns, and {len(there)} are there"
        kept.update(self.dead(stream))
        doubled = {name: count for name, count in kept.items() if count > 1}
        assert not doubled, f"{len(doubled)} events are there more than once: {sorted(doubled)[:5]}"
        missing = {name: moment for name, moment in stream.moments.items() if name not in kept}
        away = self._away(stream) if missing else []
        lost = {name: moment for name, moment in missing.items() if not any(a <= moment <= b for a, b in away)}
        assert len(lost) <= counted, (
            f"{len(lost)} of {len(stream.moments)} events are nowhere: {sorted(lost.items(), key=lambda x: x[1])[:5]};"
            f" the engine was away {self.engine.away[:20]}\n{self.engine.story()}"
        )
        return len(missing)

    def oldest_lost(self, stream: Stream) -> float:
        """
        Return how long before a kill the oldest event lost with the engine was fired, in seconds.

        :param stream: the stream.
        """
        kept = self._received(stream)
        oldest = 0.0
        for kill in self.engine.kills:
            before = [moment for moment in stream.moments.values() if kill - 5 < moment < kill]
            last = max((moment for name, moment in stream.moments.items() if name in kept and moment < kill), default=0)
            oldest = max([oldest, *(kill - moment for moment in before if moment > last > kill - 5)])
        return oldest

    def _received(self, stream: Stream) -> dict[str, float]:
        """Return when the engine read each event that it has kept."""
        rows = self.history.rows("SELECT minion_id, received FROM eventsd_returns WHERE jid = :jid", jid=stream.jid)
        return {row["minion_id"]: _seconds(row["received"]) for row in rows}

    def _away(self, stream: Stream) -> list[tuple[float, float]]:
        """Return the times in which no engine can have kept events, given how long events took just before."""
        kept = [
            (moment, received - moment)
            for name, received in self._received(stream).items()
            if (moment := stream.moments.get(name))
        ]
        return [
            (since - max((lag for moment, lag in kept if since - 2 < moment < since), default=0.0), until)
            for since, until in self.engine.away
        ]

    def dead(self, stream: Stream) -> list[str]:
        """
        Return which events of a stream are dead letters.

        :param stream: the stream.
        """
        letters = listed(self.engine.spool, Filter(), limit=1_000_000)
        return [letter["data"]["id"] for letter in letters if letter["data"].get("jid") == stream.jid]


def _seconds(moment: Any) -> float:
    """Return a time from a database in seconds. SQLite has text, MariaDB has times without a zone; all are in UTC."""
    found = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    return float((found if found.tzinfo else found.replace(tzinfo=timezone.utc)).timestamp())
