"""
When a lane may try to write, and what its failed tries mean for the next ones.

While the backend fails, one parcel at a time is tried, after a while that grows, and none is pulled.
"""

from __future__ import annotations

import threading
import time

from salt_eventsd.dispatch.backoff import Backoff
from salt_eventsd.dispatch.lane_log import LaneLog
from salt_eventsd.dispatch.retry import Retry
from salt_eventsd.dispatch.settle import Suspicion
from salt_eventsd.exceptions import Doubted, Held, Reused
from salt_eventsd.redact.error_text import one_line
from salt_eventsd.writer.carry.pulled import Pulled

#: How many parcels are remembered as tried in this process, and how many as passed by.
_MOST_REMEMBERED = 10_000
_LOOK_SECONDS = 0.2
#: If a parcel that was passed by has not come back after so long, another writer has written it.
_ELSEWHERE_SECONDS = 120.0


class Tries:
    """
    The tries of a lane. Every call is thread-safe.

    :param lane: the lane's name.
    :param worker: the worker's name.
    :param backoff: how long to wait after a failure.
    """

    def __init__(self, lane: str, worker: str, backoff: Backoff) -> None:
        #: ``ok``; ``retrying`` while the backend is away; ``held`` while an operator has to act.
        self.state = "ok"
        self.last_error = ""
        self.retries = 0
        self._log = LaneLog(lane, worker, "the stream", "salt-eventsd-writer dead")
        self._retry = Retry(backoff)
        self._turn = threading.Condition()
        self._running = 0
        self._is_ending = False
        self._survived: dict[str, None] = {}
        # Until when parcels are passed by, on the monotonic clock.
        self._passed: dict[str, float] = {}

    @property
    def next_try_seconds(self) -> float:
        """How long the lane still waits after a failed try; 0 if it does not."""
        return self._retry.wait_seconds

    @property
    def passed_by(self) -> int:
        """How many parcels were given back because the backend refuses what is in them."""
        with self._turn:
            had_some = bool(self._passed)
            self._forget_passed()
            if had_some and not self._passed and self.state == "held":
                # Another writer has them by now.
                self.state = "ok"
                self._retry.begin_anew()
            return len(self._passed)

    def may_pull(self, has_some: bool) -> bool:
        """
        Say whether more parcels are of use.

        :param has_some: whether the lane has any.
        """
        with self._turn:
            return not self._retry.failures or (not has_some and not self._retry.wait_seconds)

    def enter(self) -> bool:
        """Wait until a try may be made; say whether it may: it may not when the lane ends."""
        with self._turn:
            while not self._is_ending:
                wait = self._retry.wait_seconds
                if not self._retry.failures or (not self._running and not wait):
                    self._running += 1
                    return True
                self._turn.wait(min(_LOOK_SECONDS, wait or _LOOK_SECONDS))
            return False

    def halt(self) -> None:
        """Let no more tries be made; may be called from a signal handler."""
        self._is_ending = True

    def left(self) -> None:
        """Note that a try has ended, and says nothing of the backend."""
        with self._turn:
            self._running -= 1
            self._turn.notify_all()

    def suspicion(self, key: str) -> Suspicion:
        """
        Return what the tries of a parcel have found so far.

        :param key: the parcel's.
        """
        with self._turn:
            return self._retry.suspicion(key)

    def has_survived(self, key: str) -> bool:
        """
        Say whether a try of a parcel has ended in this process, and the process has not.

        :param key: the parcel's.
        """
        return key in self._survived

    def succeeded(self, key: str, *, is_whole: bool) -> None:
        """
        Note that a parcel is committed.

        :param key: the parcel's.
        :param is_whole: whether nothing of it was left out.
        """
        with self._turn:
            self._running -= 1
            if is_whole:
                self._passed.pop(key, None)
            self._forget_passed()
            if self._retry.failures and not self._passed:
                self._log.writes_again(self._retry.failures)
            self._retry.succeeded(key, passes_by=bool(self._passed))
            # The backend refuses what is passed by, whatever else it takes.
            self.state = "held" if self._passed else "ok"
            self._turn.notify_all()

    def failed(self, pulled: Pulled, exc: BaseException) -> int:
        """
        Note that a try has failed; return how many events got other names for the next one.

        :param pulled: the parcel.
        :param exc: why.
        """
        state, error = "held" if isinstance(exc, Held) else "retrying", one_line(exc)
        with self._turn:
            self._running -= 1
            self._survived[pulled.key] = None
            if len(self._survived) > _MOST_REMEMBERED:
                del self._survived[next(iter(self._survived))]
            if state != self.state:
                self._log.fails(state, error, exc)
            self.state, self.last_error = state, error
            self.retries += 1
            self._retry.failed()
            self._retry.wait(pulled.key, exc)
            renamed = 0
            if isinstance(exc, Reused):
                renamed = pulled.rename(frozenset(exc.chunks))
                self._log.renamed(renamed)
                self._retry.at_once()
            self._turn.notify_all()
        return renamed

    def passes_by(self, pulled: Pulled, exc: Doubted) -> float | None:
        """
        Return for how long to pass by the chunks that a backend refuses; None if the whole lane is to wait.

        :param pulled: the parcel.
        :param exc: says which they are.
        """
        with self._turn:
            seconds = self._retry.detour_seconds(pulled.chunks, exc.chunks)
            if seconds is not None:
                self._retry.on_detour(pulled.chunks, exc.chunks)
                self._retry.at_once()
                self._passed[pulled.key] = time.monotonic() + seconds
                if len(self._passed) > _MOST_REMEMBERED:
                    del self._passed[next(iter(self._passed))]
            return seconds

    def passing_seconds(self, key: str) -> float:
        """
        Return after how long a parcel of which only a part was taken is to come again, and note that it is passed by.

        :param key: the parcel's.
        """
        with self._turn:
            seconds = self._retry.detour_seconds({0}, ()) or 0.0
            self._passed[key] = time.monotonic() + seconds
            self.state = "held"
            return seconds

    def tell_buried(self, count: int) -> None:
        """
        Say now and then in the log that events were buried.

        :param count: how many there were since the start.
        """
        with self._turn:
            self._log.buried(count)

    def _forget_passed(self) -> None:
        now = time.monotonic()
        for key in [key for key, until in self._passed.items() if now > until + _ELSEWHERE_SECONDS]:
            del self._passed[key]
