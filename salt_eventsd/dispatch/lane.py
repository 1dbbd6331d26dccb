"""
A lane: the way of events from the spool to one worker. Lanes know nothing of each other.

Each worker has a lane, and each of its rules with a table or a statement of the user's own has one for itself. A lane
decides what its next batch is and when; :mod:`salt_eventsd.dispatch.run` gives it a thread.
"""

from __future__ import annotations

import time

import msgspec

from salt_eventsd.common.timings import Timings
from salt_eventsd.config.structs import WorkerConfig
from salt_eventsd.dispatch.backlog import Backlog
from salt_eventsd.dispatch.backoff import Backoff
from salt_eventsd.dispatch.batching import NOTHING_DUE_SECONDS, Enough
from salt_eventsd.dispatch.delivery import Delivery
from salt_eventsd.dispatch.flights import HANGING_SECONDS, Flights
from salt_eventsd.dispatch.lane_log import LaneLog
from salt_eventsd.dispatch.retry import Retry
from salt_eventsd.dispatch.settle import write_batch
from salt_eventsd.dispatch.way import Way
from salt_eventsd.event.chunk import StoredChunk
from salt_eventsd.exceptions import Doubted, Held, Reused, SpoolError
from salt_eventsd.redact.error_text import one_line
from salt_eventsd.spool.keep import Spool
from salt_eventsd.workers.load import close
from salt_eventsd.workers.write import Behind, Worker

#: For how long a batch waits for others that is to be written at once.
_AT_ONCE_SECONDS = 1e-6


