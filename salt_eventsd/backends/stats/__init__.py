"""The engine's own counters, or the numbers of other events, into a table or into Graphite."""

from salt_eventsd.backends.stats.worker import make

__all__ = ["make"]
