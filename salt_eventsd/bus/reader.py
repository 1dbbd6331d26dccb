"""
The process that reads the bus and does nothing else, so that no rule, disk or database can hold it up.

A thread would not do. Code that holds Python's global lock (an expression that searches a megabyte, a library written
in C) holds up every thread of its process, and the publisher disconnects a client that does not read.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import msgspec

from salt_eventsd.bus.gaps import Gap
from salt_eventsd.bus.listen import Bus
from salt_eventsd.bus.page import MOST_BYTES, Page
from salt_eventsd.bus.pieces import Hopper
from salt_eventsd.redact.error_text import location

log = logging.getLogger(__name__)

#: How long to wait before sending again to an engine whose socket is full.
_AGAIN_SECONDS = 0.005
#: Once the engine wants no more, the reader has so long to send what it has read.
_LAST_SECONDS = 5.0
#: The longest reason of a gap and the longest line for the log, in characters.
_LONGEST = 2000


class ReaderState(msgspec.Struct, array_like=True, frozen=True):
    """
    The state of a reader, which it writes for the engine.

    :param pid: the process id.
    :param beat: when the reader wrote this, by the monotonic clock.
    :param received: how many frames it has read.
    :param dropped: how many frames it had no room for.
    :param waiting_bytes: how many bytes wait for the engine.
    :param connected: whether it is connected to the bus.
    :param since: when it connected, in seconds since 1970 UTC; 0 if it never did.
    :param reconnects: how often it has connected again.
    :param last: when it read the last frame, in seconds since 1970 UTC; 0 if it read none.
    :param rate: events per second.
    :param gaps: the gaps of its connection.
    """

    pid: int = 0
    beat: float = 0.0
    received: int = 0
    dropped: int = 0
    waiting_bytes: int = 0
    connected: bool = False
    since: float = 0.0
    reconnects: int = 0
    last: float = 0.0
    rate: float = 0.0
    gaps: list[Gap] = []


class Reader:
    """
    Reads the bus until the engine ends, or wants no more.

    :param opts: Salt's options.
    :param engine: the socket to the engine. Frames go there; the engine sends nothing and closes it at the end.
    :param page: the reader writes its state there.
    """

    def __init__(self, opts: Mapping[str, Any], engine: socket.socket, page: Page) -> None:
        self._engine = engine
        self._page = page
        self._hopper = Hopper()
        self._bus = Bus(opts, self._take, self._tell)
        self._bus.watch(engine.fileno(), self._ended)
        self._is_due = False
        self._pid = os.getpid()

    def run(self) -> None:
        """Read until the end, then send what is left."""
        self._engine.setblocking(False)
        handler = _Lines(self._hopper)
        # Salt's own handlers would write to files and queues that belong to the engine.
        logging.root.handlers[:] = [handler]
        self._tell()
        try:
            self._bus.run()
        except Exception as exc:
            log.error("eventsd: the reader of the event bus ended by an error: %s", location(exc))
        self._tell()
        self._engine.settimeout(_LAST_SECONDS)
        with suppress(OSError):
            self._hopper.send(self._engine)
        self._tell()

    def _take(self, raws: Sequence[bytes]) -> None:
        if self._hopper.put(raws):
            self._send()
        elif not self._is_due:
            # The loop does this as soon as there is nothing more to read.
            self._is_due = True
            self._bus.later(0.0, self._send_due)

    def _send_due(self) -> None:
        self._is_due = False
        self._send()

    def _send(self) -> None:
        try:
            is_all_sent = self._hopper.send(self._engine)
        except OSError:
            self._bus.stop()
            return
        if not is_all_sent and not self._is_due:
            self._is_due = True
            self._bus.later(_AGAIN_SECONDS, self._send_due)

    def _ended(self) -> None:
        self._bus.stop()

    def _tell(self) -> None:
        bus, hopper = self._bus, self._hopper
        gaps = list(bus.gaps)
        for gap in gaps:
            gap.why = gap.why[:_LONGEST]
        state = ReaderState(
            self._pid,
            time.monotonic(),
            hopper.received,
            hopper.dropped,
            hopper.waiting_bytes,
            bus.connected,
            bus.connected_since,
            bus.reconnects,
            bus.pulse.last,
            bus.pulse.rate(),
            gaps,
        )
        content = msgspec.msgpack.encode(state)
        if len(content) < MOST_BYTES:
            self._page.write(content)


class _Lines(logging.Handler):
    """Sends log lines to the engine, which has Salt's log handlers."""

    def __init__(self, hopper: Hopper) -> None:
        super().__init__()
        self._hopper = hopper

    def emit(self, record: logging.LogRecord) -> None:
        """Take a line."""
        with suppress(Exception):
            self._hopper.tell(record.levelno, record.getMessage()[:_LONGEST])
