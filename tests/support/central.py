"""
Masters and writers on two sides of a broker, small: a master is a spool, its lane and the worker ``central``, without
Salt's daemons; a writer is the real process.
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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import salt.config
import salt.utils.yaml

from salt_eventsd.config.structs import BatchLimits, WorkerConfig
from salt_eventsd.dispatch.backoff import Backoff
from salt_eventsd.dispatch.lane import Lane
from salt_eventsd.dispatch.run import Dispatcher
from salt_eventsd.event.chunk import Chunk, encode_events
from salt_eventsd.event.parse import Event
from salt_eventsd.spool.keep import Spool
from salt_eventsd.workers.load import close, load_modules, make
from salt_eventsd.workers.write import Context
from tests.support.events import returned
from tests.support.salt import History

#: The name of the worker on both sides.
WORKER = "history"
_ROOT = Path(__file__).parents[2]
_EVERY_SECONDS = 0.05
#: Tests do not wait as long as operators do.
_SOON = Backoff(first_seconds=0.1, most_seconds=1.0, least_seconds=0.1)
_PATIENCE_SECONDS = 120.0


class SmallMaster:
    """
    Keeps events in a spool of its own, and publishes them once it is started.

    :param folder: for its spool.
    :param name: its id.
    :param options: of its worker.
    :param module: of its worker; another one than ``central`` writes straight into its backend.
    :param seconds: how old a batch may become.
    """

    def __init__(
        self, folder: Path, name: str, options: Mapping[str, Any], module: str = "central", seconds: float = 0.1
    ) -> None:
        opts = {**salt.config.DEFAULT_MASTER_OPTS, "id": name, "extension_modules": ""}
        self.name = name
        self.fired: list[str] = []
        self.spool = Spool(folder / name)
        worker = make(load_modules(opts), module, Context(WORKER, dict(options), name, opts=opts, folder=folder / name))
        config = WorkerConfig(module=module, batch=BatchLimits(seconds=seconds))
        worker.hold()
        self.lane = Lane(WORKER, config, worker, "", self.spool, _SOON)
        self._dispatcher = Dispatcher(self.spool, {WORKER: self.lane}, lambda: 2)
        self._numbers = itertools.count(1)

    def start(self) -> SmallMaster:
        """Begin to publish, and return it."""
        self._dispatcher.start()
        return self

    @property
    def waiting(self) -> int:
        """How many events its spool holds."""
        return self.lane.backlog.events

    def keep(self, count: int) -> None:
        """
        Keep returns, each with its own jid.

        :param count: how many.
        """
        some = [f"{self.name}-{next(self._numbers)}" for _ in range(count)]
        self.put([returned(jid=jid) for jid in some])
        self.fired += some

    def put(self, events: Sequence[Event]) -> None:
        """
        Keep events as one chunk.

        :param events: to keep.
        """
        chunk = Chunk(WORKER, False, len(events), time.time(), encode_events(events))
        self._dispatcher.kept(self.spool.put([chunk]))

    @contextmanager
    def firing(self, per_second: int) -> Iterator[None]:
        """
        Keep returns while the block runs.

        :param per_second: how many.
        """
        stop = threading.Event()

        def fire() -> None:
            while not stop.wait(_EVERY_SECONDS):
                self.keep(round(per_second * _EVERY_SECONDS))

        thread = threading.Thread(target=fire, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def close(self) -> None:
        """End it; what has not been published stays in its spool."""
        if self._dispatcher.is_alive():
            self._dispatcher.stop(5.0)
        close(self.lane.worker)
        self.spool.close()


class Writer:
    """
    A ``salt-eventsd-writer``.

    :param folder: for its configuration, its state file and its log.
    :param name: names these.
    :param eventsd: its configuration.
    :param prelude: code that its process runs before all else, such as one that sets its clock.
    """

    def __init__(self, folder: Path, name: str, eventsd: Mapping[str, Any], prelude: str = "") -> None:
        self._prelude = prelude
        self.config = folder / f"{name}.yaml"
        self.log = folder / f"{name}.log"
        self._state = folder / f"{name}.json"
        block = {**eventsd, "state_file": str(self._state), "state_timer": 1}
        self.config.write_text(salt.utils.yaml.safe_dump({"eventsd": block}), encoding="utf-8")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id."""
        assert self._process
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    def report(self) -> dict[str, Any]:
        """Return what it says of itself; nothing if it has not yet."""
        with suppress(OSError, ValueError):
            found: dict[str, Any] = json.loads(self._state.read_text(encoding="utf-8"))
            return found
        return {}

    def start(self) -> None:
        """Start it."""
        code = f"import sys\n{self._prelude}\nfrom salt_eventsd.writer.main import main\nsys.exit(main())"
        how = ["-c", code] if self._prelude else ["-m", "salt_eventsd.writer"]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, *how, "-c", str(self.config)],
                cwd=_ROOT,
                env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def send(self, number: int) -> None:
        """
        Send a signal.

        :param number: its number.
        """
        os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it without a chance to clean up."""
        assert self._process
        self._process.kill()
        self._process.wait(30)

    def terminate(self) -> float:
        """End it in order; return how many seconds that took."""
        assert self._process
        began = time.monotonic()
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(60)
        return time.monotonic() - began

    def call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """
        Run a verb with its configuration.

        :param arguments: the verb and what belongs to it.
        """
        command = [sys.executable, "-m", "salt_eventsd.writer", "-c", str(self.config), *arguments]
        return subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, timeout=120, check=False)

    def close(self) -> None:
        """End it if it runs."""
        if self.running:
            with suppress(ProcessLookupError):
                self.send(signal.SIGCONT)
            self.kill()


class Line:
    """
    Masters, writers and the database between which nothing may be lost or doubled.

    :param masters: who sends.
    :param writers: who writes.
    :param history: the database, whose table ``put`` has noted each insert.
    """

    def __init__(self, masters: Sequence[SmallMaster], writers: Sequence[Writer], history: History) -> None:
        self.masters, self.writers, self._history = masters, writers, history

    @contextmanager
    def firing(self, per_second: int = 200) -> Iterator[None]:
        """
        Have each master keep returns while the block runs.

        :param per_second: how many.
        """
        with self.masters[0].firing(per_second):
            if self.masters[1:]:
                with Line(self.masters[1:], self.writers, self._history).firing(per_second):
                    yield
            else:
                yield

    def lives(self, seconds: float = _PATIENCE_SECONDS) -> float:
        """
        Have each master keep one more return, and wait until all are written; return how long that took.

        :param seconds: fail after so long.
        """
        began = time.monotonic()
        for master in self.masters:
            master.keep(1)
            jid = master.fired[-1]
            try:
                self._history.wait_for(1, "put", "jid = :jid", seconds, jid=jid)
            except AssertionError as exc:
                raise AssertionError(f"{exc}\n{self.story()}") from None
        return time.monotonic() - began

    def written(self) -> Counter[str]:
        """Return how often each return was put into the database."""
        return Counter(row["jid"] for row in self._history.rows("SELECT jid FROM put"))

    def lost_and_doubled(self, seconds: float = _PATIENCE_SECONDS) -> tuple[int, int]:
        """
        Return how many returns are missing, and how often others are there once more.

        :param seconds: wait so long for what is still under way.
        """
        fired = {jid for master in self.masters for jid in master.fired}
        end = time.monotonic() + seconds
        while True:
            found = self.written()
            missing = len(fired - set(found))
            if not missing or time.monotonic() > end:
                assert not set(found) - fired, "something is there that nobody has fired"
                return missing, sum(found.values()) - len(found)
            time.sleep(0.5)

    def conserved(self) -> None:
        """Fail if a return is lost or doubled, or a spool does not come to its end."""
        lost, doubled = self.lost_and_doubled()
        assert (lost, doubled) == (0, 0), f"{lost} lost, {doubled} doubled\n{self.story()}"
        for master in self.masters:
            end = time.monotonic() + _PATIENCE_SECONDS
            while master.waiting:
                assert time.monotonic() < end, f"a spool does not come to its end\n{self.story()}"
                time.sleep(0.1)

    def story(self) -> str:
        """Return what the writers say, for the text of a failure."""
        told = [f"{one.config.stem}: {json.dumps(one.report())}\n{_tail(one.log)}" for one in self.writers]
        held = [
            f"{one.name} holds {one.waiting} events, {one.lane.state}: {one.lane.last_error}" for one in self.masters
        ]
        return "\n".join([*held, *told])


def _tail(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-3000:] if log.exists() else ""
