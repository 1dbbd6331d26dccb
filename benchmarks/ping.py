"""
``python -m benchmarks.ping``: how long ``salt '*' test.ping`` takes, with the engine and without.

The benchmark asks two masters in turns, one with the engine and one without, each with its own minion, so that other
work of the machine affects both alike. It does so first while nothing else happens, then while events come in, and then
while the engine's database is also down. The result is the median of the pairs' ratios. ``PING_PAIRS`` (60) is the
number of pairs.

It uses Salt's own client, because the ``salt`` command only adds one second in which Python starts.
"""

from __future__ import annotations

import getpass
import multiprocessing
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import msgspec
import salt.client
from salt.exceptions import SaltClientError

from benchmarks import fire
from benchmarks.carry import Figures
from benchmarks.databases import POSTGRESQL, Databases
from benchmarks.fire import Gun
from benchmarks.rig import Master, RigError, ended, master, started
from benchmarks.table import render
from tests.support.servers import Server

_RATE = 300
_WARM_UP = 5
#: The largest ratio of the times with and without the engine.
_MOST = 1.05


def main() -> int:
    """Return the exit code: 0 if the engine makes pings slower by 5 % at most, else 1."""
    pairs = int(os.environ.get("PING_PAIRS", "60"))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ping-", ignore_cleanup_errors=True)))
        try:
            databases = Databases(folder, stack, [POSTGRESQL], _say)
            if databases.missing:
                return _fail(databases.missing[0])
            workers = {"history": {"url": databases.fresh(POSTGRESQL)}}
            masters = [
                stack.enter_context(_pinged(options))
                for options in ({}, {"engines": ["eventsd"], "eventsd": {"workers": workers}})
            ]
            masters[1].engine()
            rows = list(_rows(masters, databases.server(POSTGRESQL), pairs))
        except RigError as exc:
            return _fail(str(exc))
    print(f"\n{render('salt test.ping', rows)}")
    return 0 if all(row["well"] for row in rows) else 1


def _rows(masters: Sequence[Master], server: Server, pairs: int) -> Iterator[Figures]:
    with ExitStack() as stack:
        clients = [stack.enter_context(closing(Client(one))) for one in masters]
        _compared("", clients, _WARM_UP)
        yield _compared("nothing else", clients, pairs)
        for one in masters:
            stack.enter_context(_events(one))
        yield _compared(f"{_RATE} events/s come in", clients, pairs)
        server.stop()
        yield _compared("and the database is down", clients, pairs)


def _compared(condition: str, clients: Sequence[Client], pairs: int) -> Figures:
    """Ask both masters in turns; each is the first one in every other pair."""
    took: list[list[float]] = [[], []]
    for number in range(pairs):
        for which in (number % 2, 1 - number % 2):
            took[which].append(clients[which].ping())
    ratios = sorted(b / a for a, b in zip(*took))
    ratio = statistics.median(ratios)
    return {
        "while": condition,
        "pairs": pairs,
        "without ms": statistics.median(took[0]) * 1000,
        "with ms": statistics.median(took[1]) * 1000,
        "ratio": ratio,
        "of its quarters": f"{ratios[pairs // 4]:.2f}-{ratios[-pairs // 4]:.2f}",
        "well": ratio <= _MOST,
    }


class Client:
    """
    Salt's client of one master, in a process of its own, because the client has state per process for one master only.

    :param running: the master.
    """

    def __init__(self, running: Master) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(str(running.folder / "master"), theirs), daemon=True)
        self._process.start()

    def ping(self) -> float:
        """Return how many seconds an answer took. A minion that has just started may miss one ping."""
        for _ in range(20):
            self._pipe.send(None)
            if (took := self._pipe.recv()) is not None:
                return float(took)
        raise RigError("twenty pings were not answered")

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.join()


def _serve(config: str, pipe: Connection) -> None:
    """Ping at each request, and send back how long it took; None if there was no answer."""
    while True:
        pipe.recv()
        took = None
        with suppress(SaltClientError):
            client = salt.client.get_local_client(config)
            began = time.monotonic()
            if client.cmd("*", "test.ping", timeout=5) == {"pinged": True}:
                took = time.monotonic() - began
        if took is None:
            time.sleep(0.5)
        pipe.send(took)


@contextmanager
def _pinged(options: dict[str, Any]) -> Iterator[Master]:
    with master({**options, "auto_accept": True}) as running, _minion(running):
        yield running


@contextmanager
def _events(running: Master) -> Iterator[None]:
    gun, stop = Gun(running.pull_socket), threading.Event()
    frames = fire.returns(_RATE)

    def shoot() -> None:
        while not stop.is_set():
            gun.steady(frames, _RATE)

    thread = threading.Thread(target=shoot, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        gun.close()


@contextmanager
def _minion(running: Master) -> Iterator[None]:
    """Run a minion of this master."""
    of_master = msgspec.json.decode((running.folder / "master").read_bytes())
    folder = running.folder / "minion"
    folder.mkdir()
    config = {
        "id": "pinged",
        "user": getpass.getuser(),
        "master": "127.0.0.1",
        "master_port": of_master["ret_port"],
        "publish_port": of_master["publish_port"],
        "root_dir": str(folder),
        "pki_dir": str(folder / "pki"),
        "cachedir": str(folder / "cache"),
        "sock_dir": str(folder / "sock"),
        "log_file": str(folder / "log"),
        "extension_modules": str(folder / "extmods"),
        "pidfile": str(folder / "minion.pid"),
        "log_level": "quiet",
        "log_level_logfile": "warning",
        "acceptance_wait_time": 1,
        "random_reauth_delay": 1,
    }
    (folder / "minion").write_bytes(msgspec.json.encode(config))
    process = started("salt_minion", folder)
    try:
        yield
    finally:
        ended(process)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _fail(why: str) -> int:
    _say(f"FAILED: {why}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
