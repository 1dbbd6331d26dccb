"""
Real salt-masters and salt-minions with the engine in them. All their files are in one temporary folder.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import psutil

from tests.support.salt import History, RawBus, wait_until

#: Salt restarts a dead engine within 10 s; a busy machine takes longer.
RESTART_SECONDS = 40.0
#: The lowest log level. The default of salt-factories, debug, costs more than the engine.
_QUIET = {"log": {"level": "error"}}
_COMMON = {"log_level_logfile": "warning", "pytest-master": _QUIET, "pytest-minion": _QUIET}


class Node:
    """
    A running daemon with the engine in it.

    :param daemon: salt-factories' master or minion.
    """

    def __init__(self, daemon: Any) -> None:
        self.daemon = daemon
        self.cachedir = Path(daemon.config["cachedir"])
        self.history = History.of_file(self.cachedir / "eventsd" / "history.db")

    @property
    def log(self) -> str:
        """The text that the daemon has logged."""
        return Path(self.daemon.config["log_file"]).read_text(encoding="utf-8", errors="replace")

    def report(self) -> dict[str, Any]:
        """Return the engine's last report; {} while there is none."""
        try:
            found: dict[str, Any] = json.loads((self.cachedir / "eventsd" / "status.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        return found

    @property
    def engine(self) -> psutil.Process:
        """The engine's process, from its last report."""
        return psutil.Process(self.report()["pid"])

    def wait_until_listening(self, other_than: int = 0, timeout_seconds: float = RESTART_SECONDS) -> None:
        """
        Wait until the engine reads the bus.

        :param other_than: the pid of an earlier engine, which does not count.
        :param timeout_seconds: fail after so long.
        """

        def listening() -> bool:
            report = self.report()
            return (
                report.get("pid", other_than) != other_than
                and report.get("bus", {}).get("connected", False)
                and not report["ended"]
                and psutil.pid_exists(report["pid"])
            )

        wait_until(listening, f"listening engine in {self.daemon.id}", timeout_seconds)


class Master(Node):
    """A running salt-master with the engine in it."""

    def bus(self) -> RawBus:
        """Connect to the socket of the bus that takes events."""
        return RawBus(Path(self.daemon.config["sock_dir"]) / "master_event_pull.ipc")

    def run(self, *args: str, **kwargs: Any) -> Any:
        """
        Call ``salt-run`` and return its result, with ``returncode``, ``stdout`` and, for JSON, ``data``.

        :param args: its arguments.
        :param kwargs: arguments of the runner.
        """
        return self.daemon.salt_run_cli(timeout=60).run(*args, **kwargs)

    def terminal(self, *args: str) -> subprocess.CompletedProcess[str]:
        """
        Call ``salt-run`` as a person does, without asking for JSON.

        :param args: its arguments.
        """
        cli = self.daemon.salt_run_cli(timeout=60)
        command = [part for part in cli.cmdline(*args) if not part.startswith("--out")]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=cli.environ)

    def salt(self, minion: Any, *args: str, **kwargs: Any) -> Any:
        """
        Call ``salt <minion>`` and return its result.

        :param minion: the minion's daemon.
        :param args: a function and its arguments.
        :param kwargs: arguments of the function.
        """
        return self.daemon.salt_cli(timeout=60).run(*args, minion_tgt=minion.id, **kwargs)

    def status(self) -> Any:
        """Call ``salt-run eventsd.status`` and return its result."""
        return self.run("eventsd.status")


def master_config(**options: Any) -> dict[str, Any]:
    """
    Return a master's configuration that only switches the engine on.

    :param options: further options of the master, such as ``eventsd``.
    """
    return {"engines": ["eventsd"], "interface": "127.0.0.1", "worker_threads": 3, **_COMMON, **options}


def minion_config(**options: Any) -> dict[str, Any]:
    """
    Return a minion's configuration.

    :param options: further options of the minion.
    """
    return {"random_reauth_delay": 1, "acceptance_wait_time": 1, **_COMMON, **options}


def sqlite_history(**options: Any) -> dict[str, Any]:
    """
    Return the ``workers`` of an engine with its history at the default place.

    :param options: further options of the worker.
    """
    return {"history": {"url": "sqlite:///<cachedir>/eventsd/history.db", **options}}
