"""Metrics of events, sent to Graphite's carbon."""

from salt_eventsd.backends.graphite.worker import make

__all__ = ["make"]
