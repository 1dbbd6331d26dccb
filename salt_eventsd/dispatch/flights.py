"""
The worker of a lane, and the batches that this worker, or one before it, has in flight.

A worker may be swapped at any time. A batch ends with the worker it began with, and the last batch of a worker that was
swapped closes it.
"""

from __future__ import annotations

import threading
import time
from collections import Counter

from salt_eventsd.event.chunk import StoredChunk
from salt_eventsd.workers.write import Worker

#: A batch that has been in flight for longer than this hangs.
HANGING_SECONDS = 60.0
#: How fast a long batch is forgotten, at each that is shorter.
_USUAL_FADES = 0.9
#: How long a new worker waits for the batches of the one before it, in seconds.
_GRACE_SECONDS = 5.0


class Flights:
    """
    A worker and the batches in flight, each known by the id of its first chunk. Every call is thread-safe.

    :param worker: the worker, or None if there is none.
    """

    def __init__(self, worker: Worker | None) -> None:
        self.worker = worker
        #: How long a batch takes, in seconds; what was long once counts as usual for a while.
        self.usual_seconds = 0.0
        #: When each batch was claimed, by the monotonic clock.
        self.running_since: dict[int, float] = {}
        self._mutex = threading.Lock()
        # The batches of the present worker only, by prio.
        self._own: dict[bool, set[int]] = {False: set(), True: set()}
        # How many batches are being written by each worker, by its id.
        self._writing: Counter[int] = Counter()
        # For which worker a batch was claimed.
        self._claimed_for: dict[int, Worker] = {}
        self._not_before = 0.0
        self._hanging_told: set[float] = set()

    @property
    def count(self) -> int:
        """How many batches are in flight, also those of workers that were swapped."""
        return len(self.running_since)

    @property
    def busy(self) -> bool:
        """Whether the present worker has a batch in flight."""
        return any(self._own.values())

    @property
    def hangs(self) -> bool:
        """Whether a batch has been in flight for longer than any should be."""
        return any(time.monotonic() - since > HANGING_SECONDS for since in self.times())

    @property
    def grace_seconds(self) -> float:
        """How long the worker leaves the backend to batches of the worker before it; 0 if it may begin."""
        return max(0.0, self._not_before - time.monotonic())

    def places_taken(self, prio: bool) -> int:
        """
        Return how many batches the present worker has in flight.

        :param prio: those of prio chunks, or the others.
        """
        return len(self._own[prio])

    def times(self) -> list[float]:
        """Return when each batch in flight was claimed, by the monotonic clock."""
        with self._mutex:
            return list(self.running_since.values())

    def newly_hanging(self) -> int:
        """Return how many batches hang that this has not told before."""
        running = set(self.times())
        self._hanging_told &= running
        new = {since for since in running - self._hanging_told if time.monotonic() - since > HANGING_SECONDS}
        self._hanging_told |= new
        return len(new)

    def claimed(self, first: StoredChunk) -> None:
        """
        Note that a batch was claimed for the worker.

        :param first: its first chunk.
        """
        with self._mutex:
            self._own[first.prio].add(first.id)
            self.running_since[first.id] = time.monotonic()
            if self.worker is not None:
                self._claimed_for[first.id] = self.worker

    def enter(self, first: StoredChunk) -> Worker | None:
        """
        Return the worker that a batch is to be written with; None if it was swapped since the batch was claimed.

        :param first: the first chunk of the batch.
        """
        with self._mutex:
            worker = self._claimed_for.pop(first.id, None)
            if worker is None or worker is not self.worker:
                return None
            self._writing[id(worker)] += 1
            return worker

    def leave(self, worker: Worker) -> bool:
        """
        Note that a worker has done with a batch; return whether it is to be closed: it was swapped, and has none left.

        :param worker: from :meth:`enter`.
        """
        with self._mutex:
            self._writing[id(worker)] -= 1
            is_last = worker is not self.worker and not self._writing[id(worker)]
            if is_last:
                self._not_before = 0.0
            return is_last

    def ended(self, first: StoredChunk) -> None:
        """
        Give back the place of a batch in flight.

        :param first: its first chunk.
        """
        with self._mutex:
            self._own[first.prio].discard(first.id)
            if since := self.running_since.pop(first.id, None):
                took = time.monotonic() - since
                self.usual_seconds = max(took, self.usual_seconds * _USUAL_FADES)

    def swap(self, worker: Worker | None) -> Worker | None:
        """
        Go on with another worker; return the one before it if it is to be closed, which it is when it writes nothing.

        :param worker: the new one, None if there is to be none.
        """
        with self._mutex:
            # A batch that hangs in the old one takes no place from the new one.
            self._own = {False: set(), True: set()}
            old, self.worker = self.worker, worker
            writes = old is not None and self._writing[id(old)] > 0
            # Two at once may be in each other's way; but one that hangs is not waited for.
            self._not_before = time.monotonic() + _GRACE_SECONDS if writes else 0.0
            return None if writes else old
