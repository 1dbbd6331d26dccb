"""A spool with its lane, without the rest of an engine. Tests copy it, put it back and drain it into a database."""

from __future__ import annotations

import itertools
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from salt_eventsd.config.structs import EventRule
from salt_eventsd.event.chunk import OWN, Chunk, Totals, encode_events
from salt_eventsd.event.chunk import lane_of as lane_named
from salt_eventsd.spool.keep import Spool
from salt_eventsd.workers.write import Worker
from tests.support.lanes import lane_of
from tests.support.own import RULE, carrying, to_table
from tests.support.stores import Database

OWNER = "history"
LANE = lane_named(OWNER, RULE, OWN)
_NUMBERS = itertools.count(1)


def counting_table(database: Database) -> dict[str, EventRule]:
    """Make a table in which only receipts prevent a row from coming twice; it refuses -1. Return its rule."""
    database.execute("CREATE TABLE counted (n INTEGER CHECK (n <> -1))")
    return to_table("counted", columns={"n": "data.n"})


def counted(database: Database) -> list[int]:
    """Return the values in that table."""
    return [n for (n,) in database.query("SELECT n FROM counted ORDER BY n")]


def due() -> float:
    """Return a time at which all chunks have waited long enough to be written."""
    return time.time() + 3600


class Node:
    """
    A spool, a lane and a worker, as an engine has them.

    :param folder: the spool's folder.
    :param worker: the worker that writes the spool's events.
    """

    def __init__(self, folder: Path, worker: Worker) -> None:
        self.folder = folder
        self.worker = worker
        self.open()

    def open(self) -> None:
        """Open the spool, as an engine does when it starts."""
        self.spool = Spool(self.folder)
        self.lane = lane_of(self.spool, self.worker, LANE, events=100)
        self.lane.backlog.restore(self.spool.begin().get(LANE, Totals()), self.spool.newest_id())

    def put(self, *sizes: int, back: float = 0.0, prio: bool = False) -> list[int]:
        """Put a chunk of each size, read now or some seconds ago; return the numbers of their events."""
        new: list[int] = []
        for size in sizes:
            some = [next(_NUMBERS) for _ in range(size)]
            events = [carrying({"n": n}) for n in some]
            (kept,) = self.spool.put([Chunk(LANE, prio, size, time.time() - back, encode_events(events))])
            self.lane.backlog.add(kept)
            new += some
        return new

    def write(self, batches: int = 1000) -> None:
        """Write some batches, by default all."""
        for _ in range(batches):
            chunks, _wait = self.lane.claim(due())
            if not chunks:
                break
            self.lane.run(chunks)
            self.lane.flights.ended(chunks[0])

    def drain(self, seconds: float = 20.0) -> None:
        """Write all events, with as many tries as that takes."""
        end = time.monotonic() + seconds
        while self.lane.backlog.events:
            assert time.monotonic() < end, f"not written: {self.lane.state} {self.lane.last_error}"
            self.write()
            time.sleep(0.01)

    def copy(self, to: Path) -> Path:
        """Copy the folder as it is now, whether the spool is open or not."""
        shutil.copytree(self.folder, to)
        for one in to.glob("*-shm"):
            one.unlink()
        return to

    def close(self) -> None:
        """Close the spool."""
        self.spool.close()

    def put_back(self, copy: Path) -> None:
        """Close the spool, replace it by an older copy, and open that."""
        self.close()
        shutil.rmtree(self.folder)
        shutil.copytree(copy, self.folder)
        self.open()


def receipts(database: Database) -> Sequence[dict[str, Any]]:
    """Return the receipts."""
    return database.rows("receipts")
