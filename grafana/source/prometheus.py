"""
The dashboards of the engine's metrics: the engine itself, jobs and states, one minion.
"""

from __future__ import annotations

from typing import Any

from grafana.source.model import Source, choice, dashboard
from grafana.source.panels import graph, stat, table

SOURCE = Source("prometheus", "Prometheus")
_OF = "salt_eventsd_"
#: Answers to jobs, those that failed first.
_FAILED = 'sum(increase(salt_function_responses_total{success="false"}[%s]))'
_ALL = "sum(increase(salt_function_responses_total[%s]))"


def engine() -> dict[str, Any]:
    """Return that of the engine."""
    waiting = f"sum by (worker) ({_OF}queue_events)"
    return dashboard(
        "engine-prometheus",
        "Salt: the engine eventsd (Prometheus)",
        SOURCE,
        [
            [
                stat("Degraded", f"max({_OF}degraded)", bad=True, instant=True),
                stat("Workers down", f"count({_OF}worker_up == 0) or vector(0)", bad=True, instant=True),
                stat("Events lost", f"sum(increase({_OF}events_lost_total[$__range]))", bad=True, instant=True),
                stat("Gaps", f"sum(increase({_OF}bus_gaps_total[$__range]))", bad=True, instant=True),
                stat("Dead letters", f"sum(increase({_OF}buried_total[$__range]))", bad=True, instant=True),
                stat("Events dropped", f"sum(increase({_OF}dropped_total[$__range]))", bad=True, instant=True),
            ],
            [
                graph(
                    "Events in a second",
                    f"sum(rate({_OF}events_received_total[$__rate_interval]))",
                    f"sum(rate({_OF}events_matched_total[$__rate_interval]))",
                    legends=("read", "that a rule takes"),
                ),
                graph("Written in a second", f"sum by (worker) (rate({_OF}written_total[$__rate_interval]))"),
            ],
            [
                graph("Events that wait", waiting),
                graph("Age of the oldest", f"max({_OF}spool_oldest_seconds)", unit="s", legends=("oldest",)),
            ],
            [
                graph(
                    "How long a batch takes",
                    "histogram_quantile(0.99,"
                    f" sum by (le, worker) (rate({_OF}write_seconds_bucket[$__rate_interval])))",
                    f"sum by (worker) (rate({_OF}write_seconds_sum[$__rate_interval]))"
                    f" / sum by (worker) (rate({_OF}write_seconds_count[$__rate_interval]))",
                    unit="s",
                    legends=("99 of 100, {{worker}}", "on average, {{worker}}"),
                ),
                graph(
                    "Tries that failed, in a minute",
                    f"sum by (worker) (60 * rate({_OF}retries_total[$__rate_interval]))",
                ),
            ],
            [
                graph("Spool", f"max({_OF}spool_bytes)", unit="bytes", width=8, legends=("events",)),
                graph("Memory", "process_resident_memory_bytes", unit="bytes", width=8),
                graph("Processor", "rate(process_cpu_seconds_total[$__rate_interval])", unit="percentunit", width=8),
            ],
            [table("What is wrong", f"{_OF}problems > 0", instant=True)],
        ],
    )


def jobs() -> dict[str, Any]:
    """Return that of jobs and states."""
    ratio = f"{_FAILED} / {_ALL}"
    return dashboard(
        "jobs-prometheus",
        "Salt jobs and states (Prometheus)",
        SOURCE,
        [
            [
                stat("How many jobs?", "sum(increase(salt_new_job_total[$__range]))", instant=True),
                stat("Answers expected", "sum(increase(salt_expected_responses_total[$__range]))", instant=True),
                stat("Answers", _ALL % "$__range", instant=True),
                stat("Answers that failed", _FAILED % "$__range", instant=True, bad=True),
                stat(
                    "Runs of states that failed",
                    "count(salt_function_status == 0) or vector(0)",
                    instant=True,
                    bad=True,
                ),
                stat("Minions", "max(salt_health_minions_total)", instant=True),
            ],
            [
                graph("Jobs in a minute", "sum by (function) (60 * rate(salt_new_job_total[$__rate_interval]))"),
                graph(
                    "Is the failure rate higher than usual?",
                    ratio % ("$__interval", "$__interval"),
                    ratio % ("7d", "7d"),
                    unit="percentunit",
                    legends=("failed", "usual: the last 7 days"),
                ),
            ],
            [
                graph(
                    "What failed?",
                    "sum by (function, state)"
                    ' (increase(salt_function_responses_total{success="false"}[$__interval])) > 0',
                    bars=True,
                ),
                graph(
                    "Scheduled runs that failed",
                    'sum by (function) (increase(salt_scheduled_job_return_total{success="false"}[$__interval])) > 0',
                    bars=True,
                ),
            ],
            [
                table("Which minions fail their states?", "salt_function_status == 0", width=12, instant=True),
                table("Which take longest?", "topk(20, salt_job_duration_seconds)", width=12, instant=True, unit="s"),
            ],
            [
                table(
                    "Which minions are silent?",
                    "sort_desc(time() - salt_responses_last_received_response) > 86400",
                    instant=True,
                    unit="s",
                    about="Those that have answered nothing for a day, and for how long.",
                )
            ],
        ],
    )


def minion() -> dict[str, Any]:
    """Return that of one minion."""
    one = '{minion="$minion"}'
    return dashboard(
        "minion-prometheus",
        "Salt minion (Prometheus)",
        SOURCE,
        [
            [
                stat(
                    "Since its last answer",
                    f"time() - salt_responses_last_received_response{one}",
                    instant=True,
                    unit="s",
                    width=8,
                ),
                stat(
                    "Since its last heartbeat",
                    f"time() - salt_health_last_heartbeat{one}",
                    instant=True,
                    unit="s",
                    width=8,
                    about="Of its beacon status, if it has one.",
                ),
                stat(
                    "Answers that failed",
                    'sum(increase(salt_responses_total{minion="$minion",success="false"}[$__range]))',
                    instant=True,
                    bad=True,
                    width=8,
                ),
            ],
            [
                graph(
                    "Answers",
                    'sum by (success) (increase(salt_responses_total{minion="$minion"}[$__interval]))',
                    bars=True,
                    width=12,
                ),
                table("Its states: 1 is well", f"salt_function_status{one}", instant=True, width=12),
            ],
        ],
        [choice("minion", "Minion", SOURCE, "label_values(salt_responses_last_received_response, minion)")],
    )
