"""An engine of whose parts only the bus is missing."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from salt_eventsd.bus.nursery import Nursery
from salt_eventsd.config.load import load
from salt_eventsd.engine.plan import Plan, make_plan
from salt_eventsd.engine.service import Service
from tests.support.childless import Childless
from tests.support.events import frame, return_data
from tests.support.job_cache import JobCache, master_opts
from tests.support.stores import Database


class Engine:
    """An engine without its bus: frames are put into its inbox."""

    def __init__(self, home: Path, **eventsd: Any) -> None:
        self._home = home
        opts = self.opts(**eventsd)
        self.service = Service(load(opts), opts, nursery=cast("Nursery", Childless()))

    def opts(self, *workers: str, **eventsd: Any) -> dict[str, Any]:
        """Return options with these workers, each with a database of its own; ``history`` without any."""
        urls = {name: {"url": f"sqlite:///{self._home / name}.db"} for name in workers or ("history",)}
        return {
            "__role": "master",
            "id": "m",
            "cachedir": str(self._home),
            "extension_modules": str(self._home / "extmods"),
            "eventsd": {
                "workers": {name: {**url, "batch": {"seconds": 0.05}} for name, url in urls.items()},
                "events": {"returns": {"tag": "salt/job/", "worker": list(urls), "into": "returns"}},
                **eventsd,
            },
        }

    def plan(self, *workers: str, **eventsd: Any) -> Plan:
        """Return a plan with these workers."""
        opts = self.opts(*workers, **eventsd)
        return make_plan(load(opts), opts)

    def put(self, count: int = 1) -> None:
        """Put so many returns."""
        for number in range(count):
            data = return_data("x", jid=str(number), id=f"m{time.monotonic_ns()}")
            self.service.inbox.put(frame(f"salt/job/{number}/ret/m", data))

    def report(self) -> dict[str, Any]:
        """Return what it reports now."""
        self.service.reporter.report()
        found: dict[str, Any] = json.loads(Path(self.service.general.state_file).read_text(encoding="utf-8"))
        return found


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """An engine that takes returns for the worker history."""
    made = Engine(tmp_path)
    made.service.start()
    yield made
    made.service.close()


@pytest.fixture
def cache(tmp_path: Path) -> JobCache:
    """The job cache of the engine's master."""
    return JobCache(master_opts(tmp_path, workers={"history": {"url": f"sqlite:///{tmp_path / 'history.db'}"}}))


@pytest.fixture
def history(tmp_path: Path) -> Database:
    """The engine's database."""
    return Database(f"sqlite:///{tmp_path / 'history.db'}")
