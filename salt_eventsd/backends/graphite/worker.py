"""
Metrics of events, into Graphite.

Graphite keeps one number for each metric and interval, the last that came. So a counter is sent as the count of its
interval so far, with the events of earlier batches; sending it again changes nothing.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from salt_eventsd.backends.graphite.carbon import Carbon, Point
from salt_eventsd.backends.graphite.metric import number_of, path_of, read_path
from salt_eventsd.backends.graphite.options import DEFAULT_METRICS, GraphiteOptions
from salt_eventsd.backends.options import read_options
from salt_eventsd.config.language.fields import Constant, Facts, Field, compile_value
from salt_eventsd.config.language.template import Template
from salt_eventsd.event.parse import Event
from salt_eventsd.workers.write import Batch, Context

#: How many counters are remembered, one for each metric and interval, and how many characters their paths may have in
#: all.
_REMEMBERED = 20_000
_REMEMBERED_TEXT = 4 * 2**20
_COUNT = "expected a field such as data.retcode, or a number to be counted up"


class Graphite:
    """
    Metrics of events, sent to carbon.

    :param carbon: sends points.
    :param interval: what counters are summed over, in seconds.
    :param gauges: metrics whose number is in the event.
    :param counters: metrics that count events, and by how much.
    :param node_id: the master's (or minion's) id.
    """

    def __init__(
        self,
        carbon: Carbon,
        interval: int,
        gauges: Sequence[tuple[Template, Field]],
        counters: Sequence[tuple[Template, float]],
        node_id: str,
    ) -> None:
        self._carbon = carbon
        self._interval = interval
        self._gauges = gauges
        self._counters = counters
        self._node_id = node_id
        self._counted: OrderedDict[tuple[str, int], float] = OrderedDict()
        self._text = 0
        # A batch has to know what the batch before it has counted.
        self._one_at_a_time = threading.Lock()

    def write(self, batch: Batch) -> None:
        """
        Send the metrics of a batch.

        :param batch: the batch.
        :raises Transient: carbon cannot be reached, or has not read all of them.
        """
        with self._one_at_a_time:
            measured, counts = self._of(batch.events)
            totals = {key: self._counted.get(key, 0.0) + count for key, count in counts.items()}
            points = [Point(path, value, second) for (path, second), value in (measured | totals).items()]
            if points:
                self._carbon.send(points)
            self._remember(totals)

    def check(self) -> str:
        """Return a line that says carbon can be reached, or raise like :meth:`write`."""
        return self._carbon.check()

    def _of(self, events: Iterable[Event]) -> tuple[dict[tuple[str, int], float], dict[tuple[str, int], float]]:
        measured: dict[tuple[str, int], float] = {}
        counts: dict[tuple[str, int], float] = {}
        for event in events:
            facts = Facts(event, self._node_id)
            second = int(event.stamp)
            for template, field in self._gauges:
                value = number_of(field.of(facts))
                if value is not None and (path := path_of(template, facts)):
                    measured[path, second] = value
            start = second - second % self._interval
            for template, step in self._counters:
                if path := path_of(template, facts):
                    counts[path, start] = counts.get((path, start), 0.0) + step
        return measured, counts

    def _remember(self, totals: Mapping[tuple[str, int], float]) -> None:
        for key, total in totals.items():
            if key not in self._counted:
                self._text += len(key[0])
            self._counted[key] = total
            self._counted.move_to_end(key)
        while len(self._counted) > _REMEMBERED or self._text > _REMEMBERED_TEXT:
            (path, _), _ = self._counted.popitem(last=False)
            self._text -= len(path)


def make(context: Context) -> Graphite:
    """
    Make the worker.

    :param context: its options and its name.
    :raises ConfigError: an option is wrong.
    """
    if "host" in context.options:
        # The port under defaults is that of databases.
        context = replace(context, defaults={key: value for key, value in context.defaults.items() if key != "port"})
    options = read_options(context, GraphiteOptions)
    gauges: list[tuple[Template, Field]] = []
    counters: list[tuple[Template, float]] = []
    for path, given in (options.metrics or DEFAULT_METRICS).items():
        template = read_path(context, f"metrics.{path}" if options.metrics else "prefix", options.prefix, path)
        value = _value(context, f"metrics.{path}", given)
        if isinstance(value, Field):
            gauges.append((template, value))
        else:
            counters.append((template, value))
    return Graphite(options.carbon, options.interval, gauges, counters, context.node_id)


def _value(context: Context, key: str, given: Any) -> Field | float:
    if given == {"count": True}:
        return 1.0
    try:
        value = compile_value(given)
    except ValueError as exc:
        raise context.problem(key, str(exc)) from None
    if isinstance(value, Constant):
        number = None if isinstance(given, bool) else number_of(value.value)
        if number is None:
            raise context.problem(key, f"{_COUNT}; got {given!r}")
        return number
    if value.as_json:
        raise context.problem(key, f"{given!r} is text; {_COUNT}")
    return value
