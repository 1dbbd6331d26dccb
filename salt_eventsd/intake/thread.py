"""
The thread between bus and spool: parse, match, redact, keep.

Events wait in memory for at most ``commit_seconds`` and then go to disk in one transaction; an event with ``prio``
takes all that is waiting along at once, and so does one with which they become too many to wait.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from salt_eventsd.bus.inbox import Inbox
from salt_eventsd.bus.unanswered import Unanswered
from salt_eventsd.common.reminder import Reminder
from salt_eventsd.config.structs import BatchLimits
from salt_eventsd.dispatch.quota import Quota
from salt_eventsd.event import parse as events
from salt_eventsd.event.chunk import Chunk, StoredChunk, encode_events, halved
from salt_eventsd.event.frame import Frame, read_tag
from salt_eventsd.event.parse import Event
from salt_eventsd.exceptions import SpoolError
from salt_eventsd.intake.glance import glance
from salt_eventsd.intake.origin import EVERYTHING, Addressed, Origins, as_forged
from salt_eventsd.intake.withheld import TooMuch, in_time, unpack, withheld
from salt_eventsd.redact import Redactor
from salt_eventsd.redact.error_text import location
from salt_eventsd.rules.match import Candidates, Route, Rules
from salt_eventsd.spool.keep import Spool

log = logging.getLogger(__name__)

#: Frames are taken in gulps of this long: each gulp costs a wake-up, and prio events wait no longer for one.
_GULP_SECONDS = 0.01
#: How long the thread sleeps when nothing comes.
_IDLE_SECONDS = 1.0
#: What an event takes in a chunk besides its body, roughly: tag, ids, times, names.
_ENVELOPE_BYTES = 200
#: What has piled up goes into the spool in transactions of about this, in bytes.
_PORTION_BYTES = 4 * 2**20
#: How many events of such a size that a tight disk has no room for are passed over at a time.
_MOST_PUT_OFF = 3
_LARGE_EVENT_BYTES = 256 * 2**10
#: What may wait in memory while the spool cannot be written, in bytes.
_MOST_UNKEPT_BYTES = 128 * 2**20
#: What is committed before its time, however long ``commit_seconds`` is: so many events, or bytes.
_MOST_STAGED_EVENTS = 10_000
_MOST_STAGED_BYTES = 16 * 2**20
#: Smaller events are not limited in time, which would cost more than they do.
_QUICK_BYTES = 16 * 2**10


@dataclass(frozen=True)
class Policy:
    """
    How the intake treats events; swapped as a whole when the config is reloaded.

    :param rules: which workers get an event.
    :param redactor: what is masked.
    :param batches: worker -> its batch limits; no chunk is larger, so that a batch is made of whole chunks.
    :param origins: what becomes of events that are not what their tag says.
    """

    rules: Rules
    redactor: Redactor
    batches: Mapping[str, BatchLimits]
    origins: Origins = EVERYTHING


@dataclass
class _Stage:
    """Events of one worker on their way into one chunk."""

    events: list[Event] = field(default_factory=list)
    bytes: int = 0


class Intake(threading.Thread):
    """
    Takes frames from the inbox until :meth:`stop`, and keeps what the rules want in the spool.

    :param inbox: where the bus thread puts frames.
    :param spool: where chunks are kept.
    :param policy: returns rules, redaction and chunk sizes as they are now; asked for each event.
    :param commit_seconds: returns how long an event waits for others before they are committed together.
    :param quota: makes room in the spool, and says what may be kept.
    :param kept: called with what has been kept.
    """

    def __init__(
        self,
        inbox: Inbox,
        spool: Spool,
        policy: Callable[[], Policy],
        commit_seconds: Callable[[], float],
        quota: Quota,
        kept: Callable[[list[StoredChunk]], None],
    ) -> None:
        super().__init__(name="eventsd-intake", daemon=True)
        self._policy = policy
        self._commit_seconds = commit_seconds
        #: Changes as long as the thread does something; so do the counters.
        self.turns = 0
        self.matched = 0
        self.unmatched = 0
        self.ignored = 0
        self.lost = 0
        #: Events that are not what their tag says, and events that were kept without what is in them.
        self.forged = 0
        self.withheld = 0
        self.spool_error = ""
        self.unanswered = Unanswered()
        self._inbox = inbox
        self._spool = spool
        self._quota = quota
        self._kept = kept
        self._offered: deque[bytes] = deque()
        self._stages: dict[tuple[str, bool], _Stage] = {}
        self._ready: list[Chunk] = []
        self._staged_at = 0.0
        self._staged_events = 0
        self._staged_bytes = 0
        self._urgent = False
        self._odd: set[str] = set()
        self._addressed = Addressed()
        self._forged_told = Reminder()
        self._withheld_told = Reminder()
        self._stopping = threading.Event()

    def run(self) -> None:
        """Run until stopped; what was read by then is kept."""
        while not (self._stopping.is_set() and not self._inbox.waiting_bytes):
            self.turns += 1
            for raw, received, cleared_by in glance(self._inbox.take(self._patience()), self._redactor):
                self._try(raw, received, cleared_by)
                if self._staged_bytes >= _MOST_STAGED_BYTES:
                    self._commit()
            while self._offered:
                self._try(self._offered.popleft(), time.time(), is_own=True)
            if self._due():
                self._commit()
            if not self._stopping.is_set():
                time.sleep(_GULP_SECONDS)
        self._commit()

    @property
    def policy(self) -> Policy:
        """Rules, redaction and chunk sizes as they are now."""
        return self._policy()

    @property
    def unkept_events(self) -> int:
        """Events that are in memory because the spool cannot be written."""
        return sum(chunk.events for chunk in self._ready) if self.spool_error else 0

    def offer(self, raw: bytes) -> None:
        """
        Take an event that did not come over the bus.

        :param raw: as it would have come.
        """
        self._offered.append(raw)
        self._inbox.wake()

    def stop(self, timeout_seconds: float) -> bool:
        """
        Keep what was read and end the thread.

        :param timeout_seconds: how long to wait for it.
        :returns: whether all that was read is on disk.
        """
        self._stopping.set()
        self._inbox.wake()
        self.join(timeout_seconds)
        return not self.is_alive() and not self._ready

    def give_up(self) -> int:
        """Count as lost what could not be kept until the process ends, and return how many events that is."""
        left = self._inbox.waiting + sum(chunk.events for chunk in list(self._ready))
        left += sum(len(stage.events) for stage in list(self._stages.values()))
        self.lost += left
        return left

    def _patience(self) -> float:
        if not (self._stages or self._ready):
            return _IDLE_SECONDS
        return max(0.0, self._staged_at + self._commit_seconds() - time.monotonic())

    def _due(self) -> bool:
        if not (self._stages or self._ready):
            return False
        return self._urgent or time.monotonic() - self._staged_at >= self._commit_seconds()

    def _redactor(self) -> Redactor:
        return self._policy().redactor

    def _try(self, raw: bytes, received: float, cleared_by: Redactor | None = None, is_own: bool = False) -> None:
        try:
            self._stage(raw, received, cleared_by, is_own)
        except Exception as exc:
            self._leave_out(exc, 1)

    def _stage(self, raw: bytes, received: float, cleared_by: Redactor | None = None, is_own: bool = False) -> None:
        policy = self._policy()
        frame = read_tag(raw, received)
        candidates = policy.rules.candidates(frame.tag, frame.full_tag)
        if not candidates:
            self.unmatched += 1
            return
        try:
            if len(frame.payload) <= _QUICK_BYTES:
                is_cleared = cleared_by is policy.redactor
                self._keep(policy, candidates, frame, *unpack(frame), is_own, is_cleared)
            else:
                with in_time(frame):
                    self._keep(policy, candidates, frame, *unpack(frame), is_own)
        except TooMuch as exc:
            bare, data = withheld(frame, str(exc))
            data = policy.redactor.apply(data, "")
            self._keep(policy, candidates, bare, data, events.function_of(data), is_own)
            self._withheld(frame, exc)

    def _keep(
        self,
        policy: Policy,
        candidates: Candidates,
        frame: Frame,
        data: Any,
        fun: str,
        is_own: bool,
        is_cleared: bool = False,
    ) -> None:
        routes = candidates.routes(frame.tag, fun, data, frame.full_tag)
        why = ""
        if not is_own:
            routes, why = policy.origins.judged(frame, data, routes, self._addressed)
        if not routes:
            if why:
                self._tell_forged(policy, why)
            self.ignored += 1
            return
        whole, data, fun = policy.redactor.clean(frame, data, fun, is_cleared)
        first = routes[0]
        event = events.build(whole, data, fun, first.rule, first.into)
        if why:
            self._tell_forged(policy, why)
            full = policy.redactor.tag(msgspec.structs.replace(frame, tag=frame.full_tag))
            event = as_forged(event, data, full.tag, policy.redactor.apply(why, ""))
        elif event.kind == "job":
            self.unanswered.note(event, data)
        self.matched += 1
        self._add(first, event, policy.batches[first.worker])
        for one in routes[1:]:
            self._add(one, events.for_route(event, one.rule, one.into), policy.batches[one.worker])

    def _withheld(self, frame: Frame, why: TooMuch) -> None:
        self.withheld += 1
        if missed := self._withheld_told.due():
            log.warning(
                "eventsd: an event of %d bytes would take too long, and was kept without its payload: %s%s",
                len(frame.payload),
                why,
                _more(missed),
            )

    def _tell_forged(self, policy: Policy, why: str) -> None:
        self.forged += 1
        if missed := self._forged_told.due():
            log.warning(
                "eventsd: an event is not what its tag says, but %s; forged: %s%s",
                policy.redactor.apply(why, ""),
                policy.origins.forged,
                _more(missed),
            )

    def _add(self, to: Route, event: Event, limits: BatchLimits) -> None:
        if not self._stages and not self._ready:
            self._staged_at = time.monotonic()
        key = (to.lane, to.prio)
        stage = self._stages.get(key)
        if stage is None:
            stage = self._stages[key] = _Stage()
        size = len(event.body) + len(event.returned) + _ENVELOPE_BYTES
        if stage.events and (len(stage.events) >= limits.events or stage.bytes + size > limits.bytes):
            self._cut(key)
            stage = self._stages[key] = _Stage()
        stage.events.append(event)
        stage.bytes += size
        self._staged_events += 1
        self._staged_bytes += size
        is_much = self._staged_events >= _MOST_STAGED_EVENTS or self._staged_bytes >= _MOST_STAGED_BYTES
        self._urgent = self._urgent or to.prio or is_much

    def _cut(self, key: tuple[str, bool]) -> None:
        events = self._stages.pop(key).events
        try:
            self._ready.append(Chunk(key[0], key[1], len(events), events[0].received, encode_events(events)))
        except Exception as exc:
            self._leave_out(exc, len(events))

    def _leave_out(self, exc: Exception, count: int) -> None:
        """Count events that cannot be kept; one line for each way in which that happens, and nothing of the events."""
        self.lost += count
        if (where := location(exc)) not in self._odd:
            self._odd.add(where)
            log.error("eventsd: an event could not be read and was left out: %s", where)

    def _commit(self) -> None:
        for key in list(self._stages):
            self._cut(key)
        self._urgent = False
        self._staged_events = self._staged_bytes = 0
        if not self._ready:
            return
        try:
            self._ready = self._quota.admit(self._ready)
            while self._ready and (portion := self._portion()):
                kept = self._spool.put(portion)
                self._ready = self._ready[len(portion) :]
                self._kept(kept)
        except SpoolError as exc:
            self._unkept(str(exc))
            return
        except Exception as exc:
            # This thread must not end while the engine lives: nothing would be kept any more.
            self._unkept(f"eventsd: events cannot be kept: {location(exc)}")
            return
        if self._ready:
            self._unkept(f"eventsd: spool.dir: {self._spool.folder}: the disk is full, but for a reserve")
        elif self.spool_error:
            log.warning("eventsd: the spool can be written again")
            self.spool_error = ""

    def _portion(self) -> list[Chunk]:
        """What one transaction takes: all of a usual commit, part of what has piled up, no more than there is room."""
        size = number = 0
        while number < len(self._ready) and (number == 0 or size < _PORTION_BYTES):
            size += len(self._ready[number].payload)
            number += 1
        for _ in range(_MOST_PUT_OFF):
            while not (fitting := self._quota.fitting(self._ready[:number])) and self._ready[0].events > 1:
                self._ready[:1] = halved(self._ready[0])
            if fitting or len(self._ready[0].payload) < _LARGE_EVENT_BYTES:
                return self._ready[:fitting]
            # It shall hold up no other, though it then comes out of its order.
            self._ready.append(self._ready.pop(0))
        return []

    def _unkept(self, error: str) -> None:
        if error != self.spool_error:
            log.error("%s; events wait in memory, up to %d MiB", error, _MOST_UNKEPT_BYTES >> 20)
            self.spool_error = error
        self._staged_at = time.monotonic()
        waiting = sum(len(chunk.payload) for chunk in self._ready)
        while waiting > _MOST_UNKEPT_BYTES:
            gone = self._ready.pop(0)
            waiting -= len(gone.payload)
            self.lost += gone.events


def _more(count: int) -> str:
    return f" (and {count - 1} more since the last such line)" if count > 1 else ""
