"""
A lane of a writer: parcels of one worker, or of one of its rules with a table or a statement of the user's own, from
the broker into the backend.

Its threads take parcels one by one; :class:`~salt_eventsd.writer.carry.tries.Tries` says when one may be tried. What is
committed is acknowledged, and what is refused is buried before that. A parcel that cannot be written stays in hand, and
the broker is told now and then that somebody is at it: so an outage of the database is no delivery that failed.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from salt_eventsd.backends.broker.interface import Delivered, Letters
from salt_eventsd.common.timings import Timings
from salt_eventsd.exceptions import Doubted, WorkerError
from salt_eventsd.redact.error_text import one_line, traceback_text
from salt_eventsd.workers.write import Worker
from salt_eventsd.writer.carry.attempt import Attempt
from salt_eventsd.writer.carry.counts import Counts
from salt_eventsd.writer.carry.hand import Hand
from salt_eventsd.writer.carry.pulled import Pulled
from salt_eventsd.writer.carry.source import Source
from salt_eventsd.writer.carry.strangers import Strangers
from salt_eventsd.writer.carry.tries import Tries

log = logging.getLogger(__name__)

#: How long a thread waits for parcels before it looks whether it is to end.
PULL_SECONDS = 0.5
#: A parcel that was delivered more often than this may be what kills writers.
MOST_DELIVERIES = 5

#: Writes a parcel in a process of its own, which alone is lost if the parcel ends it; returns why it is to be set aside
#: whole, "" if it is not.
Alone = Callable[[Pulled, Worker], str]


@dataclass(frozen=True)
class Means:
    """
    What the lanes of a worker have in common.

    :param source: where parcels come from.
    :param letters: where refused events go.
    :param writer_of: returns what writes the events of a master.
    :param strangers: notes rules that are others than the masters'.
    :param alone: see :data:`Alone`.
    """

    source: Source
    letters: Letters
    writer_of: Callable[[str], Worker]
    strangers: Strangers
    alone: Alone


class Lane:
    """
    A lane.

    :param name: the worker's name, or that of a rule's lane.
    :param worker: the worker's name.
    :param means: what it has in common with the worker's other lanes.
    :param tries: when a try may be made, and what failed ones mean.
    :param threads: how many parcels are written at once.
    :param before: the lane of this name before a reload, whose numbers go on.
    """

    def __init__(
        self, name: str, worker: str, means: Means, tries: Tries, threads: int = 1, before: Lane | None = None
    ) -> None:
        self.name, self.worker = name, worker
        self.tries = tries
        if before:
            self.tries.retries = before.tries.retries
        # The same ones: a try of before may still end.
        self.counts: Counts = before.counts if before else Counts()
        self.write_seconds: Timings = before.write_seconds if before else Timings()
        #: When each parcel that is being written was begun, by the monotonic clock.
        self.running: dict[str, float] = {}
        self._means = means
        self._source = means.source
        self._stopping = threading.Event()
        self._hand = Hand(name, worker, means.source, means.strangers, self.counts)
        self._threads = [
            threading.Thread(target=self._work, name=f"eventsd-{name}", daemon=True) for _ in range(threads)
        ]

    @property
    def is_ordered(self) -> bool:
        """Whether its parcels are written in their order."""
        return self.name != self.worker

    @property
    def is_up(self) -> bool:
        """Whether its last try to write succeeded."""
        return self.tries.state == "ok"

    @property
    def in_hand(self) -> list[Delivered]:
        """What was pulled and is not settled."""
        return self._hand.delivered

    @property
    def alive(self) -> bool:
        """Whether all its threads run, or none was started yet."""
        return all(thread.is_alive() or not thread.ident for thread in self._threads)

    def start(self) -> None:
        """Start its threads."""
        for thread in self._threads:
            thread.start()

    def halt(self) -> None:
        """Pull no more, and begin no more tries; may be called from a signal handler."""
        self._stopping.set()
        self.tries.halt()

    def join(self, until: float) -> bool:
        """
        Wait for tries in flight, give back all that is not settled, and say whether all have ended.

        :param until: how long, by the monotonic clock.
        """
        for thread in self._threads:
            if thread.ident:
                thread.join(max(0.0, until - time.monotonic()))
        for delivered in self.in_hand:
            # Give back also what is being written: if it is committed after all, its receipt tells the next writer.
            self._hand.give_back(delivered, 0.0)
        return not any(thread.is_alive() for thread in self._threads)

    def _work(self) -> None:
        while not self._stopping.is_set():
            try:
                pulled = self._next()
                if pulled is not None:
                    self._carry(pulled)
            except Exception as exc:
                # This thread must not end while the writer lives.
                log.error("eventsd: worker %s: %s", self.name, one_line(exc))
                log.debug("eventsd: %s", traceback_text(exc))
                self._stopping.wait(PULL_SECONDS)

    def _next(self) -> Pulled | None:
        """Return the next parcel; None if there is none now, or the backend is away."""
        if waiting := self._hand.waiting():
            return waiting
        if not self.tries.may_pull(bool(self.in_hand)) or self._source.wait_seconds:
            self._stopping.wait(min(PULL_SECONDS, max(0.02, self._source.wait_seconds)))
            return None
        return self._hand.pull(PULL_SECONDS)

    def _carry(self, pulled: Pulled) -> None:
        """Try until the parcel is settled, is left to another time, or the writer ends."""
        while not self._stopping.is_set():
            if not (pulled.committed or pulled.broken):
                pulled, companion = self._in_company(pulled)
                is_committed = pulled.broken or (self.tries.enter() and self._write(pulled, companion))
                if not is_committed:
                    if not self._hand.has(pulled):
                        return
                    continue
            if self._settle(pulled):
                return
            self._stopping.wait(min(PULL_SECONDS, self._source.wait_seconds))

    def _write(self, pulled: Pulled, companion: Pulled | None) -> bool:
        """Try once; say whether it is committed."""
        several = [pulled, companion] if companion else [pulled]
        began = time.monotonic()
        self.running[pulled.key] = began
        try:
            writer = self._means.writer_of(pulled.delivered.master)
            if pulled.delivered.deliveries > MOST_DELIVERIES and not self.tries.has_survived(pulled.key):
                why = self._means.alone(pulled, writer)
                if why:
                    pulled.broken = why
                    self.tries.left()
                    return True
            Attempt(several).write(writer, self.tries.suspicion(pulled.key))
        except BaseException as exc:
            # Even what would end a program: here it would end the thread, and nobody would give the parcel back.
            self._failed(pulled, exc)
            if companion:
                self._hand.put(companion, first=True)
            return False
        finally:
            self.running.pop(pulled.key, None)
            self.write_seconds.add(time.monotonic() - began)
        self.tries.succeeded(pulled.key, is_whole=not pulled.spared)
        if companion and not self._settle(companion):
            self._hand.put(companion, first=True)
        return True

    def _failed(self, pulled: Pulled, exc: BaseException) -> None:
        self.counts.renamed += self.tries.failed(pulled, exc)
        if self.is_ordered or not isinstance(exc, Doubted) or not exc.chunks:
            return
        seconds = self.tries.passes_by(pulled, exc)
        if seconds is None:
            return
        if pulled.chunks > exc.chunks:
            pulled.spared |= exc.chunks
        else:
            self._hand.give_back(pulled.delivered, seconds)

    def _settle(self, pulled: Pulled) -> bool:
        """Bury and acknowledge what is committed; say whether that went well."""
        try:
            buried = pulled.buried
            pulled.bury(self._means.letters)
            self.counts.buried += pulled.buried - buried
            if pulled.spared:
                self._hand.give_back(pulled.delivered, self.tries.passing_seconds(pulled.key))
            else:
                pulled.delivered.done()
                self._hand.settled(pulled)
        except WorkerError as exc:
            self._source.failed(exc)
            return False
        self._source.works()
        self.counts.settled(pulled)
        self.tries.tell_buried(self.counts.buried)
        return True

    def _in_company(self, pulled: Pulled) -> tuple[Pulled, Pulled | None]:
        """
        Where a backend takes nothing of a parcel, return another one to be written with it. What cannot go with it, as
        it is of another master, takes its turn, and shows as well whether the backend takes anything.
        """
        if self.is_ordered or not self.tries.suspicion(pulled.key).asks_others:
            return pulled, None
        other = self._hand.another()
        if other is None:
            return pulled, None
        fits = other.delivered.master == pulled.delivered.master and not other.chunks & pulled.chunks
        if fits and not (other.broken or other.committed):
            return pulled, other
        self._hand.put(pulled, first=False)
        return other, None
