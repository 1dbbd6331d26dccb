"""
A throwaway server that speaks OpenSearch's protocol, and a door (a proxy) before it that checks users and can refuse.

The server is osmem-server from a wheel, a re-implementation for tests. It makes mappings, refuses documents that do not
fit them, and knows ids and versions, as OpenSearch does. The door adds users, and answers like a busy server.
"""

from __future__ import annotations

import base64
import json
import ssl
import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from typing_extensions import Self

from tests.support.binaries import ServerMissing
from tests.support.brokers import Broker
from tests.support.certificates import Certificate
from tests.support.server import PASSWORD, USER

#: The parts of an ``api_key`` that the door accepts.
API_KEY = f"{USER}:{PASSWORD}"


class OpenSearch(Broker):
    """A server that loses its data when it stops."""

    name = "OpenSearch"
    drivername = "http"
    # A virtual environment may be in a folder that other users may not read.
    runs_as_owner = True

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """
        Send the server a request.

        :param method: the HTTP method.
        :param path: the path of the URL.
        :param body: the body, which is sent as JSON.
        """
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            None if body is None else json.dumps(body).encode(),
            {"Content-Type": "application/json"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read() or b"{}")

    def documents(self, index: str = "salt-*") -> list[dict[str, Any]]:
        """Return the documents of an index as the server has them, in the order of their jids."""
        self.ask("POST", f"/{index}/_refresh")
        hits = self.ask("POST", f"/{index}/_search", {"size": 5000})["hits"]["hits"]
        return sorted(hits, key=lambda hit: str(hit["_source"]["jid"]).zfill(30))

    def jids(self, index: str = "salt-*") -> list[str]:
        """Return the jids of the documents of an index."""
        return [hit["_source"]["jid"] for hit in self.documents(index)]

    def probe(self) -> None:
        """Ask for the server's name and version."""
        self.ask("GET", "/")

    def _find(self) -> tuple[str, str]:
        try:
            import osmem_server

            return osmem_server.resolve_binary(), ""
        except (ImportError, RuntimeError):
            raise ServerMissing(self.name, "osmem-server", "the wheel osmem-server, of PyPI") from None

    def _command(self) -> list[str]:
        return [self._programs[0], "-addr", f"127.0.0.1:{self.port}", "-no-ja", "-no-stdin-watch"]


class Door:
    """
    Listens on :attr:`port` within a ``with`` block, and passes the requests of known users on to a server.

    :param server_port: the server's port on 127.0.0.1.
    :param certificate: the certificate for TLS; None for no TLS.
    """

    def __init__(self, server_port: int, certificate: Certificate | None = None) -> None:
        self.server_port = server_port
        #: Status and body of the answers to the next requests, which are not passed on.
        self.answers: list[tuple[int, str]] = []
        #: Status and error type for items of the next request. Those documents are not passed on.
        self.items: dict[int, tuple[int, str]] = {}
        #: The largest body that the door accepts, in bytes.
        self.largest = 100 * 2**20
        #: Method, path and number of documents of each request passed on.
        self.requests: list[tuple[str, str, int]] = []
        handler = type("Handler", (_Handler,), {"door": self})
        self._listener = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._listener.daemon_threads = True
        self.port = int(self._listener.server_address[1])
        self._scheme = "https" if certificate else "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate.file, certificate.key)
            self._listener.socket = context.wrap_socket(self._listener.socket, server_side=True)

    @property
    def url(self) -> str:
        """The URL of the door."""
        return f"{self._scheme}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._listener.serve_forever, args=[0.05], daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown()
        self._listener.server_close()


class _Handler(BaseHTTPRequestHandler):
    door: Door
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Pass the request on, or refuse it."""
        self._handle()

    def do_POST(self) -> None:
        """Pass the request on, or refuse it."""
        self._handle()

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        encoded = base64.b64encode(API_KEY.encode()).decode()
        if self.headers.get("Authorization") not in (f"Basic {encoded}", f"ApiKey {encoded}"):
            error = {"type": "security_exception", "reason": "missing authentication credentials"}
            self._answer(401, json.dumps({"error": error, "status": 401}).encode())
        elif self.door.answers:
            status, text = self.door.answers.pop(0)
            self._answer(status, text.encode())
        elif len(body) > self.door.largest:
            self._answer(413, b"<html>Request Entity Too Large</html>")
        else:
            self._answer(*self._handed_on(body))

    def _handed_on(self, body: bytes) -> tuple[int, bytes]:
        items, self.door.items = self.door.items, {}
        lines = body.splitlines(keepends=True)
        pairs = [lines[at : at + 2] for at in range(0, len(lines), 2)]
        kept = b"".join(b"".join(pair) for number, pair in enumerate(pairs) if number not in items)
        self.door.requests.append((self.command, self.path, len(pairs)))
        if pairs and not kept:
            said: dict[str, Any] = {"items": []}
        else:
            status, content = self._server(kept)
            if not items:
                return status, content
            said = json.loads(content)
        for number, (code, kind) in sorted(items.items()):
            said["items"].insert(number, {"create": {"status": code, "error": {"type": kind, "reason": "told to"}}})
        return 200, json.dumps({**said, "errors": True}).encode()

    def _server(self, body: bytes) -> tuple[int, bytes]:
        headers = {"Content-Type": self.headers["Content-Type"]} if body else {}
        url = f"http://127.0.0.1:{self.door.server_port}{self.path}"
        request = urllib.request.Request(url, body or None, headers, method=self.command)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as exc:
            return exc.code, exc.read()
        except OSError:
            return 502, b"<html>Bad Gateway</html>"

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
