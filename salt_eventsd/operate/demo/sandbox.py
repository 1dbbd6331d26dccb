"""
A salt-master and a salt-minion of their own: configuration, keys, sockets, caches and logs in one folder, free ports.

It needs no root and touches nothing of a Salt that is installed. However it ends, no process of it is left.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec

from salt_eventsd.operate.demo import DemoError
from salt_eventsd.operate.demo.configuration import write_configuration
from salt_eventsd.operate.demo.terminal import width

#: What Salt adds to ``sock_dir`` at most; a Unix socket's path may have 107 bytes in all.
_LONGEST_SOCKET_NAME = 48
_LONGEST_SOCKET_PATH = 107
#: A daemon gets so long to end by itself; an engine in it may take 3 s to finish its batches.
_END_SECONDS = 8.0
_POLL_SECONDS = 0.1
_LOG_LINES = 30

#: Called again and again while something takes long.
Tick = Callable[[], None]


class Sandbox:
    """
    A master and a minion; nothing runs before :meth:`start`, nothing is left after the ``with`` block.

    :param keep: where to leave the folder at the end; None to remove it.
    :param may_go_on: called again and again while something takes long; raises to end it. It is not called while
        processes are being ended, so that nothing cuts that short.
    """

    def __init__(self, keep: Path | None = None, may_go_on: Callable[[], None] = lambda: None) -> None:
        self._keep = keep
        self._may_go_on = may_go_on
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Sandbox:
        if self._keep is not None:
            _make_empty(self._keep)
        self.folder = _make_temporary()
        self.history = self.folder / "cache" / "master" / "eventsd" / "history.db"
        self.states = self.folder / "states"
        self._sockets = self.folder / "run"
        try:
            write_configuration(self.folder, self.states, self._sockets)
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()
        try:
            if self._keep is not None:
                shutil.rmtree(self._sockets, ignore_errors=True)
                shutil.copytree(self.folder, self._keep, dirs_exist_ok=True, symlinks=True)
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, tick: Tick) -> None:
        """Start both, and return when the minion takes jobs and the engine reads the bus."""
        for name in ("master", "minion"):
            self._spawn(name, [f"salt-{name}"])
        minion_log, status = self.folder / "minion.log", self.history.with_name("status.json")
        self.wait_for(
            lambda: "Minion is ready to receive requests" in _text(minion_log), 60, tick, "the minion did not get ready"
        )
        self.wait_for(
            lambda: _connected(status),
            30,
            tick,
            f"the engine did not report in {status} that it reads the event bus",
        )

    def run(self, command: list[str], tick: Tick, timeout_seconds: float = 60) -> tuple[int, str]:
        """
        Run a Salt command against the master.

        :param command: such as ``["salt", "*", "test.ping"]``.
        :param tick: called while it runs.
        :param timeout_seconds: it is ended, and the demo with it, after so long.
        :returns: its return code and what it printed.
        """
        process = self._spawn("command", command)
        deadline = time.monotonic() + timeout_seconds
        while process.poll() is None:
            if time.monotonic() > deadline:
                said = "".join(_text(self.folder / f"command.{stream}") for stream in ("out", "err"))
                raise DemoError(f"`{' '.join(command)}` did not end within {timeout_seconds:g} s:\n{said}")
            self._pause(tick)
        del self._running["command"]
        return process.returncode, _text(self.folder / "command.out")

    def stop(self, tick: Tick = lambda: None) -> None:
        """
        End whatever runs, and all it has started.

        :param tick: called while they end.
        """
        # Only the master has something to bring in order: the engine in it keeps what it has read. A minion that is
        # asked to end while its master goes away takes 10 s to notice.
        master = self._running.pop("master", None)
        for process in self._running.values():
            _kill_group(process)
        self._running.clear()
        if master is None:
            return
        try:
            master.terminate()
            deadline = time.monotonic() + _END_SECONDS
            while master.poll() is None and time.monotonic() < deadline:
                tick()
                time.sleep(_POLL_SECONDS)
        finally:
            _kill_group(master)

    def wait_for(self, condition: Callable[[], bool], timeout_seconds: float, tick: Tick, otherwise: str) -> None:
        """
        Return when a condition holds.

        :param condition: what to wait for.
        :param timeout_seconds: how long.
        :param tick: called in between.
        :param otherwise: what to say if it does not come true.
        """
        deadline = time.monotonic() + timeout_seconds
        while not condition():
            for name, process in self._running.items():
                if process.poll() is not None:
                    said = _text(self.folder / f"{name}.err").strip()
                    raise DemoError(f"salt-{name} ended with code {process.returncode}: {said or 'it said nothing'}")
            if time.monotonic() > deadline:
                raise DemoError(f"{otherwise} within {timeout_seconds:g} s")
            self._pause(tick)

    def log_tail(self, name: str) -> str:
        """
        Return the last lines of a daemon's log.

        :param name: "master" or "minion".
        """
        return "\n".join(_text(self.folder / f"{name}.log").splitlines()[-_LOG_LINES:])

    def _pause(self, tick: Tick) -> None:
        self._may_go_on()
        tick()
        time.sleep(_POLL_SECONDS)

    def _spawn(self, name: str, command: list[str]) -> subprocess.Popen[bytes]:
        # HOME: a ~/.saltrc of the user's must not change anything. COLUMNS: what is printed is shown indented. The new
        # session is a process group of its own.
        with open(self.folder / f"{name}.out", "wb") as out, open(self.folder / f"{name}.err", "wb") as err:
            process = subprocess.Popen(
                [_executable(command[0]), "-c", str(self.folder / "etc"), *command[1:]],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=self.folder,
                env={**os.environ, "HOME": str(self.folder), "COLUMNS": str(width() - 2)},
                start_new_session=True,
            )
        self._running[name] = process
        return process


def _make_empty(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        there = any(folder.iterdir())
    except OSError as exc:
        raise DemoError(f"--keep {folder}: {exc.strerror or exc}") from exc
    if there:
        raise DemoError(f"--keep {folder}: not an empty folder")


def _make_temporary() -> Path:
    room = _LONGEST_SOCKET_PATH - _LONGEST_SOCKET_NAME - len("/eventsd-xxxxxxxx/run/minion")
    for parent in (tempfile.gettempdir(), "/tmp", "/var/tmp"):
        if len(parent) <= room:
            with suppress(OSError):
                return Path(tempfile.mkdtemp(prefix="eventsd-", dir=parent))
    raise DemoError("no temporary folder with a short path can be written (Unix sockets need one)")


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _executable(command: str) -> str:
    """The command of the Python that runs this, not whichever is first in PATH."""
    folders = [Path(sys.executable).parent, Path(sysconfig.get_path("scripts"))]
    for folder in folders:
        if os.access(folder / command, os.X_OK):
            return str(folder / command)
    raise DemoError(f"no {command} in {folders[0]}: install Salt for this Python, or run the demo with Salt's own")


def _connected(status: Path) -> bool:
    try:
        return bool(msgspec.json.decode(_text(status) or "{}").get("bus", {}).get("connected"))
    except (OSError, msgspec.DecodeError):
        return False


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""
