"""
A throwaway server, mostly of a database. A test can start, stop, kill and freeze it. It ends when its owner ends.

:mod:`tests.support.servers` has the differences between the servers.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType

import sqlalchemy as sa
from typing_extensions import Self

from tests.support import guard
from tests.support.binaries import hand_over, unprivileged

USER = "salt"
PASSWORD = "throwaway-s3cret"
_START_SECONDS = 60.0
_STOP_SECONDS = 20.0
#: Below the ports for outgoing connections: one of those could take the port of a stopped server.
_PORTS = range(15_000, 32_000)


class Server:
    """
    A server. Only its context manager makes and starts it.

    :cvar settings: the server's default settings, by name.
    :cvar runs_as_owner: run as the user who starts it, also as root: ``nobody`` may not be able to read wheels.
    :param settings: further settings, with underscores for dashes.
    :raises ServerMissing: its programs are not installed.
    """

    name = ""
    drivername = ""
    system_database = ""
    stop_signal: int = signal.SIGTERM
    runs_as_owner = False
    settings: Mapping[str, str] = MappingProxyType({})

    def __init__(self, **settings: str) -> None:
        self._settings = {**self.settings, **settings}
        self._programs = self._find()
        self._numbers = itertools.count(1)
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        self.port = 0
        self.folder = Path()
        #: The folder in which to make the server's folder; None for the usual folder for temporary files.
        self.place: Path | None = None

    def __enter__(self) -> Self:
        self.folder = Path(tempfile.mkdtemp(prefix="eventsd-", dir=self.place)).resolve()
        self.port = free_port()
        try:
            hand_over(self.folder)
            self._make()
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """The server's first process."""
        assert self._process, f"{self.name} is not running"
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the server was started, and has not been stopped or killed, or died."""
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> Path:
        """The server's log file."""
        return self.folder / "server.log"

    def start(self) -> None:
        """Start the server, and wait until it accepts connections."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command(),
                cwd=self.folder,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # An interrupt from the keyboard is for the owner only, which then ends the server.
                start_new_session=True,
                **({} if self.runs_as_owner else unprivileged()),
            )
        self._guard = subprocess.Popen(
            [sys.executable, guard.__file__, str(self.pid), str(self.folder)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        self._wait()

    def stop(self) -> None:
        """Shut the server down. Clients lose their connections."""
        self._end(self.stop_signal)

    def kill(self) -> None:
        """Kill all processes of the server, as a crash of the machine would."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop the server if it runs, and start it on the same port with the same data."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Freeze the server: connections stay open, and it answers nothing."""
        guard.send(guard.tree(self.pid), signal.SIGSTOP)

    def resume(self) -> None:
        """End a :meth:`pause`."""
        guard.send(guard.tree(self.pid), signal.SIGCONT)

    def url(self, database: str = "", user: str = USER, password: str = PASSWORD) -> str:
        """
        Return the URL of a database.

        :param database: its name; by default the server's own database.
        :param user: the user who connects.
        :param password: the user's password.
        """
        name = database or self.system_database
        return f"{self.drivername}://{user}:{password}@127.0.0.1:{self.port}/{name}"

    def new_database(self, options: str = "") -> str:
        """
        Make an empty database and return its URL.

        :param options: those of ``CREATE DATABASE``.
        """
        name = f"eventsd_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} {options}")
        return self.url(name)

    def execute(self, *statements: str, database: str = "") -> None:
        """
        Run statements as the administrator, each by itself.

        :param database: the database to run them in.
        """
        engine = sa.create_engine(self.url(database), poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
        # Without this a percent sign would start a parameter.
        with engine.execution_options(no_parameters=True).connect() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    def close(self) -> None:
        """End the server and remove its data."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _end(self, number: int) -> None:
        # End the guard first: it must not remove the server's folder.
        if self._guard:
            self._guard.kill()
            self._guard.communicate()
            self._guard = None
        if self._process:
            processes = guard.tree(self._process.pid)
            if number == signal.SIGKILL:
                guard.send(processes, number)
            guard.end(processes, number, _STOP_SECONDS)
            self._process.wait()
            self._process = None

    def _wait(self) -> None:
        patience = time.monotonic() + _START_SECONDS
        while True:
            try:
                self._ask()
                return
            except (sa.exc.OperationalError, OSError) as exc:
                if not self.running or time.monotonic() > patience:
                    said = self.log.read_text(encoding="utf-8", errors="replace")[-4000:]
                    self.stop()
                    raise RuntimeError(f"{self.name} did not start: {getattr(exc, 'orig', exc)}\n{said}") from None
            time.sleep(0.05)

    def _ask(self) -> None:
        """Raise as long as the server does not answer."""
        self.execute("SELECT 1")

    def _environment(self) -> dict[str, str]:
        # A developer's own PGDATA, LANG or MYSQL_HOME must not reach the throwaway server. A MariaDB that starts, even
        # to make its tables, deletes what others have in a folder for temporary files that they share.
        environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
        return {**environment, "HOME": str(self.folder), "TMPDIR": str(self.folder)}

    def _find(self) -> tuple[str, str]:
        raise NotImplementedError

    def _make(self) -> None:
        raise NotImplementedError

    def _command(self) -> list[str]:
        raise NotImplementedError


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on."""
    for port in random.sample(_PORTS, 200):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("no free port on 127.0.0.1")
