"""Events to a web server, each batch as one request or each event as one."""

from salt_eventsd.backends.http.worker import make

__all__ = ["make"]
