"""
Places that are files, tables and metrics.
"""

from __future__ import annotations

import itertools
import json
import time
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from salt_eventsd.event.parse import Event
from salt_eventsd.exceptions import Held
from tests.support.carbon import CarbonCache
from tests.support.events import MINION, fired, read, return_data
from tests.support.events import frame as pack
from tests.support.place import BAD, Place, Served, Servers, number_of
from tests.support.server import PASSWORD, Server
from tests.support.servers import MariaDB, PostgreSQL
from tests.support.stores import Database
from tests.support.templates import template_of
from tests.support.ways import forced

_NUMBERS = itertools.count(1)
#: Notes the number of each event. Files tell it when to be away, and what to refuse.
_CLASS = """
import os


class Numbers(object):
    def setup(self, thread_id, **settings):
        self.folder = settings["folder"]
        if os.path.exists(os.path.join(self.folder, "away")):
            raise OSError("away")

    def send(self, entry, event_set):
        tag = entry["tag"]
        if tag.endswith("bad.example.com") and os.path.exists(os.path.join(self.folder, "refuse")):
            raise KeyError("bad")
        with open(os.path.join(self.folder, "tags"), "a") as file:
            file.write(tag + "\\n")

    def shutdown(self):
        pass
"""


class Nothing(Place):
    """The worker noop."""

    module = "noop"
    can_read = can_stop = can_refuse = False

    def options(self) -> dict[str, Any]:
        return {}


class Files(Place):
    """The worker file; it is away while its folder is a file."""

    module = "file"
    away = Held
    _name = "events"

    def options(self) -> dict[str, Any]:
        return {"path": f"{self.folder}/lines/{self._name}.jsonl"}

    def arrived(self) -> list[int]:
        texts = [path.read_text(encoding="utf-8") for path in sorted(self.folder.glob("lines/*.jsonl"))]
        return [number_of(json.loads(line)["tag"]) for text in texts for line in text.splitlines()]

    def stop(self) -> None:
        (self.folder / "lines").rename(self.folder / "elsewhere")
        (self.folder / "lines").touch()

    def start(self) -> None:
        (self.folder / "lines").unlink()
        (self.folder / "elsewhere").rename(self.folder / "lines")

    def refuse(self) -> None:
        self._name = "{data.rack}"

    def mend(self) -> None:
        self._name = "events"


class OldClass(Place):
    """The worker legacy."""

    module = "legacy"
    away = OSError
    secret = PASSWORD

    def __init__(self, servers: Servers, folder: Path) -> None:
        super().__init__(servers, folder)
        (folder / "Numbers.py").write_text(_CLASS, encoding="utf-8")
        (folder / "tags").touch()

    def options(self) -> dict[str, Any]:
        settings = {"folder": str(self.folder), "password": PASSWORD}
        return {"backend": "Numbers", "backend_dir": str(self.folder), "settings": settings}

    def arrived(self) -> list[int]:
        return [number_of(tag) for tag in (self.folder / "tags").read_text(encoding="utf-8").splitlines()]

    def stop(self) -> None:
        (self.folder / "away").touch()

    def start(self) -> None:
        (self.folder / "away").unlink()

    def refuse(self) -> None:
        (self.folder / "refuse").touch()

    def mend(self) -> None:
        (self.folder / "refuse").unlink()


class SQLite(Place):
    """The worker sql; it is away while the folder of its file is missing."""

    module = "sql"
    once = True

    def __init__(self, servers: Servers, folder: Path) -> None:
        super().__init__(servers, folder)
        (folder / "history").mkdir()
        self.database = Database(f"sqlite:///{folder}/history/history.db")

    def options(self) -> dict[str, Any]:
        return {"url": self.database.url}

    def arrived(self) -> list[int]:
        if not sa.inspect(self.database.engine).has_table("eventsd_events"):
            return []
        return [number_of(tag) for (tag,) in self.database.query("SELECT tag FROM eventsd_events ORDER BY id")]

    def stop(self) -> None:
        (self.folder / "history").rename(self.folder / "elsewhere")

    def start(self) -> None:
        (self.folder / "elsewhere").rename(self.folder / "history")

    def refuse(self) -> None:
        self.database.make_tables()
        self.database.refuse("events", f"tag LIKE '%{BAD}'")

    def mend(self) -> None:
        self.database.execute("DROP TRIGGER poison")

    def close(self) -> None:
        self.database.close()


