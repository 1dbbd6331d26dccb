"""
Metrics: what Prometheus reads of a running engine, over HTTP.

- ``families`` makes the engine's own metrics of its last report, ``jobs`` those of jobs of what the intake has counted
- ``server`` is the thread that answers, and follows the configuration
- ``http`` is one such server: how it treats those who connect; ``tls`` secures their connections
- ``minions`` asks which minions' keys the master has accepted

Nobody who reads metrics waits for a disk: the numbers are those of the last report, which is made each second.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, ProcessCollector

from salt_eventsd.config.structs import MetricsConfig
from salt_eventsd.dispatch.lane import Lane
from salt_eventsd.engine.metrics.families import EngineMetrics
from salt_eventsd.engine.metrics.jobs import JobMetrics
from salt_eventsd.engine.metrics.minions import Accepted
from salt_eventsd.engine.metrics.server import MetricsServer
from salt_eventsd.engine.reporter import Reporter
from salt_eventsd.intake.job_counts import JobCounts


def metrics_of(
    wanted: Callable[[], MetricsConfig | None],
    opts: Mapping[str, Any],
    reporter: Reporter,
    counts: JobCounts,
    lanes: Mapping[str, Lane],
) -> MetricsServer:
    """
    Return the thread that answers Prometheus; it is to be started and stopped.

    :param wanted: returns the address as it is configured now; None for none.
    :param opts: Salt's options.
    :param reporter: has the engine's last report.
    :param counts: what the intake has counted.
    :param lanes: the lanes there are.
    """
    registry = CollectorRegistry()
    registry.register(EngineMetrics(lambda: reporter.latest, lanes))
    registry.register(JobMetrics(counts))
    ProcessCollector(registry=registry)
    accepted = Accepted(opts)

    def ask() -> None:
        counts.accepted = accepted.minions()

    return MetricsServer(wanted, registry, ask)
