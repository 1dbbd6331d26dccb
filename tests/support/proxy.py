"""
Proxies before a server. One loses the answer to a commit, as a network may at the worst moment. The other is an address
that can be moved to another server, or fall silent.
"""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from types import TracebackType

from typing_extensions import Self

#: A commit in PostgreSQL's protocol (kind, length, text) and in MySQL's (length, number, kind, text).
_COMMITS = (b"Q\x00\x00\x00\x0bCOMMIT\x00", b"\x07\x00\x00\x00\x03COMMIT")


class Relay:
    """
    Listens on :attr:`port` within a ``with`` block, and serves each connection in a thread.

    :param server_port: the port of the server behind it, on 127.0.0.1.
    """

    def __init__(self, server_port: int) -> None:
        #: The port that new connections lead to. Existing connections are not moved.
        self.server_port = server_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._closed = threading.Event()
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._taken(client)
                threading.Thread(target=self._serve, args=[client], daemon=True).start()

    def _taken(self, client: socket.socket) -> None:
        """Note a new connection."""

    def _serve(self, client: socket.socket) -> None:
        raise NotImplementedError

    def _sent(self, client: socket.socket, server: socket.socket) -> Iterator[tuple[bool, bytes]]:
        """Yield what both sides send, each with whether it is the client's, until one of them has ended."""
        while not self._closed.is_set():
            for source in select.select([client, server], [], [], 0.2)[0]:
                if not (data := source.recv(65_536)):
                    return
                yield source is client, data


class CommitCutter(Relay):
    """Passes everything on to a server, and loses the answer to a commit."""

    def __init__(self, server_port: int) -> None:
        super().__init__(server_port)
        self._cut = threading.Event()
        #: How many answers were lost so far.
        self.cuts = 0

    def cut_next(self) -> None:
        """Pass the next commit on, wait for the server's answer, and cut the connection instead of passing it back."""
        self._cut.set()

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError), client, socket.create_connection(("127.0.0.1", self.server_port)) as server:
            for is_client, data in self._sent(client, server):
                (server if is_client else client).sendall(data)
                if is_client and data.endswith(_COMMITS) and self._cut.is_set():
                    self._cut.clear()
                    # The server has committed once it answers.
                    server.recv(65_536)
                    self.cuts += 1
                    return


class Switch(Relay):
    """An address that leads to a server. It can be moved to another server, or be silent."""

    def __init__(self, server_port: int) -> None:
        super().__init__(server_port)
        self._silent = threading.Event()
        self._links: list[socket.socket] = []

    def move(self, server_port: int, cut: bool = False) -> None:
        """
        Lead new connections to another server.

        :param cut: whether to end the open connections.
        """
        self.server_port = server_port
        if cut:
            for link in self._links:
                with suppress(OSError):
                    link.shutdown(socket.SHUT_RDWR)

    def be_silent(self, silent: bool = True) -> None:
        """Keep the connections open, and pass nothing on."""
        (self._silent.set if silent else self._silent.clear)()

    def _taken(self, client: socket.socket) -> None:
        self._links.append(client)

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError), client, socket.create_connection(("127.0.0.1", self.server_port)) as server:
            while not self._closed.is_set():
                for source in select.select([client, server], [], [], 0.2)[0]:
                    data = source.recv(65_536)
                    if not data:
                        return
                    if not self._silent.is_set():
                        (server if source is client else client).sendall(data)
