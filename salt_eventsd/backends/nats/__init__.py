"""Events into NATS, as messages that a JetStream stream keeps."""

from salt_eventsd.backends.nats.worker import make

__all__ = ["make"]
