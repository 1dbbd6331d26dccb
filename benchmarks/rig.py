"""
A salt-master for one run: a process of its own with free ports, and all its files in one temporary folder.

Nothing of it is left after the ``with`` block, however that ends.
"""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import msgspec

Value = TypeVar("Value")

_START_SECONDS = 60.0
_END_SECONDS = 8.0
_LOOK_SECONDS = 0.1
_CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
_LOG_TAIL_BYTES = 3000


class RigError(Exception):
    """A run failed."""


class Process:
    """
    A process under test, measured by the system.

    :param pid: its process id.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def cpu_seconds(self) -> float:
        """Return the CPU time of its threads and child processes, in user and system mode."""
        after_name = self._read("stat").rpartition(")")[2].split()
        own = (int(after_name[11]) + int(after_name[12])) / _CLOCK_TICKS
        return own + sum(child.cpu_seconds() for child in self.children())

    def children(self) -> list[Process]:
        """Return its child processes."""
        return [Process(int(pid)) for pid in self._read(f"task/{self.pid}/children").split()]

    def private_mb(self) -> float:
        """Return the memory that it shares with no other process, in MiB."""
        sizes = [line.split() for line in self._read("smaps_rollup").splitlines() if line.startswith("Private_")]
        return sum(int(size[1]) for size in sizes) / 1024

    def peak_mb(self) -> float:
        """Return the peak of its resident memory, in MiB."""
        line = next(one for one in self._read("status").splitlines() if one.startswith("VmHWM:"))
        return int(line.split()[1]) / 1024

    def resident_mb(self) -> float:
        """Return its resident memory, in MiB."""
        return int(self._read("statm").split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

    def open_files(self) -> int:
        """Return how many files, sockets and pipes it has open."""
        try:
            return len(os.listdir(f"/proc/{self.pid}/fd"))
        except FileNotFoundError:
            raise RigError(f"the process under test ({self.pid}) has died") from None

    def _read(self, name: str) -> str:
        try:
            return Path(f"/proc/{self.pid}/{name}").read_text(encoding="utf-8")
        except (FileNotFoundError, ProcessLookupError):
            raise RigError(f"the process under test ({self.pid}) has died") from None


class Master:
    """
    A running salt-master.

    :param folder: the folder with all its files.
    :param process: the process of the master.
    """

    def __init__(self, folder: Path, process: subprocess.Popen[bytes]) -> None:
        self.folder = folder
        self.pull_socket = folder / "sock" / "master_event_pull.ipc"
        self._process = process

    def wait_for(self, look: Callable[[], Value], what: str, seconds: float = _START_SECONDS) -> Value:
        """
        Call a function until its result is true, and return that.

        :param look: the function.
        :param what: what is waited for, for the error.
        :param seconds: how long to wait at most.
        :raises RigError: the time is up, or the master has ended.
        """
        deadline = time.monotonic() + seconds
        while not (seen := look()):
            if self._process.poll() is not None:
                raise RigError(f"the master ended with code {self._process.returncode}:\n{self.log_tail()}")
            if time.monotonic() > deadline:
                raise RigError(f"no {what} within {seconds:g} s:\n{self.log_tail()}")
            time.sleep(_LOOK_SECONDS)
        return seen

    def engine(self) -> Process:
        """Return the engine's process once it reads the bus."""
        status = self.folder / "cache" / "eventsd" / "status.json"

        def reading() -> int:
            with suppress(FileNotFoundError):
                found = msgspec.json.decode(status.read_bytes())
                if found.get("problems"):
                    raise RigError("\n".join(found["problems"]))
                return int(found["pid"]) if found["bus"]["connected"] else 0
            return 0

        return Process(self.wait_for(reading, "engine that reads the bus"))

    def child(self, name: str) -> Process:
        """
        Return a process of the master by the name that Salt gave it.

        :param name: part of its title.
        """

        def found() -> int:
            for folder in Path("/proc").glob("[0-9]*"):
                with suppress(OSError, IndexError):
                    group = int((folder / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[2])
                    title = (folder / "cmdline").read_bytes().decode("utf-8", "replace")
                    if group == self._process.pid and name in title:
                        return int(folder.name)
            return 0

        return Process(self.wait_for(found, f"process called {name}"))

    def log_tail(self) -> str:
        """Return the end of the master's output."""
        return "\n".join(
            path.read_text(encoding="utf-8", errors="replace")[-_LOG_TAIL_BYTES:]
            for path in (self.folder / "out", self.folder / "log" / "master")
            if path.exists()
        ).strip()


def started(script: str, folder: Path) -> subprocess.Popen[bytes]:
    """
    Start one of Salt's daemons in a session of its own.

    :param script: its name in ``salt.scripts``.
    :param folder: the folder of its configuration; its output goes into ``out`` there.
    """
    with open(folder / "out", "wb") as out:
        return subprocess.Popen(
            [sys.executable, "-c", f"from salt.scripts import {script}; {script}()", "-c", str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            cwd=folder,
            env={**os.environ, "HOME": str(folder)},
            start_new_session=True,
        )


@contextmanager
def master(options: Mapping[str, Any]) -> Iterator[Master]:
    """
    Run a salt-master.

    :param options: its configuration, besides folders and ports.
    """
    # A short path, because the path of a Unix socket may have 107 bytes only.
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir="/tmp"))
    process = None
    try:
        _configure(folder, options)
        process = started("salt_master", folder)
        running = Master(folder, process)
        running.wait_for(running.pull_socket.exists, "event bus")
        yield running
    finally:
        # A signal may come while the master still has time to end. The folder is removed in any case.
        try:
            if process is not None:
                ended(process)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def master_opts(running: Master) -> dict[str, Any]:
    """Return the options of a running master, for a reader of its bus."""
    import salt.config

    opts: dict[str, Any] = salt.config.master_config(str(running.folder / "master"))
    return opts


def _configure(folder: Path, options: Mapping[str, Any]) -> None:
    publish_port, return_port = _free_ports(2)
    config = {
        "id": "bench-master",
        "user": getpass.getuser(),
        "root_dir": str(folder),
        "pki_dir": str(folder / "pki"),
        "cachedir": str(folder / "cache"),
        "sock_dir": str(folder / "sock"),
        "log_file": str(folder / "log" / "master"),
        "log_level": "quiet",
        "log_level_logfile": "warning",
        "extension_modules": str(folder / "extmods"),
        "pidfile": str(folder / "master.pid"),
        "interface": "127.0.0.1",
        "publish_port": publish_port,
        "ret_port": return_port,
        "worker_threads": 1,
        "enable_ssh_minions": False,
        **options,
    }
    # JSON is YAML, and needs no dumper that knows Salt's types.
    (folder / "master").write_bytes(msgspec.json.encode(config))


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def ended(process: subprocess.Popen[bytes]) -> None:
    """
    End a daemon and all its processes.

    :param process: the daemon, the leader of its own session.
    """
    try:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_END_SECONDS)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
