"""
All places of workers, by name, and what the tests of the contract do with them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from salt_eventsd.workers.conformance import Subject
from salt_eventsd.workers.write import Batch
from tests.support import backends, places_local, places_remote
from tests.support.place import Place
from tests.support.stores import batch_of

PLACES: dict[str, type[Place]] = {
    "central": places_remote.Center,
    "elasticsearch": places_remote.Documents,
    "file": places_local.Files,
    "graphite": places_local.Metrics,
    "http": places_remote.WebServer,
    "legacy": places_local.OldClass,
    "mongo": places_remote.Collection,
    "nats": places_remote.Stream,
    "noop": places_local.Nothing,
    "redis": places_remote.Keys,
    "sql-sqlite": places_local.SQLite,
    "sql-postgresql": places_local.OnPostgreSQL,
    "sql-postgresql-quickly": places_local.QuicklyOnPostgreSQL,
    "sql-mariadb": places_local.OnMariaDB,
    "sql-mariadb-quickly": places_local.QuicklyOnMariaDB,
    "stats-postgresql": places_local.Numbers,
    "stats-graphite": places_local.NumbersAsMetrics,
}


def each(chosen: Callable[[type[Place]], object] = lambda kind: True) -> pytest.MarkDecorator:
    """Run a test with each place that fulfils a condition."""
    found = [pytest.param(kind, id=name) for name, kind in PLACES.items() if chosen(kind)]
    return pytest.mark.parametrize("place", found, indirect=True)


class Site:
    """A place, and the workers that write there."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._workers: list[Any] = []

    def worker(self, options: dict[str, Any] | None = None, **context: Any) -> Any:
        """Make a worker, by default with the place's own options."""
        given = self.place.options() if options is None else options
        self._workers.append(backends.worker(self.place.module, given, **context))
        return self._workers[-1]

    def batch(self, numbers: Iterable[int], first: int = 1, **more: Any) -> Batch:
        """Return a batch of events with these numbers, in two chunks if possible."""
        some = [self.place.event(number) for number in numbers]
        half = len(some) // 2
        return batch_of(*(part for part in (some[:half], some[half:]) if part), first=first, **more)

    def subject(self) -> Subject:
        """Return the place's module as a subject for the suite of the contract."""
        place = self.place
        return Subject(
            place.module,
            place.options(),
            arrived=(lambda: [f"salt/job/{number}/ret/x" for number in place.arrived()]) if place.can_read else None,
            once=place.once,
            event=place.event,
            kinds=place.kinds if place.takes_all_kinds else None,
            large=place.large,
            refuses=False,
            first=0,
        )

    def has(self, numbers: Iterable[int], once: bool = True) -> None:
        """Fail unless these events arrive, and no others: once and in order, or (not ``once``) any number of times."""
        if not self.place.can_read:
            return
        expected = list(numbers)
        # Carbon stores points a moment after it has read them.
        patience = time.monotonic() + 10
        found = None
        while found != expected and time.monotonic() < patience:
            arrived = self.place.arrived()
            found = arrived if once else sorted(set(arrived))
        assert found == expected

    def close(self) -> None:
        """Close the workers and remove the place."""
        for worker in self._workers:
            worker.close()
        self.place.close()
