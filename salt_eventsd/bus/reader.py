"""
The process that reads the bus, and does nothing else: no rule, no disk, no database can hold it up.

A thread would not do. Whoever holds Python's global lock (an expression that looks through a megabyte, a library
written in C) holds up every thread of a process, and the publisher cuts off whoever does not read.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import msgspec

from salt_eventsd.bus.gaps import Gap
from salt_eventsd.bus.listen import Bus
from salt_eventsd.bus.page import MOST_BYTES, Page
from salt_eventsd.bus.pieces import Hopper
from salt_eventsd.redact.error_text import location

log = logging.getLogger(__name__)

#: How often the engine is looked for again that takes nothing more.
_AGAIN_SECONDS = 0.005
#: What has been read is handed over within so long, once the engine wants no more.
_LAST_SECONDS = 5.0
#: What is told of a gap's reason and of a line for the log, in characters.
_LONGEST = 2000


class ReaderState(msgspec.Struct, array_like=True, frozen=True):
    """
    What the engine knows of its reader, at any time.

    :param pid: the process.
    :param beat: when it last told, by the monotonic clock.
    :param received: frames read.
    :param dropped: frames that it had no room for.
    :param waiting_bytes: what waits for the engine.
    :param connected: whether it reads the bus.
    :param since: when it connected, in seconds since 1970 UTC; 0 if it never did.
    :param reconnects: how often it has connected again.
    :param last: when the last frame was read, in seconds since 1970 UTC; 0 if none was.
    :param rate: events a second.
    :param gaps: of the connection.
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
    :param engine: frames go there; what comes from there is nothing but its end.
    :param page: where the reader tells how it is.
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
        """Read, and hand over all of it."""
        self._engine.setblocking(False)
        handler = _Lines(self._hopper)
        # Salt's own would write to files and queues that are the engine's.
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

    def _take(self, raw: bytes) -> None:
        if self._hopper.put(raw):
            self._send()
        elif not self._is_due:
            # What the loop does next, once there is nothing more to read at the moment.
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
    """Hands what is logged to the engine, which has Salt's handlers."""

    def __init__(self, hopper: Hopper) -> None:
        super().__init__()
        self._hopper = hopper

    def emit(self, record: logging.LogRecord) -> None:
        """Take a line."""
        with suppress(Exception):
            self._hopper.tell(record.levelno, record.getMessage()[:_LONGEST])
