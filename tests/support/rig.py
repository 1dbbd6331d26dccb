"""
The rig of the fault tests: an engine that can be killed, on the bus of a real master, and numbered events for it.

After each fault two oracles speak. *Conservation*: every event fired is in the database once, or a dead letter, or one
that no engine can have kept (:meth:`Rig.conserved`). *Liveness*: what is fired after the fault is written within so
many seconds (:meth:`Rig.lives`).
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
#: What an event needs from its sender through the bus to the engine; where that is seen to take longer, it is added.
UNDER_WAY_SECONDS = 0.3
_ROOT = Path(__file__).parents[2]
_jids = itertools.count(900_001)


class Stream:
    """
    Numbered returns of one job, fired by a thread while :meth:`firing`, each with when it was fired.

    :param connect: connects to the bus; called again where the bus has gone away.
    :param per_second: how many.
    :param fields: put over each payload's usual fields.
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
        Fire so many at once.

        :param count: how many.
        :param fields: put over the payloads' usual fields.
        :returns: what tells them apart: their minion ids.
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
            # The bus goes away with its master; what was not fired is not counted.
            with suppress(OSError), self._connect() as bus:
                while not self._stop.wait(each / self._per_second):
                    for _ in range(each):
                        name = f"m{len(self.moments)}"
                        bus.fire_returns(self.jid, [name], **self._fields)
                        self.moments[name] = time.time()
            self._stop.wait(0.05)


class Engine:
    """
    An engine on a master's bus; it is started and killed at will.

    :param folder: where its spool, status and log are.
    :param master: path of the master's configuration.
    :param eventsd: the engine's.
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
        #: Stretches of time in which no engine can have kept what was fired.
        self.away: list[tuple[float, float]] = []
        #: When it was killed.
        self.kills: list[float] = []
        self._gone_at = 0.0

    @property
    def pid(self) -> int:
        """The process."""
        assert self._process, "the engine was not started"
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """What it has logged, in all its lives."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def report(self) -> dict[str, Any]:
        """Return what this process last reported, {} while it has not."""
        try:
            found: dict[str, Any] = json.loads((self.folder / "status.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        return found if found["pid"] == self.pid else {}

    def worker(self, name: str = "history") -> dict[str, Any]:
        """
        Return what it reports of a worker.

        :param name: the worker's.
        """
        found: dict[str, Any] = self.report().get("workers", {}).get(name, {})
        return found

    def story(self) -> str:
        """Return what it reports, what it has logged and where its threads are, for a failure's text."""
        if self.running:
            os.kill(self.pid, signal.SIGUSR1)
            time.sleep(0.5)
        return f"{json.dumps(self.report())}\n{self.log[-12_000:]}"

    def start(self, *, listening: bool = True) -> None:
        """
        Start the process.

        :param listening: wait until it reads the bus.
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
        """End it as a power cut of the process would."""
        assert self._process
        self._gone_at = time.time()
        self.kills.append(self._gone_at)
        self._process.kill()
        self._process.wait(30)

    def terminate(self, timeout_seconds: float = 30.0) -> float:
        """
        End it as Salt does, and return how many seconds that took.

        :param timeout_seconds: fail after so long.
        """
        assert self._process
        self._gone_at = time.time()
        started = time.monotonic()
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(timeout_seconds)
        return time.monotonic() - started

    def close(self) -> None:
        """End it if it runs."""
        if self._process and self.running:
            with suppress(psutil.NoSuchProcess):
                psutil.Process(self.pid).resume()
            self._process.kill()
            self._process.wait(30)


class Rig:
    """
    An engine, its bus, and one database that is looked at.

    :param engine: an :class:`Engine`, or what is like one; its worker ``history`` writes into the database.
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

        :param per_second: how many.
        :param fields: put over each payload's usual fields.
        """
        return Stream(self.connect, per_second, **fields)

    def lives(self, timeout_seconds: float) -> float:
        """
        Fire an event, fail if it is not written in time, and return how long it took.

        :param timeout_seconds: the time.
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
        Fail if an event of a stream is doubled, or missing without a reason; call it after :meth:`lives`.

        :param stream: the stream.
        :param counted: so many more may be missing, for the engine has counted them as lost.
        :returns: how many are missing with a reason.
        """
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
        Return how long before a kill the oldest event was fired that died with the engine, in seconds.

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
        """Return when no engine can have kept what was fired, given how long events were just before seen to take."""
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
    """SQLite has times as text, and MariaDB without their zone; all are in UTC."""
    found = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    return float((found if found.tzinfo else found.replace(tzinfo=timezone.utc)).timestamp())