class Lane:
    """
    A worker with a backlog, its state and its counts.

    :param name: the worker's name, or that of a rule of the user's own that has a lane for itself.
    :param config: the worker's batch limits and concurrency.
    :param worker: the worker, or None if it could not be made; its events wait in the spool all the same.
    :param problem: why it could not be made, else "".
    :param spool: where the chunks are.
    :param backoff: how long to wait after a failure.
    :param owner: the worker's name, where it is not the lane's.
    """

    def __init__(
        self,
        name: str,
        config: WorkerConfig,
        worker: Worker | None,
        problem: str,
        spool: Spool,
        backoff: Backoff,
        owner: str = "",
    ) -> None:
        self.name = name
        self.owner = owner or name
        self.config = config
        self.backlog = Backlog(name, spool)
        self.flights = Flights(worker)
        self.retry = Retry(backoff)
        #: ``ok``; ``retrying`` while the backend is away; ``held`` while an operator has to act.
        self.state = "ok" if worker else "held"
        self.last_error = problem
        #: When a batch was last written, in seconds since 1970 UTC; 0 if none was.
        self.last_write = 0.0
        self.written = 0
        #: Events that the backend refused.
        self.buried = 0
        #: Tries that failed.
        self.retries = 0
        #: How long tries take.
        self.write_seconds = Timings()
        #: Events that came under a name another chunk had in the database, and were given another.
        self.renamed = 0
        #: Events that were written already by an engine on a copy of this spool.
        self.elsewhere = 0
        #: Whether it is no longer under ``workers``; what waits for it stays in the spool.
        self.retired = False
        #: Since when an operator has it wait, in seconds since 1970 UTC; 0 if nobody has.
        self.paused_at = 0.0
        # What the workers before this one have told as lost.
        self._lost_behind = 0
        # Chunks up to this one need not wait until a batch is full; 0 if all do.
        self._hurried = 0
        self._way = Way(self.backlog, self.flights)
        self._spool = spool
        self._log = LaneLog(name, self.owner)

    @property
    def worker(self) -> Worker | None:
        """The worker that the next batch is written with."""
        return self.flights.worker

    @property
    def lost_behind(self) -> int:
        """How many events were lost that its worker had written; one lane tells it for all that use the worker."""
        return self._lost_behind + getattr(self.worker, "lost", 0) if self.owner == self.name else 0

    @property
    def fails(self) -> bool:
        """Whether the last try failed."""
        return self.retry.failures > 0

    def swap(
        self, config: WorkerConfig, worker: Worker | None, newest: int, owner: str = "", problem: str = ""
    ) -> None:
        """
        Go on with another worker; batches in flight end with the old one, which is closed then.

        :param config: the new worker's limits.
        :param worker: the new worker, None if there is to be none any more.
        :param newest: the highest chunk id given so far.
        :param owner: the worker's name, where it is not the lane's.
        :param problem: why the worker could not be made; a lane without a worker and without a problem is retired.
        """
        self.owner = self._log.owner = owner or self.owner
        self.config = config
        self.retired = worker is None and not problem
        # What the old worker may have written comes to the new one as a replay.
        self.backlog.may_be_written(newest)
        if worker is not self.worker:
            self._lost_behind += getattr(self.worker, "lost", 0)
        to_close = self.flights.swap(worker)
        self.backlog.pass_by_none()
        self.retry.begin_anew()
        self.state = "ok" if worker else "held"
        self.last_error = problem or ("" if worker else "no longer under workers")
        if to_close is not None:
            close(to_close)

    def claim(self, now: float, beside_prio: bool = False) -> tuple[list[StoredChunk], float]:
        """
        Take the next batch if one is due.

        Prio chunks go alone and need not wait for a free place: one batch of them may be in flight besides the others.

        :param now: seconds since 1970 UTC.
        :param beside_prio: some rule has prio, and its events are not to wait for a large batch.
        :returns: the chunks (none if nothing is due) and the seconds until something may be.
        """
        if self.worker is None or self.paused_at or not self.backlog.events:
            return [], NOTHING_DUE_SECONDS
        if (pause := max(self.retry.wait_seconds, self.flights.grace_seconds)) > 0:
            return [], pause
        if not self.flights.places_taken(prio=True):
            chunks, _ = self.backlog.claim(self.config.batch, True, now)
            if chunks:
                return self._claimed(chunks), 0.0
        makes_way = beside_prio and not self.fails and getattr(self.worker, "makes_way", False)
        if makes_way and (wait := self._way.wait_seconds(self.config.batch)) > 0:
            return [], wait
        behind = None if self.fails else self._behind()
        most = 1 if self.fails else self.config.concurrency + (behind.overlap if behind else 0)
        if self.flights.places_taken(prio=False) >= most:
            return [], NOTHING_DUE_SECONDS
        usual = self.config.batch
        limits = behind.limits(usual) if behind else self._way.limits(usual) if makes_way else usual
        if self._hurried:
            limits = msgspec.structs.replace(limits, seconds=_AT_ONCE_SECONDS)
        enough = None
        may_gather = None if behind or makes_way or self.fails or self._hurried else self._unordered()
        if may_gather and (gathered := may_gather.gathered(usual)):
            limits, enough = gathered, Enough(usual.events, may_gather.gather_seconds)
        chunks, wait = self.backlog.claim(limits, False, now, enough)
        if not chunks or chunks[-1].id >= self._hurried:
            self._hurried = 0
        return (self._claimed(chunks), 0.0) if chunks else ([], wait)

    def hurry(self, newest: int) -> None:
        """
        Write what waits at once: without waiting until a batch is full, or for the time of the next try.

        :param newest: the highest chunk id given so far; what comes later has time.
        """
        self._hurried = newest
        self.retry.at_once()

    def _unordered(self) -> Behind | None:
        """
        Return what the worker may do differently, None if nothing.

        The events of a rule with a table of its own are written in their order, one batch after the other.
        """
        return getattr(self.worker, "behind", None) if self.owner == self.name else None

    def _behind(self) -> Behind | None:
        """Return what the worker does differently while more waits than the next batch takes, None if no more waits."""
        if (behind := self._unordered()) is None:
            return None
        usual, taken = self.config.batch, self.flights.places_taken(prio=False)
        limits = behind.limits(usual)
        # The last of a backlog is written beside what is in flight, and not after it in batches of the usual size.
        last = msgspec.structs.replace(limits, events=usual.events) if taken else limits
        return behind if self.backlog.exceeds(limits, taken + 1, last) else None

    def _claimed(self, chunks: list[StoredChunk]) -> list[StoredChunk]:
        self.flights.claimed(chunks[0])
        suspicion = self.retry.suspicion(chunks[0].id)
        if suspicion.asks_others:
            chunks = [*chunks, *self.backlog.claim_companion(chunks, sum(suspicion))]
        return chunks

    def run(self, chunks: list[StoredChunk]) -> None:
        """
        Write a batch; called in a thread of the pool.

        :param chunks: from :meth:`claim`.
        """
        ids = [chunk.id for chunk in chunks]
        worker = self.flights.enter(chunks[0])
        if worker is None:
            # Swapped meanwhile. The new worker has free places, and may be at a batch of its own by now.
            self.backlog.give_back(ids, tried=False)
            return
        began = time.monotonic()
        try:
            delivery = Delivery(self._spool, chunks, self.owner, replay=self.backlog.is_replay(ids))
            if delivery.events:
                write_batch(worker, delivery.batch(self.retry.suspicion(ids[0])))
            self._spool.settle(ids)
        except BaseException as exc:
            # Even what would end a program: here it would end the batch, and leave its chunks claimed for ever.
            self._failed(self._renamed(exc, chunks), ids, worker)
        else:
            self._succeeded(chunks, delivery)
        finally:
            self.write_seconds.add(time.monotonic() - began)
            if self.flights.leave(worker):
                close(worker)

    def tell_hanging(self) -> None:
        """Say in the log, once for each, which batches have been in flight for long; called by the dispatch thread."""
        for _ in range(self.flights.newly_hanging()):
            self._log.hangs(HANGING_SECONDS)

    def _succeeded(self, chunks: list[StoredChunk], delivery: Delivery) -> None:
        if self.fails and not self.backlog.passes_by:
            self._log.writes_again(self.retry.failures)
        self.retry.succeeded(chunks[0].id, passes_by=self.backlog.passes_by)
        self.written += delivery.written
        self.buried += delivery.buried
        self.backlog.lost += delivery.unreadable
        if delivery.unreadable:
            self._log.unreadable(delivery.unreadable)
        if delivery.elsewhere and not self.elsewhere:
            self._log.elsewhere()
        self.elsewhere += delivery.elsewhere
        self._log.buried(self.buried)
        self.last_write = time.time()
        self.backlog.gone(chunks)
        # The backend refuses what is passed by, whatever else it takes.
        self.state = "held" if self.backlog.passes_by else "ok"

    def _renamed(self, exc: BaseException, chunks: list[StoredChunk]) -> BaseException:
        """Give chunks another name where theirs is taken, so that the next try can write them; return what failed."""
        if isinstance(exc, Reused):
            try:
                self._spool.renew(exc.chunks)
            except SpoolError as again:
                return again
            events = sum(chunk.events for chunk in chunks if chunk.id in exc.chunks)
            self.renamed += events
            self._log.renamed(events)
        return exc

    def _failed(self, exc: BaseException, ids: list[int], worker: Worker) -> None:
        self.backlog.give_back(ids, tried=True)
        if worker is not self.worker:
            # How an old worker fares says nothing about the one that takes over.
            return
        state = "held" if isinstance(exc, Held) else "retrying"
        error = one_line(exc)
        if state != self.state:
            self._log.fails(state, error, exc)
        self.retry.failed()
        self.retries += 1
        self.state, self.last_error = state, error
        if not (isinstance(exc, Doubted) and exc.chunks and self._passes_by(ids, exc)):
            self.retry.wait(ids[0], exc)

    def _passes_by(self, ids: list[int], exc: Doubted) -> bool:
        """
        Where a backend refuses all that some chunks have for one of its tables, go on with others, and say whether.

        The events of a rule with a table of its own are written in their order.
        """
        if self.owner != self.name:
            return False
        seconds = self.retry.detour_seconds(ids, exc.chunks)
        if seconds is None or not self.backlog.pass_by(exc.chunks, seconds):
            return False
        self.retry.on_detour(ids, exc.chunks)
        return True
