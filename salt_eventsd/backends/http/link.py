"""
Connections to a web server that are renewed after each fault, and requests that end in time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from salt_eventsd.backends.connections import end, ended_after, keepalive

#: How long a connection is used, in seconds: after that, the server's name may mean another server.
_OLDEST = 300.0
#: For each thread, the list in which the connections of its request are noted.
_current = threading.local()

_CONNECTING = (
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
    urllib3.exceptions.ProxyError,
    urllib3.exceptions.SSLError,
)


class _Noted:
    """A connection that notes itself as used by its thread."""

    def request(self, *args: Any, **kwargs: Any) -> Any:
        """Send a request."""
        if (used := getattr(_current, "used", None)) is not None:
            used.append(self)
        return super().request(*args, **kwargs)  # type: ignore[misc]  # of the class beside this one


class _Plain(_Noted, HTTPConnectionPool.ConnectionCls):  # type: ignore[misc]  # the library has no types
    pass


class _Secure(_Noted, HTTPSConnectionPool.ConnectionCls):  # type: ignore[misc]  # the library has no types
    pass


_POOLS = {
    "http": type("_PlainPool", (HTTPConnectionPool,), {"ConnectionCls": _Plain}),
    "https": type("_SecurePool", (HTTPSConnectionPool,), {"ConnectionCls": _Secure}),
}


class _Adapter(HTTPAdapter):  # type: ignore[misc]  # the library has no types
    """Makes connections with socket options of ours."""

    def __init__(self, seconds: float) -> None:
        self._socket_options = [*urllib3.connection.HTTPConnection.default_socket_options, *keepalive(seconds)]
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pools."""
        super().init_poolmanager(*args, socket_options=self._socket_options, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """Return the pools of a proxy."""
        manager = super().proxy_manager_for(proxy, socket_options=self._socket_options, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager


class Link:
    """
    Connections to a server.

    :param seconds: a request may take as long as this, connecting and answering.
    :param prepare: is given each new session, and sets what goes with each request.
    """

    def __init__(self, seconds: float, prepare: Callable[[requests.Session], None]) -> None:
        self._seconds = seconds
        self._prepare = prepare
        self._mutex = threading.Lock()
        self._session: requests.Session | None = None
        self._since = 0.0

    @contextmanager
    def request(self, method: str, url: str, seconds: float | None = None, **arguments: Any) -> Iterator[Any]:
        """
        Send a request, and hand over its answer; only the head of it has been read.

        :param method: of HTTP.
        :param url: where to.
        :param seconds: how long this one may take, if not as long as all.
        :param arguments: of the library's ``request``.
        """
        limit = seconds or self._seconds
        used: list[Any] = []
        _current.used = used
        try:
            with (
                ended_after(limit, lambda: _end(used)),
                self._opened().request(method, url, timeout=limit, stream=True, **arguments) as response,
            ):
                yield response
        finally:
            _current.used = None

    def renew(self) -> None:
        """Close all connections; the next request makes a new one."""
        with self._mutex:
            session, self._session = self._session, None
        if session is not None:
            session.close()

    def _opened(self) -> requests.Session:
        with self._mutex:
            if self._session is not None and time.monotonic() - self._since > _OLDEST:
                self._session.close()
                self._session = None
            if self._session is None:
                session = requests.Session()
                for scheme in ("http://", "https://"):
                    session.mount(scheme, _Adapter(self._seconds))
                self._prepare(session)
                self._session, self._since = session, time.monotonic()
            return self._session


def was_connected(error: BaseException) -> bool:
    """
    Say whether an error of a request came after its connection had been made.

    :param error: of the library.
    """
    seen: list[BaseException] = []
    todo: list[Any] = [error]
    while todo:
        one = todo.pop()
        if isinstance(one, BaseException) and one not in seen:
            if isinstance(one, _CONNECTING):
                return False
            seen.append(one)
            todo += [one.__cause__, one.__context__, getattr(one, "reason", None), *one.args]
    return True


def _end(used: list[Any]) -> None:
    """End connections that another thread's request reads from."""
    for connection in used:
        end(getattr(connection, "sock", None))
