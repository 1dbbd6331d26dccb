"""Numbers as metrics of Graphite."""

from __future__ import annotations

from collections.abc import Iterator

from salt_eventsd.backends.graphite.carbon import Carbon, Point, clean
from salt_eventsd.backends.graphite.metric import path_of
from salt_eventsd.backends.graphite.options import CarbonOptions
from salt_eventsd.backends.stats.numbers import numbers
from salt_eventsd.config.language.fields import Facts
from salt_eventsd.config.language.template import Template
from salt_eventsd.workers.write import Batch


class StatsOptions(CarbonOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    The options of a stats worker that writes to Graphite.

    :param prefix: stands before each name, with a dot between them; a template.
    """

    prefix: str = "eventsd.{master_id}"


class Graphs:
    """
    Sends each number to Graphite.

    :param carbon: sends points.
    :param prefix: stands before each name, or None.
    :param node_id: the master's (or minion's) id.
    """

    def __init__(self, carbon: Carbon, prefix: Template | None, node_id: str) -> None:
        self._carbon = carbon
        self._prefix = prefix
        self._node_id = node_id

    def write(self, batch: Batch) -> None:
        """
        Send a batch.

        :param batch: the batch.
        :raises Transient: carbon cannot be reached, or has not read all of it.
        """
        if points := list(self._points(batch)):
            self._carbon.send(points)

    def check(self) -> str:
        """Return a line that says carbon can be reached, or raise like :meth:`write`."""
        return self._carbon.check()

    def _points(self, batch: Batch) -> Iterator[Point]:
        for event in batch.events:
            prefix = path_of(self._prefix, Facts(event, self._node_id)) if self._prefix else ""
            if self._prefix and not prefix:
                continue
            for path, value in numbers(event.data):
                parts = [clean(part) or "_" for part in path]
                yield Point(".".join([prefix, *parts] if prefix else parts), value, int(event.stamp))
