"""Events in files, a line of JSON each."""

from salt_eventsd.backends.file.worker import make

__all__ = ["make"]
