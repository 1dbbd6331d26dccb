"""
The metrics of a writer, made of its last report and of how long its tries take.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import Metric

from salt_eventsd.config.structs import MetricsConfig
from salt_eventsd.engine.metrics.families import OfReport, about, of_problems, of_workers, write_seconds
from salt_eventsd.engine.metrics.server import MetricsServer
from salt_eventsd.writer.carry.desk import Desk
from salt_eventsd.writer.told.numbers import LANE, WORKER
from salt_eventsd.writer.told.report import Report


class WriterMetrics(OfReport[Report]):
    """
    Collects the metrics.

    :param latest: returns the last report; None while there is none.
    :param desks: returns the workers there are.
    """

    def __init__(self, latest: Callable[[], Report | None], desks: Callable[[], Sequence[Desk]]) -> None:
        super().__init__(latest)
        self._desks = desks

    def made_of(self, found: Report) -> Iterator[Metric]:
        """See :class:`~salt_eventsd.engine.metrics.families.OfReport`."""
        yield from about(found.version, found.written)
        yield from of_problems("writer", [one.kind for one in found.problems])
        by_worker = {name: worker.counts for name, worker in found.workers.items()}
        yield from of_workers(LANE, by_worker)
        yield from of_workers(WORKER, by_worker)
        taken = {desk.name: [lane.write_seconds.taken() for lane in desk.lanes.values()] for desk in self._desks()}
        yield write_seconds("parcel", taken)


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
