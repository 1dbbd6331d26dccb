"""
The metrics of a writer, made of its last report and of how long its tries take.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from salt_eventsd.common.timings import BOUNDS, together
from salt_eventsd.config.structs import MetricsConfig
from salt_eventsd.engine.counters import METRIC_PREFIX, Kind, Section
from salt_eventsd.engine.metrics.server import MetricsServer
from salt_eventsd.writer.carry.desk import Desk
from salt_eventsd.writer.told.numbers import LANE, WORKER
from salt_eventsd.writer.told.report import Report

_FAMILIES = {Kind.COUNTER: CounterMetricFamily, Kind.GAUGE: GaugeMetricFamily}
_WORKER = ("worker",)


class WriterMetrics(Collector):
    """
    Collects the metrics.

    :param latest: returns the last report; None while there is none.
    :param desks: returns the workers there are.
    """

    def __init__(self, latest: Callable[[], Report | None], desks: Callable[[], Sequence[Desk]]) -> None:
        self._latest = latest
        self._desks = desks

    def describe(self) -> Iterable[Metric]:
        """Return nothing: what there is to collect is asked for when it is collected."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        found = self._latest()
        if found is None:
            return
        yield InfoMetricFamily(f"{METRIC_PREFIX}build", "The version of salt-eventsd.", {"version": found.version})
        about = "When these numbers were read, in seconds since 1970."
        yield GaugeMetricFamily(f"{METRIC_PREFIX}reported_timestamp_seconds", about, found.written)
        yield GaugeMetricFamily(
            f"{METRIC_PREFIX}degraded", "1 if something is wrong with the writer, else 0.", int(bool(found.problems))
        )
        wrong = GaugeMetricFamily(f"{METRIC_PREFIX}problems", "What is wrong, by kind.", labels=("kind",))
        for kind, count in Tally(one.kind for one in found.problems).items():
            wrong.add_metric([kind], count)
        yield wrong
        yield from _numbers(LANE, found)
        yield from _numbers(WORKER, found)
        yield self._write_seconds()

    def _write_seconds(self) -> Metric:
        family = HistogramMetricFamily(
            f"{METRIC_PREFIX}write_seconds", "How long tries to write a parcel take, failed ones too.", labels=_WORKER
        )
        for desk in self._desks():
            counts, seconds = together([lane.write_seconds.taken() for lane in desk.lanes.values()])
            family.add_metric([desk.name], list(zip([*map(str, BOUNDS), "+Inf"], counts)), seconds)
        return family


def _numbers(section: Section[Any], found: Report) -> Iterator[Metric]:
    for counter in section:
        if counter.metric:
            family = _FAMILIES[counter.kind](METRIC_PREFIX + counter.metric, counter.about, labels=_WORKER)
            for name, worker in found.workers.items():
                family.add_metric([name], worker.counts[counter.name])
            yield family


def metrics_of(
    wanted: Callable[[], MetricsConfig | None],
    latest: Callable[[], Report | None],
    desks: Callable[[], Sequence[Desk]],
) -> MetricsServer:
    """
    Return the thread that answers Prometheus; it is to be started and stopped.

    :param wanted: returns the address as it is configured now; None for none.
    :param latest: returns the last report; None while there is none.
    :param desks: returns the workers there are.
    """
    registry = CollectorRegistry()
    registry.register(WriterMetrics(latest, desks))
    ProcessCollector(registry=registry)
    return MetricsServer(wanted, registry)
