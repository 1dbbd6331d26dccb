"""
The thread between bus and spool: it takes frames from the inbox, sends each through the pipeline, and commits events.

An event waits in memory for at most ``commit_seconds``, and then all that wait go to disk in one transaction. An event
with ``prio`` is committed at once, with all that wait; so are all when they become too many to wait.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from salt_eventsd.bus.inbox import Inbox
from salt_eventsd.bus.unanswered import Unanswered
from salt_eventsd.common.reminder import Reminder
from salt_eventsd.config.structs import BatchLimits, MetricsConfig
from salt_eventsd.dispatch.quota import Quota
from salt_eventsd.event.beat import BEAT_FRAME
from salt_eventsd.event.chunk import StoredChunk
from salt_eventsd.event.parse import Event
from salt_eventsd.intake.commit import Committer
from salt_eventsd.intake.counting import Counting
from salt_eventsd.intake.glance import Frames, glance
from salt_eventsd.intake.heard import Heard
from salt_eventsd.intake.origin import Addressed, Origins
from salt_eventsd.intake.peers import Peers
from salt_eventsd.intake.pipeline import Pipeline
from salt_eventsd.intake.result import Result
from salt_eventsd.intake.stage import MOST_BYTES, Stage
from salt_eventsd.intake.usual import RET, RET_PLACE
from salt_eventsd.redact import Redactor
from salt_eventsd.redact.error_text import location
from salt_eventsd.rules.rule import Route
from salt_eventsd.spool.keep import Spool

log = logging.getLogger(__name__)

#: Frames are taken in gulps of this long: each gulp costs a wake-up, and an event with prio waits no longer for one.
#: Shorter than the reader naps, so that what it has read mostly finds this thread waiting.
_GULP_SECONDS = 0.006
#: How long the thread sleeps when nothing comes.
_IDLE_SECONDS = 1.0


@dataclass(frozen=True)
class Policy:
    """
    How the intake treats events; a reload swaps it as a whole.

    :param pipeline: what becomes of a frame.
    :param batches: worker -> the limits of its batches.
    :param merging: the workers that make one row of all that tells of a job.
    :param metrics: how jobs are counted; None if they are not.
    """

    pipeline: Pipeline
    batches: Mapping[str, BatchLimits]
    merging: frozenset[str] = frozenset()
    metrics: MetricsConfig | None = None


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
    :ivar matched: events that some rule takes.
    :ivar ignored: events that no rule takes.
    :ivar left_out: events that could not be read, because of a bug or for want of time at the end.
    :ivar forged: events that are not what their tag says.
    :ivar withheld: events that were kept without their payload.
    :ivar copied: events of other masters of the cluster, left to the engines there for now.
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
        self.heard = heard or Heard(lambda _: False)
        self.peers = peers or Peers()
        self.turns = 0
        self.matched = 0
        self.ignored = 0
        self.forged = 0
        self.withheld = 0
        self.copied = 0
        self.unanswered = Unanswered()
        self.counting = Counting()
        #: How many events each rule has taken.
        self.taken: Counter[str] = Counter()
        self._policy = policy
        self._commit_seconds = commit_seconds
        self._inbox = inbox
        self._offered: deque[tuple[int, bytes, bool]] = deque()
        self._offering = threading.Lock()
        self._offers = self._taken_offers = 0
        #: The number of the last offered event with which all before it are on disk, or are wanted by no rule.
        self.kept_offers = 0
        self._stage = Stage(self._leave_out)
        self._committer = Committer(spool, quota, kept)
        self.left_out = 0
        self._odd: set[str] = set()
        self._addressed = Addressed()
        self._forged_told = Reminder()
        self._withheld_told = Reminder()
        self._stopping = threading.Event()

    def run(self) -> None:
        """Run until stopped; what was read by then is kept."""
        while not (self._stopping.is_set() and not self._inbox.waiting_bytes):
            self.turns += 1
            for frames, cleared_by in glance(self._inbox.take(self._patience()), self._redactor):
                self._take_lot(frames, cleared_by)
                if self._stage.bytes >= MOST_BYTES:
                    self._commit()
            while self._offered:
                number, frame, tells_again = self._offered.popleft()
                if frame:
                    self._take(frame, time.time(), is_own=True, tells_again=tells_again)
                self._taken_offers = number
            self._take_left()
            if self._due():
                self._commit()
            if not (self._stage or self._committer.waiting):
                self.kept_offers = self._taken_offers
                self.peers.committed()
            if not self._stopping.is_set():
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
        return self.left_out + self._committer.lost + self.peers.lost

    @property
    def spool_error(self) -> str:
        """Why the spool cannot be written; "" if it can."""
        return self._committer.error

    @property
    def sign(self) -> tuple[int, int, int]:
        """Changes as long as the thread does something."""
        return self.turns, self.matched, self.ignored

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
        self.left_out += left
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

    def _take_lot(self, frames: Frames, cleared_by: Redactor | None) -> None:
        """
        Take frames off the bus. Usual returns that come one after the other and go to the same place are kept together:
        all that has to be done for an event by itself is to read it.
        """
        policy = self._policy()
        pipeline = policy.pipeline
        is_cleared = cleared_by is pipeline.redactor
        refuses = self.heard.refuses if self.heard.is_used else None
        together: list[Event] = []
        to: Route | None = None
        for raw, received in frames:
            try:
                found = pipeline.usual(raw, received) if is_cleared and raw[RET_PLACE] == RET else None
                if found is None:
                    self._keep_together(to, together, policy)
                    if raw.startswith(BEAT_FRAME):
                        self.peers.hear(raw)
                    self._take(raw, received, cleared_by)
                elif (event := found.event) is None or (refuses and refuses(event)):
                    self.ignored += 1
                else:
                    if policy.metrics:
                        self.counting.kept(found, policy.metrics)
                    its = found.destinations[0][0]
                    if its is not to or len(found.destinations) > 1:
                        self._keep_together(to, together, policy)
                        to = its
                    if len(found.destinations) > 1:
                        self.unanswered.note(event, found.data)
                        self._keep(found.destinations, policy)
                    else:
                        together.append(event)
            except Exception as exc:
                self._leave_out(exc, 1)
        self._keep_together(to, together, policy)

    def _keep_together(self, to: Route | None, events: list[Event], policy: Policy) -> None:
        """Keep the returns that have gathered, and begin anew."""
        some = events[:]
        events.clear()
        if not some or to is None:
            return
        try:
            self.unanswered.note_answers(some)
            self.matched += len(some)
            self.taken[to.rule] += len(some)
            self._stage.add_run(to, some, policy.batches[to.worker])
        except Exception as exc:
            self._leave_out(exc, len(some))

    def _take(
        self,
        raw: bytes,
        received: float,
        cleared_by: Redactor | None = None,
        is_own: bool = False,
        tells_again: bool = False,
        was_left: bool = False,
    ) -> None:
        policy = self._policy()
        pipeline = policy.pipeline.trusting if is_own else policy.pipeline.taking if was_left else policy.pipeline
        try:
            found = self._found(pipeline, raw, received, cleared_by)
            if found.forged:
                self._tell_forged(found.forged, pipeline.origins.forged)
            if found.withheld:
                self._tell_withheld(found.withheld, len(raw))
            event = found.event
            if event is None or (self.heard.is_used and not is_own and self.heard.refuses(event)):
                self.ignored += 1
                if event is None and policy.metrics and not found.forged:
                    self.counting.ignored(raw, received, pipeline)
                return
            if event.kind == "job" and not was_left:
                self.unanswered.note(event, found.data)
            if policy.metrics and not tells_again:
                self.counting.kept(found, policy.metrics, from_bus=not (is_own or was_left))
            destinations = found.destinations
            if tells_again:
                destinations = [
                    (to, one) for to, one in destinations if one.into == "jobs" and to.worker in policy.merging
                ]
            self._keep(destinations, policy)
        except Exception as exc:
            self._leave_out(exc, 1)

    def _keep(self, destinations: Sequence[tuple[Route, Event]], policy: Policy) -> None:
        self.matched += 1
        for _, one in destinations:
            self.taken[one.rule] += 1
        self._stage.add_to_all(destinations, policy.batches)

    def _take_left(self, is_last: bool = False) -> None:
        """Take what was left to engines that have not kept it."""
        for raw, received in self.peers.due(is_last):
            self._take(raw, received, was_left=True)
            if self._stage.bytes >= MOST_BYTES:
                self._commit()

    def _found(self, pipeline: Pipeline, raw: bytes, received: float, cleared_by: Redactor | None) -> Result:
        """Return what becomes of a frame, once it is known who keeps it."""
        found = pipeline.take(raw, received, self._addressed, cleared_by)
        if (copied := found.copied) is None:
            return found
        if not self.peers.leaves(found.peer, raw, received):
            return pipeline.taking.take(raw, received, self._addressed, cleared_by)
        self.copied += 1
        if copied.kind == "job":
            # It may answer a job of this master.
            self.unanswered.note(copied, None)
        if self.heard.is_used:
            # This master hands it to its own job cache, too.
            self.heard.refuses(copied)
        return found

    def _tell_withheld(self, why: str, size: int) -> None:
        self.withheld += 1
        if missed := self._withheld_told.due():
            log.warning(
                "eventsd: an event of %d bytes would take too long, and was kept without its payload: %s%s",
                size,
                why,
                _more(missed),
            )

    def _tell_forged(self, why: str, treated: str) -> None:
        self.forged += 1
        if missed := self._forged_told.due():
            log.warning("eventsd: an event is not what its tag says, but %s; forged: %s%s", why, treated, _more(missed))

    def _leave_out(self, exc: Exception, count: int) -> None:
        """Count events that cannot be kept. Each kind of error is logged once, and nothing of the events."""
        self.left_out += count
        if (where := location(exc)) not in self._odd:
            self._odd.add(where)
            log.error("eventsd: an event could not be read and was left out: %s", where)

    def _commit(self) -> None:
        self._committer.commit(self._stage.take())


def _more(count: int) -> str:
    return f" (and {count - 1} more since the last such line)" if count > 1 else ""
