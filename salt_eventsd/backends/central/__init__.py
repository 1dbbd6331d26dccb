"""Chunks of the spool into a broker, from which writers take them: one history of many masters."""

from salt_eventsd.backends.central.worker import make

__all__ = ["make"]
