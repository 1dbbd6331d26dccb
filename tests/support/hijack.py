"""A MariaDB server that somebody else has taken over: it answers a query by asking the client for a file."""

from __future__ import annotations

import socket
from concurrent.futures import Future
from contextlib import suppress

from tests.support.proxy import Relay

#: The first byte of a query, of one that is prepared, and of a request for a file.
_QUERIES, _FILE = (0x03, 0x16), b"\xfb"


class Hijack(Relay):
    """
    Passes everything on to a server but for one query, which it answers with a request for a file.

    :param server_port: the server's.
    :param beginning: of the query that is answered so.
    :param path: of the file.
    """

    def __init__(self, server_port: int, beginning: str, path: str) -> None:
        super().__init__(server_port)
        self._beginning = beginning.encode()
        self._path = path.encode()
        #: Whatever the client has sent upon the request until it closed the connection.
        self.received: Future[bytes] = Future()

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError), client, socket.create_connection(("127.0.0.1", self.server_port)) as server:
            for is_client, data in self._sent(client, server):
                if is_client and self._is_query(data):
                    self._ask(client)
                    return
                (server if is_client else client).sendall(data)

    def _is_query(self, data: bytes) -> bool:
        """Say whether it is the query to answer. A client waits for each answer, so a query begins what is read."""
        return data[3] == 0 and data[4] in _QUERIES and data[5:].startswith(self._beginning)

    def _ask(self, client: socket.socket) -> None:
        request = _FILE + self._path
        client.sendall(len(request).to_bytes(3, "little") + b"\x01" + request)
        received = b""
        with suppress(OSError):
            while data := client.recv(65_536):
                received += data
        self.received.set_result(received)
