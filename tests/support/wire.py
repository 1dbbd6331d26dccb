"""A connection to a server that stops passing data on, or leads to another server, and is never closed."""

from __future__ import annotations

import select
import socket
import threading
import time
from contextlib import suppress
from typing import Any

from tests.support.proxy import Relay


class Wire(Relay):
    """Passes everything on to a server, until it is told to go dead or slow."""

    def __init__(self, server_port: int) -> None:
        super().__init__(server_port)
        #: How many connections it has accepted so far.
        self.connections = 0
        self._dead = threading.Event()
        self._slow = threading.Event()

    def stall(self) -> None:
        """Accept connections and data, and pass nothing on, like a proxy that hangs."""
        self._dead.set()

    def trickle(self) -> None:
        """Pass answers back one byte at a time, so that no wait for the next byte is long."""
        self._slow.set()

    def go(self) -> None:
        """Pass data of new connections on. Stalled connections stay dead."""
        self._dead.clear()
        self._slow.clear()

    def _taken(self, client: socket.socket) -> None:
        self.connections += 1

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError), client:
            if self._dead.is_set():
                self._swallow(client)
                return
            with socket.create_connection(("127.0.0.1", self.server_port)) as server:
                self._hand_on(client, server)

    def _hand_on(self, client: socket.socket, server: socket.socket) -> None:
        open_ends = [client, server]
        while open_ends and not self._closed.is_set():
            for source in select.select(open_ends, [], [], 0.05)[0]:
                if self._dead.is_set():
                    self._swallow(client)
                    return
                other = server if source is client else client
                if source is server and self._slow.is_set():
                    time.sleep(0.1)
                if data := source.recv(1 if source is server and self._slow.is_set() else 65_536):
                    other.sendall(data)
                else:
                    open_ends.remove(source)
                    other.shutdown(socket.SHUT_WR)

    def _swallow(self, client: socket.socket) -> None:
        # The other side does not learn of the end of a connection either.
        while not self._closed.wait(0.01):
            if select.select([client], [], [], 0.05)[0]:
                client.recv(65_536)


def through(options: dict[str, Any], port: int, wire: Wire) -> dict[str, Any]:
    """
    Return a worker's options, changed so that it connects through a wire.

    :param options: the options.
    :param port: the server's port in them.
    :param wire: the wire.
    """
    found = dict(options)
    if "url" in found:
        found["url"] = str(found["url"]).replace(f":{port}", f":{wire.port}")
    if "port" in found:
        found["port"] = wire.port
    assert found != options
    return found
