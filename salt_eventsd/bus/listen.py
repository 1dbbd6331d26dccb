"""
Listen: read frames from Salt's event bus, reconnect, and record the gaps. In an engine, a process of its own does this
and nothing else (:mod:`salt_eventsd.bus.reader`).

The bus never repeats an event, and it disconnects a slow reader. So this module passes each frame on as it came and
parses neither tag nor payload. Salt has two subscribers: an asyncio one since 3007, and one on its own Tornado in 3006.
:func:`salt.utils.event.get_event` returns either.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import salt.utils.event

from salt_eventsd.bus.gaps import STAMPED_BYTES, TICK_SECONDS, Gap, Pulse
from salt_eventsd.common.english import counted
from salt_eventsd.redact.error_text import one_line

log = logging.getLogger(__name__)

#: Waking up for each event costs ten times as much as reading it. So after reading for so long ...
_READ_SECONDS = 0.001
#: ... the thread naps, while the publisher's socket buffers ...
_NAP_SECONDS = 0.008
#: ... or naps at once where more than so many frames come a second; then the second nap in a row, and each after it, is
#: so long that about so many frames come meanwhile ...
_MANY_A_SECOND = 1000.0
_FRAMES_A_NAP = 100
_LONGEST_NAP_SECONDS = 0.05
#: ... unless so many bytes came in the meantime that a nap would let the reader fall behind.
_BUSY_BYTES = 49_152
#: The most bytes per read. Salt asks for 4096 bytes, and each read costs it a task, as much as twenty frames.
_PIECE_BYTES = 65_536
#: How long to wait before connecting again, where Salt does not reconnect by itself.
_RECONNECT_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0)
#: A connection counts as made after it has lasted so long.
_SETTLED_SECONDS = 0.05
_CLOSED = "the publisher closed the connection: it was restarted, or this reader was too slow for it"
#: How many gaps are remembered for the status.
_GAPS_KEPT = 20


class Bus:
    """
    Reads one event bus.

    :param opts: Salt's options, which say where the bus is.
    :param sink: called with frames that were read together; it must not block.
    :param tick: called every :data:`~salt_eventsd.bus.gaps.TICK_SECONDS`.
    """

    def __init__(
        self, opts: Mapping[str, Any], sink: Callable[[list[bytes]], None], tick: Callable[[], object] | None = None
    ) -> None:
        self.connected = False
        self.connected_since = 0.0
        self.reconnects = 0
        self.gaps: deque[Gap] = deque(maxlen=_GAPS_KEPT)
        self._opts = opts
        self._sink = sink
        self._tick = tick or _nothing
        self.pulse = Pulse()
        #: Calls a function later, in the reading thread; works only while :meth:`run` runs.
        self.later: Callable[[float, Callable[[], object]], object] = _never
        self._watched: dict[int, Callable[[], object]] = {}
        self._node = "master" if opts.get("__role") == "master" else "minion"
        self._stopped = False
        self._never_why = ""
        self._wake: Callable[[], object] = _nothing

    def run(self) -> None:
        """Read until :meth:`stop`; returns only then."""
        if _has_own_tornado():
            self._run_tornado()
        else:
            asyncio.run(self._run_asyncio())
        self._wake = _nothing
        self.connected = False

    def stop(self) -> None:
        """End :meth:`run`; may be called from a signal handler."""
        self._stopped = True
        self._wake()

    def watch(self, descriptor: int, readable: Callable[[], object]) -> None:
        """
        Have a function called when another file descriptor becomes readable. Call this before :meth:`run`.

        :param descriptor: the file descriptor to watch.
        :param readable: the function.
        """
        self._watched[descriptor] = readable

    def _beat(self) -> None:
        self.pulse.feel()
        self._tick()
        self.later(TICK_SECONDS, self._beat)

    def _is_over(self) -> bool:
        return self._stopped

    def _opened(self, when: float) -> None:
        self.connected, self.connected_since = True, when
        self._noted(when)

    def _noted(self, when: float) -> None:
        if self.gaps and self.gaps[-1].until is None:
            gap = self.gaps[-1]
            gap.close(when)
            self.reconnects += 1
            log.warning(
                "eventsd: connected to the event bus again; about %s of the last %.3f s may be missing: %s",
                counted(gap.missing or 0),
                max(0.0, when - gap.since),
                gap.why,
            )

    def _lost(self, why: str) -> None:
        if not self.connected:
            if not self.connected_since and why != self._never_why:
                self._never_why = why
                log.error("eventsd: the event bus cannot be read yet: %s", why)
            return
        self.connected = False
        self.gaps.append(self.pulse.gap(why))
        if not self._stopped:
            log.error("eventsd: lost the event bus: %s", why)

    async def _run_asyncio(self) -> None:
        loop = asyncio.get_running_loop()
        for descriptor, readable in self._watched.items():
            loop.add_reader(descriptor, readable)
        self.later = loop.call_later
        self._beat()
        failures = 0
        while not self._stopped:
            session = loop.create_task(self._session())
            self._wake = partial(loop.call_soon_threadsafe, session.cancel)
            try:
                await session
            except (asyncio.CancelledError, Exception) as exc:
                if self._is_over():
                    return
                # For example, a frame was larger than Salt's reader takes. After that, only a new connection is sure
                # to begin at the start of a frame.
                failures = 0 if self.connected else failures
                self._lost(one_line(exc))
                log.debug("eventsd: reading the event bus", exc_info=True)
                pause = _RECONNECT_SECONDS[min(failures, len(_RECONNECT_SECONDS) - 1)]
                waiting = loop.create_task(asyncio.sleep(pause))
                self._wake = partial(loop.call_soon_threadsafe, waiting.cancel)
                if not self._is_over():
                    # Unlike ``await waiting``, this does not raise when the timer is cancelled.
                    await asyncio.wait([waiting])
                failures += 1

    async def _session(self) -> None:
        """Read from one subscriber until it fails or is cancelled. The subscriber reconnects by itself."""
        from tornado.ioloop import IOLoop

        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        settled: list[asyncio.TimerHandle] = []

        # Salt 3007 calls these callbacks, 3008 awaits what they return; a finished future suits both. Both versions
        # report "connected" also for a socket that could not be connected, and notice that only when they read from it:
        # wait before believing it.
        def opened(_ok: bool) -> asyncio.Future[None]:
            ready.set()
            _in_large_pieces(getattr(bus.subscriber, "_stream", None))
            settled[:] = [loop.call_later(_SETTLED_SECONDS, self._opened, time.time())]
            return _finished(loop)

        def lost() -> asyncio.Future[None]:
            for timer in settled:
                timer.cancel()
            self._lost(_CLOSED)
            return _finished(loop)

        bus = salt.utils.event.get_event(self._node, opts=dict(self._opts), listen=True, io_loop=IOLoop.current())
        try:
            # The loop makes the connection in its next run, so these callbacks are set in time.
            bus.subscriber.connect_callback = opened
            bus.subscriber.disconnect_callback = lost
            await ready.wait()
            if self._stopped:
                return
            await self._read(bus.subscriber)
        finally:
            bus.destroy()

    async def _read(self, subscriber: Any) -> None:
        clock, receive = time.monotonic, subscriber.recv
        # When the last nap began, and how long it was.
        since, nap = clock(), 0.0
        was_much = False
        frames = size = 0
        while True:
            raw = await receive()
            if not raw:
                continue
            raws = [raw]
            try:
                # What has come with it: Salt would return each of these frames in the same way, but from a coroutine of
                # its own, which costs more than the frame. What is no frame it passes by.
                raws += (
                    more
                    for message in getattr(subscriber, "unpacker", ())
                    if isinstance(message, dict) and (more := message[b"body"])
                )
            finally:
                self._hand_on(raws)
            frames += len(raws)
            size += sum(map(len, raws))
            passed = clock() - since
            is_much = frames > _MANY_A_SECOND * passed
            if is_much or passed > nap + _READ_SECONDS:
                since, nap = clock(), 0.0
                if size < _BUSY_BYTES:
                    nap = _NAP_SECONDS
                    if is_much and was_much:
                        nap = min(max(nap, _FRAMES_A_NAP * passed / frames), _LONGEST_NAP_SECONDS)
                    await asyncio.sleep(nap)
                was_much = is_much
                frames = size = 0

    def _run_tornado(self) -> None:
        """Read with Salt 3006, whose subscriber calls back with each frame and ends when the connection is lost."""
        from salt.ext.tornado.gen import coroutine, sleep
        from salt.ext.tornado.ioloop import IOLoop

        loop = IOLoop()
        loop.make_current()
        self._wake = lambda: loop.add_callback_from_signal(loop.stop)
        self.later = loop.call_later
        for descriptor, readable in self._watched.items():
            loop.add_handler(descriptor, _ignoring(readable), loop.READ)
        self._beat()

        @coroutine  # type: ignore[untyped-decorator]  # Salt's Tornado has no types
        def sessions() -> Any:
            failures = 0
            while not self._stopped:
                bus = salt.utils.event.get_event(self._node, opts=dict(self._opts), listen=True, io_loop=loop)
                try:
                    while not bus.subscriber.connected():
                        yield bus.subscriber.connect(timeout=5)
                    failures = 0
                    self._opened(time.time())
                    yield bus.set_event_handler(self._taken)
                    self._lost(_CLOSED)
                except Exception as exc:
                    self._lost(one_line(exc))
                finally:
                    bus.destroy()
                yield sleep(_RECONNECT_SECONDS[min(failures, len(_RECONNECT_SECONDS) - 1)])
                failures += 1

        loop.add_callback(sessions)
        if not self._stopped:
            loop.start()

    def _taken(self, raw: bytes) -> None:
        self._hand_on([raw])

    def _hand_on(self, raws: list[bytes]) -> None:
        self._sink(raws)
        self.pulse.frames += len(raws)
        self.pulse.newest = raws[-1] if len(raws[-1]) < STAMPED_BYTES else b""


def _nothing() -> None:
    """Do nothing: there is no loop to wake."""


def _never(_seconds: float, _function: Callable[[], object]) -> None:
    """Do nothing: there is no loop that could call."""


def _ignoring(function: Callable[[], object]) -> Callable[[int, int], None]:
    def called(_descriptor: int, _events: int) -> None:
        function()

    return called


def _in_large_pieces(stream: Any) -> None:
    """
    Make a subscriber's stream return all bytes that have come, even if the caller asks for fewer.

    While nobody reads, Tornado watches for the end of the connection, and so buffers the first bytes that come. By
    itself it would return these alone, and what came after them only the next time, after another nap.
    """
    if stream is None:
        return
    read_bytes = stream.read_bytes
    to_buffer = getattr(stream, "_read_to_buffer", None)

    def read(size: int, partial: bool = False) -> Any:
        if partial and to_buffer and not stream.closed():
            to_buffer()
        return read_bytes(max(size, _PIECE_BYTES) if partial else size, partial=partial)

    stream.read_bytes = read


def _finished(loop: asyncio.AbstractEventLoop) -> asyncio.Future[None]:
    future: asyncio.Future[None] = loop.create_future()
    future.set_result(None)
    return future


def _has_own_tornado() -> bool:
    """Say whether this Salt ships its own Tornado, as 3006 does."""
    try:
        import salt.ext.tornado  # noqa: F401 - only to see whether it exists
    except ImportError:
        return False
    return True
