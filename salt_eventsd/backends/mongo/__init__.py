"""Events into MongoDB, a document each."""

from salt_eventsd.backends.mongo.worker import make

__all__ = ["make"]
