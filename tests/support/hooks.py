"""A web server that records its requests, and answers as a test wants it to."""

from __future__ import annotations

import gzip
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

import msgspec
from typing_extensions import Self

from tests.support.certificates import Certificate


@dataclass(frozen=True)
class Request:
    """
    A request.

    :param connection: the client's port, which is the same for all requests over one connection.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    text: bytes
    connection: int

    @property
    def key(self) -> str:
        """Its Idempotency-Key."""
        return self.headers["Idempotency-Key"]

    def events(self) -> list[dict[str, Any]]:
        """The events in it, whatever form the body has."""
        text = gzip.decompress(self.text) if self.headers.get("Content-Encoding") == "gzip" else self.text
        if self.headers["Content-Type"] == "application/x-ndjson":
            assert text.endswith(b"\n")
            return [msgspec.json.decode(line) for line in text.split(b"\n")[:-1]]
        decoded = msgspec.json.decode(text)
        return decoded if isinstance(decoded, list) else [decoded]


class Reply(msgspec.Struct, frozen=True):
    """An answer."""

    status: int = 200
    headers: dict[str, str] = {}
    text: bytes = b""


OK = Reply(text=b"thank you")


class Hook:
    """
    A server on a free port of 127.0.0.1, within a ``with`` block. It can be stopped and started again.

    :param answer: called with each request; if it raises, the server breaks off the connection.
    :param certificate: use HTTPS, with this certificate.
    """

    def __init__(
        self, answer: Callable[[Request], Reply] = lambda request: OK, certificate: Certificate | None = None
    ) -> None:
        self.answer = answer
        #: All requests in their order, refused or not.
        self.requests: list[Request] = []
        self.port = 0
        self._certificate = certificate
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        """The URL of the server."""
        return f"{'https' if self._certificate else 'http'}://127.0.0.1:{self.port}"

    @property
    def taken(self) -> list[str]:
        """The jids of all events that were answered with 200, in order."""
        return [event["jid"] for request in self.accepted for event in request.events()]

    def __enter__(self) -> Self:
        self.accepted: list[Request] = []
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Listen, on the same port as before."""
        hook = self

        class Handler(_Handler):
            owner = hook

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        if self._certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self._certificate.file, self._certificate.key)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, args=[0.01], daemon=True).start()

    def stop(self) -> None:
        """Refuse connections. Open connections stay open until they are used."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Otherwise, each answer waits until the client's kernel has acknowledged its first half.
    disable_nagle_algorithm = True
    owner: Hook

    def do_POST(self) -> None:
        self._serve()

    def do_OPTIONS(self) -> None:
        self._serve()

    def do_GET(self) -> None:
        self._serve()

    def _serve(self) -> None:
        text = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        request = Request(self.command, self.path, dict(self.headers.items()), text, self.client_address[1])
        self.owner.requests.append(request)
        try:
            reply = self.owner.answer(request)
        except ConnectionError:
            self.close_connection = True
            return
        if reply.status == 200 and request.method == "POST":
            self.owner.accepted.append(request)
        self.send_response(reply.status)
        for name, value in {"Content-Length": str(len(reply.text)), **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.text)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""
