"""
Connections to servers: when one whose other side is gone ends, how long a request may take, and what a failure costs.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from salt_eventsd.exceptions import WorkerError

#: Level, option, value; as ``socket.setsockopt`` takes them.
SocketOption = tuple[int, int, int]

#: How much later than a client library's own time limit ours ends, in seconds: the library's error says more clearly
#: what it waited for.
GRACE = 0.25


@contextmanager
def renewed_after_failure(renew: Callable[[], object]) -> Iterator[None]:
    """
    Close a worker's connections if the body raises a :class:`~salt_eventsd.exceptions.WorkerError`: what the server
    refuses on this connection, it may take on the next one.

    :param renew: closes them; the next try makes new ones.
    """
    try:
        yield
    except WorkerError:
        renew()
        raise


@contextmanager
def ended_after(seconds: float, end_it: Callable[[], object]) -> Iterator[None]:
    """
    End a request that the body waits for, from another thread. A client library's own limit is one of each wait, and a
    server that sends a byte now and then could hold a request for ever.

    :param seconds: the library's limit; ours is :data:`GRACE` later.
    :param end_it: ends the request; see :func:`end`.
    """
    over = threading.Timer(seconds + GRACE, end_it)
    over.daemon = True
    over.start()
    try:
        yield
    finally:
        over.cancel()


def keepalive(seconds: float) -> list[SocketOption]:
    """
    Return the socket options by which a connection ends once the other side has been silent for a while.

    They do not notice a proxy that acknowledges what it does not hand on; each wait has its own time limit for that.

    :param seconds: for how long the other side may be silent, at the most.
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


def keep_alive(connection: socket.socket, seconds: float) -> None:
    """
    Set these options on a connection.

    :param connection: of TCP.
    :param seconds: see :func:`keepalive`.
    """
    for option in keepalive(seconds):
        connection.setsockopt(*option)


def end(connection: socket.socket | None) -> None:
    """
    End a connection that another thread reads from; to that thread it looks as if the other side had closed.

    :param connection: of TCP, perhaps with TLS; None: there is none.
    """
    if connection is not None:
        with suppress(OSError):
            # A TLS socket's own shutdown would touch what the other thread is using.
            socket.socket.shutdown(connection, socket.SHUT_RDWR)
