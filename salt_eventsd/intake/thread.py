"""
The thread between bus and spool: it takes frames from the inbox, sends each through the pipeline, and commits events.

An event waits in memory for at most ``commit_seconds``, and then all that wait go to disk in one transaction. An event
with ``prio`` is committed at once, with all that wait; so are all when they become too many to wait.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from salt_eventsd.bus.inbox import Inbox
from salt_eventsd.dispatch.quota import Quota
from salt_eventsd.event.chunk import StoredChunk
from salt_eventsd.intake.commit import Committer
from salt_eventsd.intake.glance import glance
from salt_eventsd.intake.heard import Heard
from salt_eventsd.intake.origin import Origins
from salt_eventsd.intake.peers import Peers
from salt_eventsd.intake.pipeline import Pipeline
from salt_eventsd.intake.stage import MOST_BYTES
from salt_eventsd.intake.taking import Policy, Taking
from salt_eventsd.redact import Redactor
from salt_eventsd.spool.keep import Spool

#: Frames are taken in gulps of this long: each gulp costs a wake-up, and an event with prio waits no longer for one.
#: Shorter than the reader naps, so that what it has read mostly finds this thread waiting.
_GULP_SECONDS = 0.006
#: Where so many bytes wait already, the next gulp is large without a wait.
_MUCH_BYTES = 2**18
#: How long the thread sleeps when nothing comes.
_IDLE_SECONDS = 1.0


class Intake(threading.Thread):
    """
    Takes frames from the inbox until :meth:`stop`, and keeps in the spool what the rules want.

    :param inbox: where the thread that speaks to the reader puts frames.
    :param spool: where chunks are kept.
    :param policy: returns the policy as it is now; asked for each event.
    :param commit_seconds: returns how long an event waits for others before they are committed together.
    :param quota: makes room in the spool, and says what may be kept.
    :param kept: called with what has been kept.
    :param heard: remembers what has come over the bus, if somebody asks.
    :param peers: the other masters of the cluster.
    :ivar turns: changes as long as the thread does something; so do the counters.
    :ivar taking: what becomes of each frame, with the counters.
    """

    def __init__(
        self,
        inbox: Inbox,
        spool: Spool,
        policy: Callable[[], Policy],
        commit_seconds: Callable[[], float],
        quota: Quota,
        kept: Callable[[list[StoredChunk]], None],
        *,
        heard: Heard | None = None,
        peers: Peers | None = None,
    ) -> None:
        super().__init__(name="eventsd-intake", daemon=True)
        self.turns = 0
        self.taking = Taking(policy, heard or Heard(lambda _: False), peers or Peers())
        self._policy = policy
        self._commit_seconds = commit_seconds
        self._inbox = inbox
        self._offered: deque[tuple[int, bytes, bool]] = deque()
        self._offering = threading.Lock()
        self._offers = self._taken_offers = 0
        #: The number of the last offered event with which all before it are on disk, or are wanted by no rule.
        self.kept_offers = 0
        self._stage = self.taking.stage
        self._committer = Committer(spool, quota, kept)
        self._stopping = threading.Event()

    def run(self) -> None:
        """Run until stopped; what was read by then is kept."""
        while not (self._stopping.is_set() and not self._inbox.waiting_bytes):
            self.turns += 1
            for frames, cleared_by in glance(self._inbox.take(self._patience()), self._redactor, self._may_take):
                self.taking.lot(frames, cleared_by)
                if self._stage.bytes >= MOST_BYTES:
                    self._commit()
            while self._offered:
                number, frame, tells_again = self._offered.popleft()
                if frame:
                    self.taking.one(frame, time.time(), is_own=True, tells_again=tells_again)
                self._taken_offers = number
            self._take_left()
            if self._due():
                self._commit()
            if not (self._stage or self._committer.waiting):
                self.kept_offers = self._taken_offers
                self.taking.peers.committed()
            if not self._stopping.is_set() and self._inbox.waiting_bytes < _MUCH_BYTES:
                time.sleep(_GULP_SECONDS)
        self._take_left(is_last=True)
        self._commit()

    @property
    def pipeline(self) -> Pipeline:
        """The pipeline as it is now."""
        return self._policy().pipeline

    @property
    def lost(self) -> int:
        """Events that could not be kept, for whatever reason."""
        return self.taking.left_out + self._committer.lost + self.taking.peers.lost

    @property
    def spool_error(self) -> str:
        """Why the spool cannot be written; "" if it can."""
        return self._committer.error

    @property
    def sign(self) -> tuple[int, int, int]:
        """Changes as long as the thread does something."""
        return self.turns, self.taking.matched, self.taking.ignored

    @property
    def unkept_events(self) -> int:
        """Events that are in memory because the spool cannot be written."""
        return self._committer.waiting_events if self._committer.error else 0

    def offer(self, raw: bytes, tells_again: bool = False) -> int:
        """
        Take an event that did not come over the bus, and return its number; see :attr:`kept_offers`.

        :param raw: its frame, from :func:`salt_eventsd.event.frame.pack_frame`; b"" for no event, just for a number.
        :param tells_again: the bus has told of the same; only whoever makes one row of both gets it.
        """
        with self._offering:
            self._offers += 1
            number = self._offers
            self._offered.append((number, raw, tells_again))
        self._inbox.wake()
        return number

    def stop(self, timeout_seconds: float) -> bool:
        """
        Keep what was read and end the thread.

        :param timeout_seconds: how long to wait for it.
        :returns: whether all that was read is on disk.
        """
        self._stopping.set()
        self._inbox.wake()
        self.join(timeout_seconds)
        return not self.is_alive() and not self._committer.waiting

    def give_up(self) -> int:
        """Count as lost what could not be kept until the process ends, and return how many events that is."""
        left = self._inbox.waiting + self._committer.waiting_events + len(self._stage)
        self.taking.left_out += left
        return left

    def _patience(self) -> float:
        """How long to wait for frames, in seconds: until the next commit is due."""
        if not (self._stage or self._committer.waiting):
            return _IDLE_SECONDS
        return max(0.0, self._since() + self._commit_seconds() - time.monotonic())

    def _due(self) -> bool:
        if not (self._stage or self._committer.waiting):
            return False
        return self._stage.is_urgent or time.monotonic() - self._since() >= self._commit_seconds()

    def _since(self) -> float:
        """From when on the next commit is waited for; chunks that wait have been tried before."""
        return self._committer.tried_at if self._committer.waiting else self._stage.since

    @property
    def origins(self) -> Origins:
        """What is believed of an event's origin, by the rules in force."""
        return self._policy().pipeline.origins

    def _redactor(self) -> Redactor:
        return self._policy().pipeline.redactor

    def _may_take(self, raw: bytes) -> bool:
        return self._policy().pipeline.may_take(raw)

    def _take_left(self, is_last: bool = False) -> None:
        """Take what was left to engines that have not kept it."""
        for raw, received in self.taking.peers.due(is_last):
            self.taking.one(raw, received, was_left=True)
            if self._stage.bytes >= MOST_BYTES:
                self._commit()

    def _commit(self) -> None:
        self._committer.commit(self._stage.take())
