"""
One worker's lane: its queue, its state of retry, its numbers. Lanes know nothing of each other.

A lane decides what its next batch is and when; :mod:`salt_eventsd.dispatch.run` gives it threads.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import ItemsView, Iterator, Mapping, ValuesView

from salt_eventsd.common.english import counted
from salt_eventsd.config.structs import WorkerConfig
from salt_eventsd.dispatch.backlog import Queue
from salt_eventsd.dispatch.backoff import Backoff
from salt_eventsd.dispatch.settle import CUTS, Fate, Suspicion, batch_of, write_batch
from salt_eventsd.event.chunk import StoredChunk
from salt_eventsd.exceptions import Cut, Doubted, Held, Reused, SpoolError, WorkerError
from salt_eventsd.redact.error_text import one_line, traceback_text
from salt_eventsd.spool.keep import Spool
from salt_eventsd.workers.load import close
from salt_eventsd.workers.write import Worker

log = logging.getLogger(__name__)

#: How fast a long batch is forgotten, at each that is shorter.
_USUAL_FADES = 0.9
#: A batch that has been in flight for so long is named in the log.
HANGING_SECONDS = 60.0
#: How long a new worker waits for the batches of the one before it, in seconds.
_GRACE_SECONDS = 5.0
#: Refused events are told in the log no more often than this, in seconds.
_TELL_SECONDS = 60.0


class Lane(Queue):
    """
    A queue with a worker.

    :param name: the worker's name, or that of a rule of the user's own that has a queue for itself.
    :param config: its batch limits and concurrency.
    :param worker: the worker, or None if it could not be made; its events wait in the spool all the same.
    :param problem: why it could not be made, else "".
    :param spool: where its chunks are.
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
        super().__init__(name, spool)
        self.owner = owner or name
        self.config = config
        self.worker = worker
        self.state = "ok" if worker else "held"
        self.last_error = problem
        self.last_write = 0.0
        self.written = 0
        self.buried = 0
        self.retries = 0
        #: Events that came under a name another chunk had in the database, and were given another.
        self.renamed = 0
        #: Events that were written already by an engine on a copy of this spool.
        self.elsewhere = 0
        #: How long a batch takes.
        self.usual_seconds = 0.0
        #: When each batch in flight was claimed, by its first chunk's id.
        self.running_since: dict[int, float] = {}
        self._backoff = backoff
        self._failures = 0
        self._retry_at = 0.0
        #: First chunk ids of the batches in flight, by prio; those of a worker that was swapped are not among them.
        self._running: dict[bool, set[int]] = {False: set(), True: set()}
        self._writing: Counter[int] = Counter()
        # For whom a batch was claimed, by its first chunk's id.
        self._claimed_for: dict[int, Worker] = {}
        #: Whether it is no longer under ``workers``; what waits for it stays in the spool.
        self.retired = False
        self._buried_told = 0
        self._tell_buried_at = 0.0
        self._hanging_told: set[float] = set()
        #: What the tries of a batch have found, by its first chunk's id.
        self._suspicions: dict[int, Suspicion] = {}
        self._detours = 0
        #: Whether something was written since all of a batch was set aside.
        self._goes_on = False

    @property
    def _label(self) -> str:
        if self.owner == self.name:
            return self.name
        return f"{self.owner}, rule {self.name.removeprefix(f'{self.owner}:')},"

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
        with self._mutex:
            self.owner = owner or self.owner
            # A batch that hangs in the old one takes no place from the new one.
            self._running = {False: set(), True: set()}
            old, self.worker, self.config = self.worker, worker, config
            self.retired = worker is None and not problem
            self.state = "ok" if worker else "held"
            self.last_error = problem or ("" if worker else "no longer under workers")
            # The new one is tried at once. What the old one may have written comes as a replay.
            self._failures = 0
            self._suspicions = {}
            self._aside = {}
            self.may_be_written(newest)
            idle = old is not None and not self._writing[id(old)]
            # Two at once may be in each other's way; but one that hangs is not waited for.
            self._retry_at = 0.0 if idle or old is None else time.monotonic() + _GRACE_SECONDS
        if idle:
            close(old)

    @property
    def next_try_seconds(self) -> float:
        """How long it still waits after a failed try; 0 if it does not."""
        return max(0.0, self._retry_at - time.monotonic()) if self._failures else 0.0

    @property
    def running(self) -> int:
        """Batches in flight."""
        return len(self.running_since)

    @property
    def busy(self) -> bool:
        """Whether its worker, and not one before it, has a batch in flight."""
        return any(self._running.values())

    @property
    def fails(self) -> bool:
        """Whether its last try has failed."""
        return bool(self._failures)

    @property
    def hangs(self) -> bool:
        """Whether a batch has been in flight for longer than any should be."""
        return any(time.monotonic() - since > HANGING_SECONDS for since in self.running_times())

    def claim(self, now: float, flush: bool) -> tuple[list[StoredChunk], float]:
        """
        Take the next batch if one is due.

        Prio chunks go alone and need not wait for a free place: one batch of them may be in flight besides the others.

        :param now: seconds since 1970 UTC.
        :param flush: take what there is, whatever its age.
        :returns: the chunks (none if nothing is due) and the seconds until something may be.
        """
        with self._choosing:
            return self._claim(now, flush)

    def _claim(self, now: float, flush: bool) -> tuple[list[StoredChunk], float]:
        if self.worker is None or not self.queued_events:
            return [], 60.0
        if (pause := self._retry_at - time.monotonic()) > 0:
            return [], pause
        if not self._running[True] and (chunks := self.next_batch(self.config.batch, True, now, flush)[0]):
            return self._take(chunks, True), 0.0
        if len(self._running[False]) >= (1 if self._failures else self.config.concurrency):
            return [], 60.0
        chunks, wait = self.next_batch(self.config.batch, False, now, flush)
        return (self._take(chunks, False), 0.0) if chunks else ([], wait)

    def _take(self, chunks: list[StoredChunk], prio: bool) -> list[StoredChunk]:
        cuts, doubts = self._suspicions.get(chunks[0].id, (0, 0))
        if cuts >= CUTS or doubts:
            # What of it is to blame, if anything, only others can tell.
            chunks = [*chunks, *self.companion(chunks, cuts + doubts)]
        with self._mutex:
            self._claimed.update(chunk.id for chunk in chunks)
            self._running[prio].add(chunks[0].id)
            self.running_since[chunks[0].id] = time.monotonic()
            if self.worker is not None:
                self._claimed_for[chunks[0].id] = self.worker
        return chunks

    def run(self, chunks: list[StoredChunk]) -> None:
        """
        Write a batch; called in a thread of the pool.

        :param chunks: from :meth:`claim`.
        """
        ids = [chunk.id for chunk in chunks]
        with self._mutex:
            worker = self._claimed_for.pop(ids[0], None)
            if worker is None or worker is not self.worker:
                # Swapped meanwhile. The new one has free places, and may be at a batch of its own by now.
                self._claimed.difference_update(ids)
                return
            self._writing[id(worker)] += 1
        try:
            batch, fate = batch_of(
                self._spool, chunks, self.owner, self.is_replay(ids), self._suspicions.get(ids[0], (0, 0))
            )
            if batch.events:
                write_batch(worker, batch)
            self._spool.settle(ids)
        except BaseException as exc:
            # Even what would end a program: here it would end the batch, and leave its chunks claimed for ever.
            self._failed(self._renamed(exc, chunks), ids, worker)
        else:
            self._succeeded(chunks, len(batch.events), fate)
        finally:
            self._left(worker)

    def _left(self, worker: Worker) -> None:
        with self._mutex:
            self._writing[id(worker)] -= 1
            last = worker is not self.worker and not self._writing[id(worker)]
            if last and not self._failures:
                self._retry_at = 0.0
        if last:
            close(worker)

    def finished(self, first: StoredChunk) -> None:
        """
        Give back the place of a batch in flight; called by the dispatch thread.

        :param first: its first chunk.
        """
        with self._mutex:
            self._running[first.prio].discard(first.id)
            if since := self.running_since.pop(first.id, None):
                took = time.monotonic() - since
                # What was long once is usual for a while.
                self.usual_seconds = max(took, self.usual_seconds * _USUAL_FADES)

    def running_times(self) -> list[float]:
        """Return when each batch in flight was claimed, by the monotonic clock."""
        with self._mutex:
            return list(self.running_since.values())

    def tell_hanging(self) -> None:
        """Say in the log, once for each, which batches have been in flight for long; called by the dispatch thread."""
        running = set(self.running_times())
        self._hanging_told &= running
        for since in running - self._hanging_told:
            if time.monotonic() - since > HANGING_SECONDS:
                self._hanging_told.add(since)
                log.error("eventsd: worker %s hangs: one batch for %d s so far", self._label, HANGING_SECONDS)

    def _succeeded(self, chunks: list[StoredChunk], events: int, fate: Fate) -> None:
        if not self._aside:
            self._detours = 0
        if self._failures and not self._aside:
            tries = f"{self._failures} failed tries" if self._failures > 1 else "a failed try"
            log.warning("eventsd: worker %s writes again after %s", self._label, tries)
        self._failures = 0
        self._suspicions = {}
        self._goes_on = True
        self.written += events - fate.buried - fate.remains
        self.buried += fate.buried
        self.lost += fate.unreadable
        if fate.unreadable:
            unreadable = counted(fate.unreadable)
            log.error("eventsd: worker %s: %s in the spool cannot be read", self._label, unreadable)
        if fate.elsewhere and not self.elsewhere:
            log.error("eventsd: worker %s: another engine writes what a copy of this spool holds", self._label)
        self.elsewhere += fate.elsewhere
        self._tell_buried()
        self.last_write = time.time()
        self.gone(chunks)
        # What waits aside is refused, whatever else is written.
        self.state = "held" if self._aside else "ok"

    def _tell_buried(self) -> None:
        new = self.buried - self._buried_told
        if new and time.monotonic() >= self._tell_buried_at:
            self._buried_told, self._tell_buried_at = self.buried, time.monotonic() + _TELL_SECONDS
            buried = counted(new, "refused event", "was")
            log.warning("eventsd: worker %s: %s buried: salt-run eventsd.dead", self._label, buried)

    def _renamed(self, exc: BaseException, chunks: list[StoredChunk]) -> BaseException:
        """Give chunks another name where theirs is taken, so that the next try can write them; return what failed."""
        if isinstance(exc, Reused):
            try:
                self._spool.renew(exc.chunks)
            except SpoolError as again:
                return again
            events = sum(chunk.events for chunk in chunks if chunk.id in exc.chunks)
            self.renamed += events
            log.error(
                "eventsd: worker %s: the database has receipts of other events under the names of %s, written now "
                "under new names; was this machine put back in time?",
                self._label,
                counted(events),
            )
        return exc

    def _failed(self, exc: BaseException, ids: list[int], worker: Worker) -> None:
        with self._mutex:
            self._tried.update(ids)
            self._claimed.difference_update(ids)
        if worker is not self.worker:
            # How an old worker fares says nothing about the one that takes over.
            return
        state = "held" if isinstance(exc, Held) else "retrying"
        error = one_line(exc)
        if state != self.state:
            # One line when the state changes, not one for each try.
            log.error("eventsd: worker %s %s: %s", self._label, _VERDICTS[state], error)
            if not isinstance(exc, (WorkerError, SpoolError, OSError)):
                log.debug("eventsd: worker %s: %s", self._label, traceback_text(exc))
        self._failures += 1
        self.retries += 1
        self.state, self.last_error = state, error
        if not self._passes_by(ids, exc):
            self._suspect(ids[0], exc)
            self._retry_at = time.monotonic() + self._backoff.seconds(self._failures)

    def _passes_by(self, ids: list[int], exc: BaseException) -> bool:
        """
        Where a backend refuses all that some chunks have for one of its tables, go on with others, and say whether.

        The events of a rule with a table of its own are written in their order.
        """
        if not isinstance(exc, Doubted) or not exc.chunks or self.owner != self.name:
            return False
        if exc.chunks.issuperset(ids) and not self._goes_on:
            return False
        self._detours += 1
        if not self.set_aside(exc.chunks, self._backoff.seconds(self._detours)):
            return False
        self._goes_on = not exc.chunks.issuperset(ids)
        return True

    def _suspect(self, first: int, exc: BaseException) -> None:
        """Note what a failed try says about its batch, which may be to blame for it."""
        cuts, doubts = self._suspicions.get(first, (0, 0))
        if isinstance(exc, Cut):
            self._suspicions[first] = (cuts + 1, doubts)
        elif isinstance(exc, Doubted):
            self._suspicions[first] = (cuts, doubts + 1)


_VERDICTS = {
    "held": "is refused everything; its events wait in the spool until that is mended",
    "retrying": "cannot write; its events wait in the spool",
}


class Lanes(Mapping[str, Lane]):
    """
    The lanes of an engine, by worker name. Whoever looks through them sees those there were when he began.

    :param lanes: to begin with.
    """

    def __init__(self, lanes: Mapping[str, Lane]) -> None:
        self._lanes = dict(lanes)
        self._adding = threading.Lock()

    def add(self, lane: Lane) -> Lane:
        """Add a lane while others look, and return it; one of its name that is there already stays, and is returned."""
        with self._adding:
            if lane.name not in self._lanes:
                self._lanes = {**self._lanes, lane.name: lane}
            return self._lanes[lane.name]

    def __getitem__(self, name: str) -> Lane:
        return self._lanes[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._lanes)

    def __len__(self) -> int:
        return len(self._lanes)

    def values(self) -> ValuesView[Lane]:
        """Return the lanes there are now."""
        return self._lanes.values()

    def items(self) -> ItemsView[str, Lane]:
        """Return the lanes there are now, with their names."""
        return self._lanes.items()
