"""The engine in a master, as the rig of the fault tests knows the one that is a process of its own."""

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
        #: Stretches of time in which no engine can have kept what was fired.
        self.away: list[tuple[float, float]] = []

    @property
    def pid(self) -> int:
        """The process that last reported."""
        pid: int = self.report()["pid"]
        return pid

    def report(self) -> dict[str, Any]:
        """Return what it last reported."""
        return self._master.report()

    def worker(self, name: str = "history") -> dict[str, Any]:
        """
        Return what it reports of a worker.

        :param name: the worker's.
        """
        found: dict[str, Any] = self.report().get("workers", {}).get(name, {})
        return found

    def story(self) -> str:
        """Return what it reports and what its master has logged, for a failure's text."""
        return f"{json.dumps(self.report())}\n{self._master.log[-8000:]}"
