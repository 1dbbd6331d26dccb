"""
Proxies before a server: one that loses the answer to a commit, as a network does at the worst moment, and an address
that can be moved or fall silent.
"""

from __future__ import annotations

import select
import socket
import threading
from contextlib import suppress
from types import TracebackType

from typing_extensions import Self

#: As PostgreSQL's protocol has it (kind, length, text), and as MySQL's does (length, number, kind, text).
_COMMITS = (b"Q\x00\x00\x00\x0bCOMMIT\x00", b"\x07\x00\x00\x00\x03COMMIT")


class Relay:
    """
    Listens on :attr:`port` while it is a context, and serves each connection in a thread.

    :param server_port: the server's that it leads to, on 127.0.0.1.
    """

    def __init__(self, server_port: int) -> None:
        #: Where new connections lead to; those that are there stay where they are.
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


class CommitCutter(Relay):
    """Hands on to a server, and loses the answer to a commit."""

    def __init__(self, server_port: int) -> None:
        super().__init__(server_port)
        self._cut = threading.Event()
        #: Answers lost so far.
        self.cuts = 0

    def cut_next(self) -> None:
        """Hand the next commit to the server, wait until it has answered, and cut the connection instead of telling."""
        self._cut.set()

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError), client, socket.create_connection(("127.0.0.1", self.server_port)) as server:
            while not self._closed.is_set():
                for source in select.select([client, server], [], [], 0.2)[0]:
                    if not (data := source.recv(65_536)):
                        return
                    (server if source is client else client).sendall(data)
                    if source is client and data.endswith(_COMMITS) and self._cut.is_set():
                        self._cut.clear()
                        # The server has committed once it answers.
                        server.recv(65_536)
                        self.cuts += 1
                        return


class Switch(Relay):
    """An address that leads to a server: it can be moved to another one, or be silent."""

    def __init__(self, server_port: int) -> None:
        super().__init__(server_port)
        self._silent = threading.Event()
        self._links: list[socket.socket] = []

    def move(self, server_port: int, cut: bool = False) -> None:
        """
        Lead new connections to another server.

        :param cut: end those that are open.
        """
        self.server_port = server_port
        if cut:
            for link in self._links:
                with suppress(OSError):
                    link.shutdown(socket.SHUT_RDWR)

    def be_silent(self, silent: bool = True) -> None:
        """Go on acknowledging what comes, and hand on nothing."""
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
