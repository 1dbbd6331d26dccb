"""
Make metrics of events.

Graphite keeps one number for each metric and interval, the last that came. So a counter that is sent is the count of
its interval so far, the events of earlier batches among them; sending it again changes nothing.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import msgspec

from salt_eventsd.backends.graphite.carbon import PORTS, Carbon, Point, Protocol, clean
from salt_eventsd.backends.options import Timed, read_options, read_template
from salt_eventsd.config.checks import require, require_port
from salt_eventsd.event.parse import Event
from salt_eventsd.exceptions import Refused
from salt_eventsd.language.fields import Constant, Facts, Field, compile_value
from salt_eventsd.language.template import Template
from salt_eventsd.workers.write import Batch, Context

#: Events by the rule that took them; returns by function and return code.
DEFAULT_METRICS: Mapping[str, Any] = MappingProxyType(
    {"salt.events.{rule}": 1, "salt.returns.{fun}.retcode_{data.retcode}": 1}
)
#: Counters of so many metrics and intervals are remembered, of paths of so many characters in all.
_REMEMBERED = 20_000
_REMEMBERED_TEXT = 4 * 2**20
#: Longer paths name nothing that carbon could keep: the path of a file.
_LONGEST_PATH = 1000
_COUNT = "expected a field such as data.retcode, or a number to be counted up"


class CarbonOptions(Timed, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Where carbon is.

    :param host: name or address.
    :param port: by default that of the protocol.
    :param protocol: plaintext or pickle.
    """

    host: str = ""
    port: int | None = None
    protocol: Protocol = "plaintext"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_port(self.port)

    @property
    def carbon(self) -> Carbon:
        """Where points go."""
        return Carbon(self.host, self.port or PORTS[self.protocol], self.protocol, self.timeout)


class GraphiteOptions(CarbonOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    The options of a graphite worker.

    :param prefix: stands before each metric's path, with a dot between them; a template like it.
    :param interval: what counters are summed over, in seconds.
    :param metrics: path (a template) -> a field of which the number is taken, or a number that is counted up.
    """

    prefix: str = ""
    interval: int = 60
    metrics: dict[str, Any] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        require(bool(self.host), "host: missing; expected the name or address of Graphite's carbon")
        require(1 <= self.interval <= 86_400, f"interval: expected seconds from 1 to 86400, got {self.interval}")


def read(context: Context) -> Graphite:
    """
    Return the worker; it opens nothing yet.

    :param context: what it is made from.
    :raises ConfigError: an option is wrong.
    """
    if "host" in context.options:
        # The port that all workers share is that of their databases.
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


def read_path(context: Context, key: str, prefix: str, path: str) -> Template:
    """
    Compile the path of a metric.

    :param context: what the worker is made from.
    :param key: the option it comes from.
    :param prefix: what stands before it, perhaps nothing.
    :param path: a template, perhaps empty.
    :raises ConfigError: it is no path.
    """
    text = ".".join(part for part in (prefix.strip("."), path.strip(".")) if part)
    template = read_template(context, key, text)
    literal = "".join(part for part, _, _ in template.parts)
    if not literal.isprintable() or not literal.isascii() or any(sign in literal for sign in " /;"):
        raise context.problem(key, f"{text!r} is no path of a metric; expected words with dots between them")
    return template


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


class Graphite:
    """
    Metrics of events, sent to carbon.

    :param carbon: where to.
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
        # A batch has to know what the one before it has counted.
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


def path_of(template: Template, facts: Facts) -> str:
    """
    Return a metric's path for an event, "" if the event lacks a part of it.

    :param template: from :func:`read_path`.
    :param facts: of the event.
    """
    try:
        path = template.render(facts, clean)
    except Refused:
        return ""
    return "" if len(path) > _LONGEST_PATH or path.startswith(".") or path.endswith(".") or ".." in path else path


def number_of(value: Any) -> float | None:
    """
    Return a value as a number, None if it is none; true is 1 and false 0.

    :param value: from an event.
    """
    if not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
