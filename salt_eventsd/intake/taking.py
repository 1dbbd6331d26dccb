"""
What the intake does with each frame: it asks the pipeline what becomes of it, counts it, and puts what some rule takes
on the stage. Usual returns that come one after the other are kept together.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from salt_eventsd.bus.unanswered import Unanswered
from salt_eventsd.common.reminder import Reminder
from salt_eventsd.config.structs import BatchLimits, MetricsConfig
from salt_eventsd.event.beat import BEAT_FRAME
from salt_eventsd.event.parse import Event
from salt_eventsd.intake.counting import Counting
from salt_eventsd.intake.glance import Frames
from salt_eventsd.intake.heard import Heard
from salt_eventsd.intake.job_counts import Told
from salt_eventsd.intake.origin import Addressed
from salt_eventsd.intake.peers import Peers
from salt_eventsd.intake.pipeline import Pipeline
from salt_eventsd.intake.result import Result, Unusual
from salt_eventsd.intake.stage import Stage
from salt_eventsd.intake.usual import RET, RET_PLACE
from salt_eventsd.redact import Redactor
from salt_eventsd.redact.error_text import location
from salt_eventsd.rules.rule import Route

log = logging.getLogger(__name__)


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


class Taking:
    """
    Takes frames, one thread's all.

    :param policy: returns the policy as it is now.
    :param heard: remembers what has come over the bus, if somebody asks.
    :param peers: the other masters of the cluster.
    :ivar stage: where events wait that some rule takes.
    :ivar matched: how many these are.
    :ivar ignored: events that no rule takes.
    :ivar beside_jobs: events off the bus that some rule takes and no job cache has: neither starts of jobs nor returns.
    :ivar left_out: events that could not be read, because of a bug or for want of time at the end.
    :ivar forged: events that are not what their tag says.
    :ivar withheld: events that were kept without their payload.
    :ivar copied: events of other masters of the cluster, left to the engines there for now.
    :ivar taken: how many events each rule has taken.
    """

    def __init__(self, policy: Callable[[], Policy], heard: Heard, peers: Peers) -> None:
        self.heard = heard
        self.peers = peers
        self.stage = Stage(self.leave_out)
        self.matched = 0
        self.ignored = 0
        self.beside_jobs = 0
        self.left_out = 0
        self.forged = 0
        self.withheld = 0
        self.copied = 0
        self.taken: Counter[str] = Counter()
        self.unanswered = Unanswered()
        self.counting = Counting()
        # Usual returns that have come one after the other, and where they go.
        self._together: list[Event] = []
        self._to: list[Route] = []
        # Those of which it is known what they are counted as.
        self._told: list[tuple[Told, Event]] = []
        self._policy = policy
        self._odd: set[str] = set()
        self._addressed = Addressed()
        self._forged_told = Reminder()
        self._withheld_told = Reminder()

    def lot(self, frames: Frames, cleared_by: Redactor | None) -> None:
        """
        Take frames off the bus. Usual returns that come one after the other and go to the same place are kept together:
        all that has to be done for an event by itself is to read it.

        :param frames: each with the time it was read.
        :param cleared_by: the redactor that has looked at all of them and found nothing, if one has.
        """
        policy = self._policy()
        is_cleared = cleared_by is policy.pipeline.redactor
        familiar = policy.pipeline.familiar
        is_counted = policy.metrics is not None
        refuses = self.heard.refuses if self.heard.is_used else None
        for raw, received in frames:
            try:
                may_be_usual = is_cleared and raw[RET_PLACE] == RET
                found = familiar.take(raw, received, is_counted) if may_be_usual else None
                if found is None:
                    usual = self._less_familiar(raw, received, cleared_by, may_be_usual, policy)
                    if usual is None:
                        continue
                    to, event = usual
                else:
                    to, event, known = found
                    if refuses and refuses(event):
                        self.ignored += 1
                        continue
                    if is_counted and known.told:
                        self._told.append((known.told, event))
                if to is not self._to:
                    if to != self._to:
                        self._keep_together(policy)
                    self._to = to
                self._together.append(event)
            except Exception as exc:
                self.leave_out(exc, 1)
        self._keep_together(policy)

    def _less_familiar(
        self, raw: bytes, received: float, cleared_by: Redactor | None, may_be_usual: bool, policy: Policy
    ) -> tuple[list[Route], Event] | None:
        """Return where a usual return goes that is to be kept together with others; any other frame is taken here."""
        pipeline = policy.pipeline
        found = pipeline.usual(raw, received) if may_be_usual else None
        if not isinstance(found, Result):
            self._keep_together(policy)
            if raw.startswith(BEAT_FRAME):
                self.peers.hear(raw)
            self.one(raw, received, cleared_by, known=found)
            return None
        event = found.event
        if event is None or (self.heard.is_used and self.heard.refuses(event)):
            self.ignored += 1
            return None
        if policy.metrics:
            self._count(policy)
            self.counting.kept(found, policy.metrics)
        pipeline.familiar.learn(raw, found, policy.metrics is not None)
        return [to for to, _ in found.destinations], event

    def _keep_together(self, policy: Policy) -> None:
        """Keep the returns that have gathered, and begin anew."""
        self._count(policy)
        some, to = self._together, self._to
        if not some:
            return
        self._together = []
        try:
            self.unanswered.note_answers(some)
            self.matched += len(some)
            for one in to:
                self.taken[one.rule] += len(some)
            if len(to) == 1:
                self.stage.add_run(to[0], some, policy.batches[to[0].worker])
            else:
                self.stage.add_run_to_all(to, some, policy.batches)
        except Exception as exc:
            self.leave_out(exc, len(some))

    def _count(self, policy: Policy) -> None:
        told = self._told
        if told and policy.metrics:
            self._told = []
            self.counting.again(told, policy.metrics)

    def one(
        self,
        raw: bytes,
        received: float,
        cleared_by: Redactor | None = None,
        is_own: bool = False,
        tells_again: bool = False,
        was_left: bool = False,
        known: Unusual | None = None,
    ) -> None:
        """
        Take a frame.

        :param raw: the frame.
        :param received: when it was read, in seconds since 1970.
        :param cleared_by: the redactor that has looked at it and found nothing, if one has.
        :param is_own: it comes from Salt's own job cache, or another place that is trusted.
        :param tells_again: the bus has told of the same; only whoever makes one row of both gets it.
        :param was_left: it was left to the engine of another master, which has not kept it.
        :param known: what is known of it, if it has been decoded.
        """
        policy = self._policy()
        pipeline = policy.pipeline.trusting if is_own else policy.pipeline.taking if was_left else policy.pipeline
        try:
            found = self._found(pipeline, raw, received, cleared_by, known)
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
            tells_again = tells_again or (not is_own and self.heard.was_begun(event))
            if not (event.kind or is_own or was_left):
                self.beside_jobs += 1
            if event.kind == "job" and not was_left and not tells_again:
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
            self.leave_out(exc, 1)

    def _keep(self, destinations: Sequence[tuple[Route, Event]], policy: Policy) -> None:
        self.matched += 1
        for _, one in destinations:
            self.taken[one.rule] += 1
        self.stage.add_to_all(destinations, policy.batches)

    def _found(
        self, pipeline: Pipeline, raw: bytes, received: float, cleared_by: Redactor | None, known: Unusual | None
    ) -> Result:
        """Return what becomes of a frame, once it is known who keeps it."""
        found = pipeline.take(raw, received, self._addressed, cleared_by, known)
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

    def leave_out(self, exc: Exception, count: int) -> None:
        """Count events that cannot be kept. Each kind of error is logged once, and nothing of the events."""
        self.left_out += count
        if (where := location(exc)) not in self._odd:
            self._odd.add(where)
            log.error("eventsd: an event could not be read and was left out: %s", where)


def _more(count: int) -> str:
    return f" (and {count - 1} more since the last such line)" if count > 1 else ""
