"""The engine in a master, with the interface of the separate engine in the rig of the fault tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.support.nodes import Master


class Resident:
    """
    The engine in a running master.

    :param master: the master.
    """

    def __init__(self, master: Master) -> None:
        self._master = master
        self.folder = Path(master.cachedir) / "eventsd"
        self.spool = self.folder / "spool"
        #: Times in which no engine can have kept the events that were fired.
        self.away: list[tuple[float, float]] = []

    @property
    def pid(self) -> int:
        """The process id in the last report."""
        pid: int = self.report()["pid"]
        return pid

    def report(self) -> dict[str, Any]:
        """Return its last report."""
        return self._master.report()

    def worker(self, name: str = "history") -> dict[str, Any]:
        """
        Return its report of a worker.

        :param name: the name of the worker.
        """
        found: dict[str, Any] = self.report().get("workers", {}).get(name, {})
        return found

    def story(self) -> str:
        """Return its report and its master's log, for the text of a failure."""
        return f"{json.dumps(self.report())}\n{self._master.log[-8000:]}"
