"""
Points to Graphite's carbon, or to whatever else takes its plaintext or pickle protocol over TCP.

Carbon answers nothing. To know that points have arrived, each batch has a connection of its own: we close our side of
it, and wait until carbon closes the other, which it does when it has read everything.
"""

from __future__ import annotations

import pickle
import re
import socket
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from salt_eventsd.backends.connections import keep_alive
from salt_eventsd.exceptions import Cut, Transient

Protocol = Literal["plaintext", "pickle"]
#: The port where carbon listens, by protocol.
PORTS: dict[Protocol, int] = {"plaintext": 2003, "pickle": 2004}

#: How many points go into one message of the pickle protocol; carbon takes no message above 1 MiB.
_PICKLED_TOGETHER = 500
_LENGTH = struct.Struct("!L")
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_-]")
#: A part of a path is the name of a file or folder in carbon's store, which could be no longer; in characters.
_LONGEST_PART = 200
_EARLY = "it closed the connection before it had read everything"


class Point(NamedTuple):
    """
    A number at a time.

    :param path: the metric, parts separated by dots.
    :param value: the number.
    :param second: since 1970 UTC.
    """

    path: str
    value: float
    second: int


@dataclass(frozen=True)
class Carbon:
    """
    Where points go.

    :param host: name or address.
    :param port: of TCP.
    :param protocol: plaintext or pickle.
    :param seconds: how long connecting may take, and a batch.
    """

    host: str
    port: int
    protocol: Protocol
    seconds: float

    def send(self, points: Sequence[Point]) -> None:
        """
        Send points; return once carbon has read them.

        :param points: no path of them has blanks in it.
        :raises Transient: carbon may not have read all of them.
        """
        message = _pickled(points) if self.protocol == "pickle" else _plain(points)
        end = time.monotonic() + self.seconds
        try:
            connection = self._connected()
        except OSError as exc:
            raise Transient(f"{self}: {exc.strerror or exc}") from exc
        try:
            with connection:
                connection.settimeout(_left(end))
                connection.sendall(message)
                _await_close(connection, end)
        except OSError as exc:
            raise Cut(f"{self}: {exc.strerror or exc}") from exc

    def check(self) -> str:
        """
        Return a line that says carbon can be reached; nothing is sent.

        :raises Transient: it cannot.
        """
        try:
            self._connected().close()
        except OSError as exc:
            raise Transient(f"{self}: {exc.strerror or exc}") from exc
        return f"{self} takes connections"

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    def _connected(self) -> socket.socket:
        connection = socket.create_connection((self.host, self.port), self.seconds)
        keep_alive(connection, self.seconds)
        return connection


def clean(text: str, apart: str = "") -> str:
    """
    Return text as one part of a metric's path: what Graphite gives a meaning to becomes ``_``.

    :param text: of a field.
    :param apart: not used: only dots part a metric's path, and no field keeps one.
    """
    return _NOT_IN_A_NAME.sub("_", text[:_LONGEST_PART])


def _left(end: float) -> float:
    """Return the seconds that are left until a moment, and a little if none are."""
    return max(end - time.monotonic(), 0.001)


def _await_close(connection: socket.socket, end: float) -> None:
    if _has_closed(connection):
        # We have not closed our side yet.
        raise ConnectionAbortedError(_EARLY)
    connection.shutdown(socket.SHUT_WR)
    connection.settimeout(_left(end))
    while connection.recv(4096):
        connection.settimeout(_left(end))
    if connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        raise ConnectionAbortedError(_EARLY)


def _has_closed(connection: socket.socket) -> bool:
    timeout = connection.gettimeout()
    connection.settimeout(0)
    try:
        return not connection.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    finally:
        connection.settimeout(timeout)


def _plain(points: Sequence[Point]) -> bytes:
    return "".join(f"{point.path} {point.value:.17g} {point.second}\n" for point in points).encode()


def _pickled(points: Sequence[Point]) -> bytes:
    messages = []
    for start in range(0, len(points), _PICKLED_TOGETHER):
        some = [(point.path, (point.second, point.value)) for point in points[start : start + _PICKLED_TOGETHER]]
        # Carbon may run on any Python; this is the oldest binary protocol.
        message = pickle.dumps(some, protocol=2)
        messages.append(_LENGTH.pack(len(message)) + message)
    return b"".join(messages)
