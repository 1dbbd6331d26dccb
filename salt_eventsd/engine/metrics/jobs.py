"""
The metrics of jobs, with the names and labels of salt-exporter, made of what the intake has counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from salt_eventsd.engine.counters import Kind
from salt_eventsd.intake.job_counts import JobCounts
from salt_eventsd.intake.labels import Series


class _Family(NamedTuple):
    """
    A metric of jobs.

    :param labels: their names.
    :param by_minion: whether there is a label ``minion`` besides, if it is asked for.
    """

    name: str
    about: str
    kind: Kind
    labels: tuple[str, ...]
    series: Callable[[JobCounts], Series]
    by_minion: bool = False


_FUNCTION = ("function", "state")
_FAMILIES = (
    _Family("salt_new_job_total", "Jobs begun.", Kind.COUNTER, _FUNCTION, lambda it: it.new_jobs),
    _Family(
        "salt_expected_responses_total",
        "Minions that jobs were sent to.",
        Kind.COUNTER,
        _FUNCTION,
        lambda it: it.expected,
    ),
    _Family(
        "salt_function_responses_total",
        "Returns of jobs that were published.",
        Kind.COUNTER,
        (*_FUNCTION, "success"),
        lambda it: it.responses,
        by_minion=True,
    ),
    _Family(
        "salt_scheduled_job_return_total",
        "Returns of scheduled jobs.",
        Kind.COUNTER,
        (*_FUNCTION, "success"),
        lambda it: it.scheduled,
        by_minion=True,
    ),
    _Family("salt_responses_total", "Returns.", Kind.COUNTER, ("minion", "success"), lambda it: it.by_minion),
    _Family(
        "salt_function_status",
        "1 if the last run of these states went well, 0 if it failed; no test runs.",
        Kind.GAUGE,
        ("minion", *_FUNCTION),
        lambda it: it.status,
    ),
    _Family(
        "salt_job_duration_seconds",
        "How long the states of the last run took; no test runs.",
        Kind.GAUGE,
        _FUNCTION,
        lambda it: it.seconds,
        by_minion=True,
    ),
    _Family(
        "salt_responses_last_received_response",
        "When a minion returned last, in seconds since 1970.",
        Kind.GAUGE,
        ("minion",),
        lambda it: it.answered,
    ),
    _Family(
        "salt_health_last_heartbeat",
        "When a minion's status beacon came last, in seconds since 1970.",
        Kind.GAUGE,
        ("minion",),
        lambda it: it.beats,
    ),
)


class JobMetrics(Collector):
    """
    Collects the metrics of jobs.

    :param counts: what the intake has counted.
    """

    def __init__(self, counts: JobCounts) -> None:
        self._counts = counts

    def describe(self) -> Iterable[Metric]:
        """Return nothing: what there is to collect is asked for when it is collected."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        for one in _FAMILIES:
            yield _family(one, self._counts)
        if self._counts.accepted is not None:
            about = "Minions whose keys the master has accepted."
            yield GaugeMetricFamily("salt_health_minions_total", about, len(self._counts.accepted))


def _family(one: _Family, counts: JobCounts) -> Metric:
    found = list(one.series(counts).items())
    if one.by_minion:
        # A reload may have changed this; series of before are gone once the next return is counted.
        most = max((len(key) for key, _ in found), default=0)
        found = [(key, value) for key, value in found if len(key) == most]
        labels = (*one.labels, "minion") if most > len(one.labels) else one.labels
    else:
        labels = one.labels
    made = CounterMetricFamily if one.kind is Kind.COUNTER else GaugeMetricFamily
    family = made(one.name, one.about, labels=labels)
    for key, value in found:
        family.add_metric(key, value)
    return family
