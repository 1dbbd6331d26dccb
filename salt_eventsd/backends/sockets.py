"""What is said of a TCP connection when it is made, so that one whose other side is gone does not stay for ever."""

from __future__ import annotations

import socket
from contextlib import suppress

#: Level, option, value; as ``socket.setsockopt`` takes them.
SocketOption = tuple[int, int, int]


def keepalive(seconds: float) -> list[SocketOption]:
    """
    Return the options of a connection that is to end once the other side has been silent for a while.

    A proxy that acknowledges and does not hand on is not found out by these: each wait has its own time limit.

    :param seconds: for how long, at the most.
    """
    idle = max(1, min(int(seconds / 2), 30))
    options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    for name, value in (
        ("TCP_KEEPIDLE", idle),
        ("TCP_KEEPINTVL", max(1, idle // 3)),
        ("TCP_KEEPCNT", 3),
        ("TCP_USER_TIMEOUT", int(seconds * 1000)),
    ):
        if (option := getattr(socket, name, None)) is not None:
            options.append((socket.IPPROTO_TCP, option, value))
    return options


def apply(connection: socket.socket, seconds: float) -> None:
    """
    Set the options of a connection.

    :param connection: of TCP.
    :param seconds: see :func:`keepalive`.
    """
    for option in keepalive(seconds):
        connection.setsockopt(*option)


def end(connection: socket.socket | None) -> None:
    """
    End a connection under whoever reads from it in another thread, who finds that the other side has closed.

    :param connection: of TCP, perhaps with TLS; None: there is none.
    """
    if connection is not None:
        with suppress(OSError):
            # Not as TLS would have it: that is in the hands of the other thread.
            socket.socket.shutdown(connection, socket.SHUT_RDWR)