class OnPostgreSQL(SQLite, Served):
    """The worker sql."""

    kind: type[Server] = PostgreSQL
    secret = PASSWORD
    _table = "events"

    def __init__(self, servers: Servers, folder: Path) -> None:
        Served.__init__(self, servers, folder)
        self.database = Database(template_of(self.server).copy(folder))

    def stop(self) -> None:
        self.server.stop()

    def start(self) -> None:
        self.server.start()

    def mend(self) -> None:
        self.database.execute(f"ALTER TABLE eventsd_{self._table} DROP CONSTRAINT poison")


class OnMariaDB(OnPostgreSQL):
    """The worker sql."""

    kind = MariaDB


class QuicklyOnPostgreSQL(OnPostgreSQL):
    """The worker sql, which writes all there is in the database's quickest way."""

    def __init__(self, servers: Servers, folder: Path) -> None:
        super().__init__(servers, folder)
        self._way = forced("quickly")
        self._way.__enter__()

    def close(self) -> None:
        self._way.__exit__(None, None, None)
        super().close()


class QuicklyOnMariaDB(QuicklyOnPostgreSQL):
    """The worker sql, which writes all there is in the database's quickest way."""

    kind = MariaDB


class Numbers(OnPostgreSQL):
    """The worker stats, into a table; hostile texts become names of counters."""

    module = "stats"
    takes_all_kinds = False
    keeps_empty = False
    _table = "stats"

    def event(self, number: int, value: Any = True, minion_id: str = MINION) -> Event:
        bad = {"bad": 1} if minion_id == BAD else {}
        stamp = f"2026-01-02T03:04:05.{number:06d}"
        return fired(f"eventsd/stats/{number}/ret/{minion_id}", {"n": number, "odd": value, "_stamp": stamp, **bad})

    def arrived(self) -> list[int]:
        if not sa.inspect(self.database.engine).has_table("eventsd_stats"):
            return []
        return [
            int(row["value"])
            for row in sorted(self.database.rows("stats"), key=lambda row: row["stamp"])
            if row["name"] == "n"
        ]

    def refuse(self) -> None:
        self.database.make_tables()
        self.database.refuse("stats", "name = 'bad'")


class Metrics(Served):
    """The worker graphite: a number for each of the last seconds."""

    module = "graphite"
    kind = CarbonCache
    once = True
    can_refuse = False
    can_stall = True
    takes_all_kinds = False
    keeps_empty = False
    own = ("host", "port")

    def __init__(self, servers: Servers, folder: Path) -> None:
        super().__init__(servers, folder)
        self.prefix = f"contract_{next(_NUMBERS)}"
        self.since = int(time.time()) - 1500

    def options(self) -> dict[str, Any]:
        where = {"host": "127.0.0.1", "port": self.server.port, "timeout": 5}
        return {**where, "prefix": self.prefix, "metrics": {"n": "data.n"}}

    def arrived(self) -> list[int]:
        return [int(value) for value in self.server.points(f"{self.prefix}.n", self.since, 0.5).values()]

    def event(self, number: int, value: Any = True, minion_id: str = MINION) -> Event:
        data = return_data(value, str(number), minion_id, n=number, odd=value, _stamp=self.stamp(number))
        return read(pack(f"salt/job/{number}/ret/{minion_id}", data))

    def stamp(self, number: int) -> str:
        """Return when an event was fired."""
        return time.strftime("%Y-%m-%dT%H:%M:%S.000000", time.gmtime(self.since + number))


class NumbersAsMetrics(Metrics):
    """The worker stats, into Graphite."""

    module = "stats"

    def options(self) -> dict[str, Any]:
        return {"host": "127.0.0.1", "port": self.server.port, "timeout": 5, "prefix": self.prefix}
