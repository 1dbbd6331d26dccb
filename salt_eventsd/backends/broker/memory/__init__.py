"""
A broker in this process, for tests: it does all that :mod:`~salt_eventsd.backends.broker.interface` asks for, and can
be away, full or wiped.

``broker``
    The broker itself.
``clients``
    What masters and writers have of it.
"""

from salt_eventsd.backends.broker.memory.broker import Memory
from salt_eventsd.backends.broker.memory.clients import MemoryConsumer, MemoryPublisher

__all__ = ["Memory", "MemoryConsumer", "MemoryPublisher"]
