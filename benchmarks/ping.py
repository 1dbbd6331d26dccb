"""
``python -m benchmarks.ping``: how long ``salt '*' test.ping`` takes, with the engine and without.

A master with the engine and one without take turns, each with a minion of its own, so that whatever else the machine
does befalls both alike. Each is asked while nothing else happens, then while events come in, then, for the one with
the engine, while its database is down besides. ``PING_ROUNDS`` (6) says how many turns, ``PING_COUNT`` (20) how many
pings a time.

It is asked through Salt's own client, for what the ``salt`` command adds is one second of Python starting.
"""

from __future__ import annotations

import getpass
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import msgspec
import salt.client
from salt.exceptions import SaltClientError

from benchmarks import fire
from benchmarks.carry import Figures
from benchmarks.databases import POSTGRESQL, Databases
from benchmarks.fire import Gun
from benchmarks.rig import Master, RigError, ended, master
from benchmarks.table import render
from tests.support.servers import Server

_RATE = 300
_WARM_UP = 5
#: No slower than this with the engine, as a part.
_MOST = 1.05
_CONDITIONS = ("idle", "events come in", "and the database is down")


def main() -> int:
    """Return the exit code: 0 if the engine makes no ping slower by more than 5 %, else 1."""
    rounds, count = int(os.environ.get("PING_ROUNDS", "6")), int(os.environ.get("PING_COUNT", "20"))
    took: dict[tuple[str, bool], list[float]] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ping-", ignore_cleanup_errors=True)))
        try:
            databases = Databases(folder, stack, [POSTGRESQL], _say)
            if databases.missing:
                return _fail(databases.missing[0])
            for number in range(rounds):
                # Whoever comes second finds the machine as the first has left it.
                for with_engine in (True, False) if number % 2 else (False, True):
                    url = databases.fresh(POSTGRESQL) if with_engine else ""
                    for condition, seconds in _turn(url, databases.server(POSTGRESQL), count):
                        took.setdefault((condition, with_engine), []).append(seconds)
                        _say(
                            f"{number + 1}/{rounds} {'with' if with_engine else 'without'} {condition}: {seconds:.4f} s"
                        )
        except RigError as exc:
            return _fail(str(exc))
    rows = [_row(condition, took) for condition in _CONDITIONS]
    print(f"\n{render('salt test.ping, median of the rounds', rows)}")
    return 0 if all(row["well"] for row in rows) else 1


def _row(condition: str, took: dict[tuple[str, bool], list[float]]) -> Figures:
    without, with_engine = took[condition, False], took[condition, True]
    ratio = statistics.median(b / a for a, b in zip(without, with_engine))
    return {
        "while": condition,
        "rounds": len(without),
        "without ms": statistics.median(without) * 1000,
        "with ms": statistics.median(with_engine) * 1000,
        "ratio": ratio,
        "well": ratio <= _MOST,
    }


def _turn(url: str, server: Server, count: int) -> Iterator[tuple[str, float]]:
    """Yield the median of so many pings in each condition."""
    options = {"engines": ["eventsd"], "eventsd": {"workers": {"history": {"url": url}}}} if url else {}
    with master({**options, "auto_accept": True}) as running, _minion(running):
        if url:
            running.engine()
        client = running.wait_for(lambda: _answered(running), "minion that answers")
        _median(client, _WARM_UP)
        yield _CONDITIONS[0], _median(client, count)
        with _events(running):
            yield _CONDITIONS[1], _median(client, count)
            if url:
                server.stop()
            try:
                yield _CONDITIONS[2], _median(client, count)
            finally:
                if url:
                    server.start()


def _answered(running: Master) -> salt.client.LocalClient | None:
    """Return a client of the master if the minion answers it."""
    with suppress(SaltClientError):
        client = salt.client.get_local_client(str(running.folder / "master"))
        if client.cmd("*", "test.ping", timeout=2):
            return client
    return None


def _median(client: salt.client.LocalClient, count: int) -> float:
    took = []
    for _ in range(count):
        began = time.monotonic()
        if client.cmd("*", "test.ping", timeout=10) != {"pinged": True}:
            raise RigError("a ping was not answered")
        took.append(time.monotonic() - began)
    return statistics.median(took)


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
    with open(folder / "out", "wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-c", "from salt.scripts import salt_minion; salt_minion()", "-c", str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            cwd=folder,
            env={**os.environ, "HOME": str(folder)},
            start_new_session=True,
        )
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
