"""
An HTTP server for metrics. Whoever connects may be anybody who reaches the port: they get ``/metrics`` and nothing
else, and have little time and few connections.
"""

from __future__ import annotations

import io
import logging
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import CollectorRegistry, make_wsgi_app

from salt_eventsd.config.structs import MetricsConfig
from salt_eventsd.engine.metrics.tls import tls_of
from salt_eventsd.redact.error_text import one_line, traceback_text

log = logging.getLogger(__name__)

_PATH = "/metrics"
#: How long the server waits for each piece of a request, and for the other side to take each piece of the answer ...
_PIECE_SECONDS = 5.0
#: ... and for all of it.
_LONGEST_SECONDS = 20.0
#: So many connections are served at once; further ones are closed.
_MOST_CONNECTIONS = 8


class _Handler(WSGIRequestHandler):
    timeout = _PIECE_SECONDS

    def get_stderr(self) -> io.StringIO:
        """Return where the errors of an answer go: nowhere; :func:`_only_metrics` logs them."""
        return io.StringIO()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that the class above has
        """Log nothing: who scrapes does so several times a minute."""


class MetricsHttp(ThreadingMixIn, WSGIServer):
    """
    Listens at an address; :meth:`handle_request` answers one request, in a thread of its own.

    :param config: the address.
    :param registry: collects the metrics.
    :raises OSError: it cannot listen there, or a file of its certificate cannot be read.
    """

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True

    def __init__(self, config: MetricsConfig, registry: CollectorRegistry) -> None:
        self._config = config
        tls_of(config)
        self._places = threading.BoundedSemaphore(_MOST_CONNECTIONS)
        self._mutex = threading.Lock()
        self._since: dict[socket.socket, float] = {}
        [(self.address_family, _, _, _, address), *_] = socket.getaddrinfo(
            config.host, config.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        super().__init__(address[:2], _Handler)  # type: ignore[arg-type]  # typed for IPv4 alone
        self.set_app(_only_metrics(make_wsgi_app(registry)))

    def server_bind(self) -> None:
        """Bind, without asking for the name of the host, as the class above does: that may take long."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()

    def end_slow_ones(self) -> None:
        """Close connections that take too long."""
        with self._mutex:
            slow = [one for one, since in self._since.items() if time.monotonic() - since > _LONGEST_SECONDS]
        for one in slow:
            # The thread that answers reads an end then, and closes it; whoever says a little again and again goes, too.
            with suppress(OSError):
                socket.socket.shutdown(one, socket.SHUT_RDWR)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread of its own, if there are not too many."""
        if not self._places.acquire(blocking=False):
            self.shutdown_request(request)
            return
        with self._mutex:
            self._since[request] = time.monotonic()
        try:
            super().process_request(request, client_address)
        except BaseException:
            # The system has no more threads to give.
            self._done_with(request)
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer; called in the thread."""
        secured = request
        try:
            secured = self._secured(request)
            if isinstance(secured, ssl.SSLSocket):
                secured.do_handshake()
            super().process_request_thread(secured, client_address)
        except Exception as exc:
            log.debug("eventsd: metrics: a connection could not be secured: %s", one_line(exc))
            self.shutdown_request(secured)
        finally:
            self._done_with(request, secured)

    def _secured(self, request: socket.socket) -> socket.socket:
        tls = tls_of(self._config)
        if tls is None:
            return request
        request.settimeout(_PIECE_SECONDS)
        # The handshake comes later, so that whoever takes too long for it can be ended, too.
        secured = tls.wrap_socket(request, server_side=True, do_handshake_on_connect=False)
        with self._mutex:
            self._since[secured] = self._since.pop(request, time.monotonic())
        return secured

    def _done_with(self, *several: socket.socket) -> None:
        with self._mutex:
            for one in several:
                self._since.pop(one, None)
        self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log what went wrong; mostly the other side has gone away."""
        if exc := sys.exc_info()[1]:
            log.debug("eventsd: metrics: a request failed: %s", traceback_text(exc))


def _only_metrics(app: Callable[..., Any]) -> Callable[..., Iterable[bytes]]:
    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ.get("PATH_INFO") == _PATH:
            try:
                found: Iterable[bytes] = app(environ, start_response)
            except Exception as exc:
                log.error("eventsd: metrics: no answer could be made, which is a bug: %s", one_line(exc))
                raise
            return found
        start_response("404 Not Found", [("Content-Type", "text/plain; charset=utf-8")])
        return [f"There is only {_PATH} here.\n".encode()]

    return answer
