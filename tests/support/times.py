"""
What each file of tests takes, in a file that several runs of pytest share: ``-p tests.support.times``.

``EVENTSD_TIMES`` names the file; each run adds a line ``seconds<TAB>file`` for each file of tests.
"""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path

import pytest


class Times:
    """
    Adds up what a run's tests take, with what is set up for them.

    :param path: the file to add to.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seconds: defaultdict[str, float] = defaultdict(float)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add a part of a test."""
        self._seconds[report.nodeid.partition("::")[0]] += report.duration

    def pytest_sessionfinish(self) -> None:
        """Write it down."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.writelines(f"{seconds:.2f}\t{name}\n" for name, seconds in self._seconds.items())


def pytest_configure(config: pytest.Config) -> None:
    """Take part in a run, if the environment names a file; xdist's workers leave it to who started them."""
    path = os.environ.get("EVENTSD_TIMES")
    if path and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Times(Path(path)))
