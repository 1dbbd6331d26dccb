"""
The engine's own metrics, made of its last report. Which numbers are metrics is said in
:mod:`salt_eventsd.engine.counters`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Generic, TypeVar

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from salt_eventsd.common.timings import BOUNDS, Taken, together
from salt_eventsd.dispatch.lane import Lane
from salt_eventsd.engine.counters import BUS, LANE, METRIC_PREFIX, SPOOL, WORKER, Counter, Counts, Kind, Section
from salt_eventsd.engine.problems import problems
from salt_eventsd.engine.report import Report
from salt_eventsd.intake.labels import as_label

_FAMILIES = {Kind.COUNTER: CounterMetricFamily, Kind.GAUGE: GaugeMetricFamily}
_WORKER = ("worker",)

Told = TypeVar("Told")


class OfReport(Collector, ABC, Generic[Told]):
    """
    Collects what is in a process's last report.

    :param latest: returns the last report; None while there is none.
    """

    def __init__(self, latest: Callable[[], Told | None]) -> None:
        self._latest = latest

    def describe(self) -> Iterable[Metric]:
        """Return nothing: what there is to collect is asked for when it is collected."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        found = self._latest()
        return iter(()) if found is None else self.made_of(found)

    @abstractmethod
    def made_of(self, found: Told) -> Iterator[Metric]:
        """
        Yield the metrics of a report.

        :param found: the report.
        """


class EngineMetrics(OfReport[Report]):
    """
    Collects the engine's own metrics.

    :param latest: returns the last report; None while there is none.
    :param lanes: the lanes there are.
    """

    def __init__(self, latest: Callable[[], Report | None], lanes: Mapping[str, Lane]) -> None:
        super().__init__(latest)
        self._lanes = lanes

    def made_of(self, found: Report) -> Iterator[Metric]:
        """See :class:`OfReport`."""
        yield from about(found.version, found.written)
        yield from of_problems("engine", [problem.kind for problem in problems(found)])
        yield from _whole(BUS, found.bus.counts)
        yield from _whole(SPOOL, found.spool.counts)
        by_worker = {as_label(name): worker.counts for name, worker in found.workers.items()}
        yield from of_workers(LANE, by_worker)
        yield from of_workers(WORKER, by_worker)
        yield self._write_seconds()

    def _write_seconds(self) -> Metric:
        taken: dict[str, list[Taken]] = {}
        for lane in self._lanes.values():
            if not lane.retired:
                taken.setdefault(as_label(lane.owner), []).append(lane.write_seconds.taken())
        return write_seconds("batch", taken)


def about(version: str, written: float) -> Iterator[Metric]:
    """
    Yield what a report says of itself.

    :param version: of salt-eventsd.
    :param written: when it was made, in seconds since 1970 UTC.
    """
    yield InfoMetricFamily(f"{METRIC_PREFIX}build", "The version of salt-eventsd.", {"version": version})
    yield _one("reported_timestamp_seconds", "When these numbers were read, in seconds since 1970.", written)


def of_problems(whose: str, kinds: Iterable[str]) -> Iterator[Metric]:
    """
    Yield whether anything is wrong, and what.

    :param whose: "engine" or "writer".
    :param kinds: the kind of each problem.
    """
    tally = Tally(kinds)
    yield _one("degraded", f"1 if something is wrong with the {whose}, else 0.", int(bool(tally)))
    family = GaugeMetricFamily(f"{METRIC_PREFIX}problems", "What is wrong, by kind.", labels=("kind",))
    for kind, count in tally.items():
        family.add_metric([kind], count)
    yield family


def of_workers(section: Section[Any], by_worker: Mapping[str, Counts]) -> Iterator[Metric]:
    """
    Yield the metrics of a section's numbers.

    :param section: says which numbers are metrics.
    :param by_worker: the numbers of each worker.
    """
    for counter in _metrics(section):
        family = _FAMILIES[counter.kind](METRIC_PREFIX + counter.metric, counter.about, labels=_WORKER)
        for worker, counts in by_worker.items():
            family.add_metric([worker], counts[counter.name])
        yield family


def write_seconds(what: str, by_worker: Mapping[str, list[Taken]]) -> Metric:
    """
    Return how long tries take.

    :param what: is written by one try, such as "batch".
    :param by_worker: how long those of each worker took.
    """
    family = HistogramMetricFamily(
        f"{METRIC_PREFIX}write_seconds", f"How long tries to write a {what} take, failed ones too.", labels=_WORKER
    )
    for worker, several in by_worker.items():
        counts, seconds = together(several)
        family.add_metric([worker], list(zip([*map(str, BOUNDS), "+Inf"], counts)), seconds)
    return family


def _one(name: str, about_it: str, value: float) -> Metric:
    return GaugeMetricFamily(METRIC_PREFIX + name, about_it, value)


def _metrics(section: Section[Any]) -> Iterator[Counter[Any]]:
    return (counter for counter in section if counter.metric)


def _whole(section: Section[Any], counts: Counts) -> Iterator[Metric]:
    for counter in _metrics(section):
        yield _FAMILIES[counter.kind](METRIC_PREFIX + counter.metric, counter.about, counts[counter.name])
