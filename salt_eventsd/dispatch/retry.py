"""What failed tries mean for the next one: when it may be, and what its batch is suspected of."""

from __future__ import annotations

import time
from collections.abc import Collection, Hashable

from salt_eventsd.dispatch.backoff import Backoff
from salt_eventsd.dispatch.settle import Suspicion
from salt_eventsd.exceptions import Cut, Doubted

#: Of no more batches than so many it is remembered what their tries have found.
_MOST_SUSPICIONS = 1000


class Retry:
    """
    The failed tries of a lane since its last success.

    :param backoff: how long to wait after a failure.
    """

    def __init__(self, backoff: Backoff) -> None:
        #: How many tries in a row have failed.
        self.failures = 0
        self._backoff = backoff
        self._not_before = 0.0
        # What the tries of a batch have found, by what tells it from others.
        self._suspicions: dict[Hashable, Suspicion] = {}
        # How often chunks were passed by since none was.
        self._detours = 0
        # Whether something was written since all of a batch was passed by.
        self._goes_on = False

    @property
    def wait_seconds(self) -> float:
        """How long the lane still waits after a failed try; 0 if it does not."""
        return max(0.0, self._not_before - time.monotonic()) if self.failures else 0.0

    def suspicion(self, batch: Hashable) -> Suspicion:
        """
        Return what the tries of a batch have found so far.

        :param batch: what tells it from others, such as the id of its first chunk.
        """
        return self._suspicions.get(batch, Suspicion())

    def failed(self) -> None:
        """Count a failed try."""
        self.failures += 1

    def wait(self, batch: Hashable, exc: BaseException) -> None:
        """
        Have the next try wait, and note what this one says of its batch, which may be to blame.

        :param batch: what tells it from others.
        :param exc: why the try failed.
        """
        cuts, doubts = self.suspicion(batch)
        if isinstance(exc, Cut):
            self._suspicions[batch] = Suspicion(cuts + 1, doubts)
        elif isinstance(exc, Doubted):
            self._suspicions[batch] = Suspicion(cuts, doubts + 1)
        while len(self._suspicions) > _MOST_SUSPICIONS:
            # The batch may have given way in a full spool.
            del self._suspicions[next(iter(self._suspicions))]
        self._not_before = time.monotonic() + self._backoff.seconds(self.failures)

    def detour_seconds(self, chunk_ids: Collection[int], refused: Collection[int]) -> float | None:
        """
        Return for how long to pass by the chunks that a backend refuses; None if the whole lane is to wait.

        :param chunk_ids: of the batch that failed.
        :param refused: the chunks that the backend refuses.
        """
        if not self._goes_on and set(refused).issuperset(chunk_ids):
            # Nothing was written since the last batch that was refused whole: perhaps nothing can be.
            return None
        self._detours += 1
        return self._backoff.seconds(self._detours)

    def on_detour(self, chunk_ids: Collection[int], refused: Collection[int]) -> None:
        """
        Note that chunks are passed by.

        :param chunk_ids: of the batch that failed.
        :param refused: those of them that the backend refuses.
        """
        self._goes_on = not set(refused).issuperset(chunk_ids)

    def succeeded(self, batch: Hashable, *, passes_by: bool) -> None:
        """
        Forget the failures: a batch was written.

        What another one is suspected of stays: several may be in flight, and one that is to blame would be tried in the
        same way for ever while those beside it are written.

        :param batch: what tells it from others.
        :param passes_by: whether chunks are still passed by.
        """
        self.failures = 0
        self._suspicions.pop(batch, None)
        self._goes_on = True
        if not passes_by:
            self._detours = 0

    def at_once(self) -> None:
        """Have the next try not wait."""
        self._not_before = 0.0

    def begin_anew(self) -> None:
        """Try at once: another worker has taken over."""
        self.failures = 0
        self._suspicions = {}
