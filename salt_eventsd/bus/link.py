"""
The engine's end of the line to its reader. It puts the reader's frames into the inbox and replaces a reader that died.

Frames that do not fit into the inbox stay with the reader, which has room for them.
"""

from __future__ import annotations

import logging
import socket
import time

import msgspec

from salt_eventsd.bus.gaps import Gap
from salt_eventsd.bus.inbox import Inbox
from salt_eventsd.bus.nursery import Nursery
from salt_eventsd.bus.pieces import Unpacker
from salt_eventsd.bus.reader import ReaderState

log = logging.getLogger(__name__)

#: How many bytes may wait in the engine itself.
_INBOX_BYTES = 2 * 2**20
_READ_BYTES = 262_144
#: How long the thread waits for frames at a time.
_LOOK_SECONDS = 0.5
#: How long the thread waits before it checks again whether the inbox has room.
_ROOM_SECONDS = 0.01
#: How long to wait before starting a new reader, by how many have died soon after their start.
_AGAIN_SECONDS = (0.0, 0.1, 0.5, 1.0, 2.0, 5.0)
#: A reader that has run so long did not die soon after its start.
_LONG_LIFE_SECONDS = 10.0
#: After :meth:`Link.stop`, the thread takes frames that were already read for so long.
_LAST_SECONDS = 1.2
#: How many gaps are remembered for the status.
_GAPS_KEPT = 20
_DIED = "the reader of the event bus died and was started again"


class Link:
    """
    Receives frames from readers until :meth:`stop`.

    :param nursery: starts the readers.
    :param inbox: receives the frames.
    """

    def __init__(self, nursery: Nursery, inbox: Inbox) -> None:
        #: Grows as long as the thread is doing something.
        self.turns = 0
        self._nursery = nursery
        self._inbox = inbox
        self._socket: socket.socket | None = None
        self._pid = 0
        self._taken = 0
        self._stop_at = 0.0
        #: The sums of the readers that have died.
        self._before = ReaderState()
        self._unread = 0
        self._deaths = 0
        #: Replaced as a whole, because other threads read it.
        self._own_gaps: tuple[Gap, ...] = ()
        self._last = ReaderState()

    @property
    def state(self) -> ReaderState:
        """The reader's state, as it last wrote it."""
        try:
            found = msgspec.msgpack.decode(self._nursery.page.read(), type=ReaderState)
        except msgspec.DecodeError:
            return self._last
        # A new reader has written nothing yet: the page still holds the last state of the one that died.
        self._last = found if found.pid == self._pid else ReaderState(self._pid)
        return self._last

    @property
    def received(self) -> int:
        """The number of frames read."""
        return self._before.received + self.state.received

    @property
    def lost(self) -> int:
        """The number of frames that a reader read and never sent here: it had no room for them, or died with them."""
        return self._before.dropped + self.state.dropped + self._unread

    @property
    def reconnects(self) -> int:
        """How often the connection to the bus was made again."""
        return self._before.reconnects + self.state.reconnects + self._deaths

    @property
    def gaps(self) -> list[Gap]:
        """The gaps, the newest last."""
        state = self.state
        own = self._own_gaps
        if own and own[-1].until is None and state.since and self._pid:
            own[-1].close(state.since)
        return sorted([*own, *state.gaps], key=lambda gap: gap.since)[-_GAPS_KEPT:]

    def away(self, gap: Gap) -> None:
        """
        Add a gap in which there was no reader. It lasts until there is one.

        :param gap: the gap, with its beginning.
        """
        self._own_gaps = (*self._own_gaps, gap)[-_GAPS_KEPT:]

    def run(self) -> None:
        """
        Take frames until stopped, and then the frames that were already read.

        :raises EventsdError: there is no reader, and none can be started.
        """
        early = 0
        while not self._stop_at:
            self._pid, self._socket = self._nursery.reader()
            began = time.monotonic()
            if self._stop_at:
                self.stop()
            with self._socket:
                self._read(self._socket)
            if not self._stop_at:
                early = early + 1 if time.monotonic() - began < _LONG_LIFE_SECONDS else 0
                self._died()
                self._wait(_AGAIN_SECONDS[min(early, len(_AGAIN_SECONDS) - 1)])
        self._unread += max(0, self.state.received - self.state.dropped - self._taken)

    def stop(self) -> None:
        """End :meth:`run`; may be called from a signal handler."""
        self._stop_at = self._stop_at or time.monotonic()
        if self._socket:
            try:
                # The reader sees that the engine wants no more frames, sends what it has, and ends.
                self._socket.shutdown(socket.SHUT_WR)
            except OSError:
                return

    def _read(self, reader: socket.socket) -> None:
        reader.settimeout(_LOOK_SECONDS)
        buffer = bytearray(_READ_BYTES)
        view = memoryview(buffer)
        unpacker = Unpacker()
        inbox = self._inbox
        while not self._is_over():
            self.turns += 1
            # After a stop, the inbox takes all frames, whatever its size.
            if inbox.waiting_bytes > _INBOX_BYTES and not self._stop_at:
                time.sleep(_ROOM_SECONDS)
                continue
            try:
                size = reader.recv_into(view)
            except TimeoutError:
                continue
            except OSError:
                return
            if not size:
                return
            frames, lines = unpacker.feed(view[:size])
            if frames:
                self._taken += len(frames)
                inbox.extend(frames)
            for level, text in lines:
                log.log(level, "%s", text)

    def _is_over(self) -> bool:
        return bool(self._stop_at) and time.monotonic() > self._stop_at + _LAST_SECONDS

    def _died(self) -> None:
        state = self.state
        gap = Gap(state.last or time.time(), None, _DIED, state.rate, state.beat)
        log.error("eventsd: the reader of the event bus (process %d) died; there will be another", self._pid)
        unread = max(0, state.received - state.dropped - self._taken)
        for one in state.gaps:
            if one.until is None:
                one.until = gap.since
            self.away(one)
        self._before = ReaderState(
            received=self._before.received + state.received,
            dropped=self._before.dropped + state.dropped,
            reconnects=self._before.reconnects + state.reconnects,
        )
        self._unread += unread
        self._pid, self._taken = 0, 0
        self._deaths += 1
        self.away(gap)

    def _wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self._stop_at and time.monotonic() < until:
            time.sleep(min(seconds, 0.1))
