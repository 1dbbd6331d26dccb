"""
Run: one thread that gives the lanes' due batches to a bounded pool of threads.

:mod:`salt_eventsd.dispatch.shares` decides which lane may have a thread, so that one that hangs delays no other.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait

from salt_eventsd.dispatch.lane import Lane
from salt_eventsd.dispatch.shares import Shares
from salt_eventsd.event.chunk import StoredChunk, Totals
from salt_eventsd.exceptions import SpoolError
from salt_eventsd.redact.error_text import one_line, traceback_text
from salt_eventsd.spool.keep import Spool

log = logging.getLogger(__name__)

#: The thread looks at least so often, should a wake-up ever be missed.
_LOOK_SECONDS = 1.0
#: How often an idle engine considers giving disk space back.
_SHRINK_SECONDS = 5.0


class Dispatcher(threading.Thread):
    """
    Runs the lanes.

    :param spool: where their chunks are.
    :param lanes: by name.
    :param max_workers: returns how many threads there are to be now; asked each round. See
        :class:`~salt_eventsd.dispatch.shares.Shares` for when there are more.
    :param adopt: adds a lane for dead letters that were put back for a worker or a rule that is not configured.
    :param has_prio: returns whether some rule has prio now; asked each round.
    """

    def __init__(
        self,
        spool: Spool,
        lanes: Mapping[str, Lane],
        max_workers: Callable[[], int],
        adopt: Callable[[str], object] = lambda _name: None,
        has_prio: Callable[[], bool] = lambda: False,
    ) -> None:
        super().__init__(name="eventsd-dispatch", daemon=True)
        self.lanes = lanes
        self._max_workers = max_workers
        self.threads = Shares(lanes.values(), max_workers()).threads
        self._spool = spool
        self._adopt = adopt
        self._has_prio = has_prio
        self._pool = ThreadPoolExecutor(self.threads, thread_name_prefix="eventsd-worker")
        self._running: dict[Future[None], tuple[Lane, StoredChunk, ThreadPoolExecutor]] = {}
        self._mutex = threading.Lock()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._renewing = threading.Event()
        #: Why no batch can be started at the moment, else "".
        self.problem = ""
        #: Changes as long as the thread works.
        self.turns = 0
        self._all_started = False
        self._times_back = spool.times_back
        self._look_at = 0.0
        self._turn = 0
        self._shrink_at = time.monotonic() + _SHRINK_SECONDS

    def renew(self) -> None:
        """
        Have new threads from now on, as lanes, workers or ``max_workers`` have changed. Batches in flight end in the
        threads they have.
        """
        self._renewing.set()
        self._wake.set()

    def wake(self) -> None:
        """Look at once whether a batch is due."""
        self._wake.set()

    def kept(self, chunks: list[StoredChunk]) -> None:
        """
        Count what has just been kept, and wake the thread; called by the intake.

        :param chunks: what was kept.
        """
        if self._times_back != self._spool.times_back:
            self._times_back = self._spool.times_back
            self._recount()
        else:
            for chunk in chunks:
                if lane := self.lanes.get(chunk.lane):
                    lane.backlog.spool_broke(self._spool.first_id)
                    lane.backlog.add(chunk)
        self._wake.set()

    def _recount(self) -> None:
        there, newest = self._spool.begin(), self._spool.newest_id()
        for name, lane in self.lanes.items():
            lane.backlog.restore(there.get(name, Totals()), newest)

    def run(self) -> None:
        """Run until stopped."""
        while not self._stopping.is_set():
            self.turns += 1
            self._wake.clear()
            try:
                patience = self._round()
                self.problem = ""
            except Exception as exc:
                # This thread must not end while the engine lives: nothing would be written any more.
                self._tell(exc)
                patience = _LOOK_SECONDS
            self._wake.wait(min(patience, _LOOK_SECONDS))

    def _tell(self, exc: Exception) -> None:
        problem = one_line(exc)
        if problem != self.problem and not self._stopping.is_set():
            self.problem = problem
            log.error("eventsd: batches cannot be given out: %s", problem)
            if not isinstance(exc, SpoolError):
                log.debug("eventsd: %s", traceback_text(exc))

    def halt(self) -> None:
        """Start no more batches; may be called from a signal handler."""
        self._stopping.set()

    def stop(self, timeout_seconds: float) -> bool:
        """
        Start no more batches, and give those in flight some time.

        :param timeout_seconds: how long.
        :returns: whether all of them have ended. Those that have not end with the process: they are still in the spool.
        """
        until = time.monotonic() + timeout_seconds
        self._stopping.set()
        self._wake.set()
        self.join(timeout_seconds)
        with self._mutex:
            running = list(self._running)
        pending = wait(running, max(0.0, until - time.monotonic())).not_done
        self._pool.shutdown(wait=False, cancel_futures=True)
        return not pending

    def _round(self) -> float:
        """Start every batch that is due and return the seconds until the next may be."""
        self._reap()
        self._resize()
        self._look_at_spool()
        patience = _LOOK_SECONDS
        has_prio = self._has_prio()
        # A batch that hangs in threads from before a reload takes none of these.
        shares = Shares(
            self.lanes.values(),
            self._max_workers(),
            [lane for lane, _, pool in self._running.values() if pool is self._pool],
        )
        for lane in self._in_turn():
            while shares.may_start(lane):
                chunks, wait_seconds = lane.claim(time.time(), has_prio)
                if not chunks:
                    patience = min(patience, wait_seconds)
                    break
                shares.started(lane)
                future = self._pool.submit(lane.run, chunks)
                with self._mutex:
                    self._running[future] = (lane, chunks[0], self._pool)
                future.add_done_callback(lambda _: self._wake.set())
        if not self._running and time.monotonic() >= self._shrink_at:
            self._shrink_at = time.monotonic() + _SHRINK_SECONDS
            self._spool.disk.shrink()
        return patience

    def _in_turn(self) -> list[Lane]:
        """Return all lanes, each time beginning with another one; those that have nothing in flight first."""
        lanes = list(self.lanes.values())
        self._turn = (self._turn + 1) % max(1, len(lanes))
        return sorted(lanes[self._turn :] + lanes[: self._turn], key=lambda lane: lane.flights.busy)

    def _resize(self) -> None:
        threads = Shares(self.lanes.values(), self._max_workers()).threads
        if threads != self.threads or self._renewing.is_set():
            self._renewing.clear()
            self._pool.shutdown(wait=False)
            self._pool = ThreadPoolExecutor(threads, thread_name_prefix="eventsd-worker")
            self.threads = threads
            self._all_started = False
        if not self._all_started:
            self._start_threads()

    def _start_threads(self) -> None:
        """Start all threads now: if the system has no more to give, that fails here, not in the middle of a batch."""
        go = threading.Event()
        try:
            for _ in range(self.threads):
                self._pool.submit(go.wait)
        finally:
            go.set()
        self._all_started = True

    def _look_at_spool(self) -> None:
        if time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + _LOOK_SECONDS
        for lane in self.lanes.values():
            lane.backlog.spool_broke(self._spool.first_id)
            lane.tell_hanging()
        for name, back in self._spool.requeued().items():
            if name not in self.lanes:
                self._adopt(name)
            if adopted := self.lanes.get(name):
                adopted.backlog.add(back)

    def _reap(self) -> None:
        for future in [one for one in self._running if one.done()]:
            with self._mutex:
                lane, first, _ = self._running.pop(future)
            lane.flights.ended(first)
