"""Events into Redis: as keys, in lists, in streams, or published."""

from salt_eventsd.backends.redis.worker import make

__all__ = ["make"]
