"""
Repair: the thread that asks Salt's own job cache for what came in a gap, and puts what the history lacks on the path of
all events. Where our own returner is the job cache, the drain does that, and this one notes when it has done so.

It waits until all that was read before is written, for only then the history says what it lacks. It takes little of the
processor, and puts no more into the spool than that keeps: nobody who reads the bus waits for it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from salt_eventsd.common.english import counted
from salt_eventsd.common.reminder import Reminder
from salt_eventsd.database.retention.pace import Pace
from salt_eventsd.dispatch.backoff import Backoff
from salt_eventsd.engine.ledger import Ledger
from salt_eventsd.engine.plan import Plan
from salt_eventsd.engine.repair.asking import SLACK_SECONDS, asking, wanted_of
from salt_eventsd.engine.repair.handed import Handed
from salt_eventsd.engine.report import ReportedGap
from salt_eventsd.exceptions import Transient
from salt_eventsd.intake.past import local_cache
from salt_eventsd.intake.past.missing import Lacked, look, portions
from salt_eventsd.intake.past.told import Unread
from salt_eventsd.intake.thread import Intake
from salt_eventsd.redact.error_text import one_line

log = logging.getLogger(__name__)

#: The name Salt has for our own returner.
OURS = "eventsd"

#: How often the thread looks for gaps.
_SECONDS = 2.0
#: The longest wait after a try that has failed.
_MOST_SECONDS = 300.0
#: So long after a gap nothing of it is under way any more.
_SETTLED_SECONDS = 2 * SLACK_SECONDS
#: An older gap is left as it is: Salt cleans its job cache after a day.
_OLDEST_SECONDS = 86_400.0
#: The part of a processor it takes.
_SHARE = 0.2
#: While something waits for longer to be written, nothing more is put into the spool.
_BEHIND_SECONDS = 30.0
#: So long it waits for the spool to keep what was offered.
_KEPT_SECONDS = 60.0


class Repair(threading.Thread):
    """
    Repairs gaps until :meth:`stop`.

    :param opts: Salt's options.
    :param plan: returns the plan in force.
    :param gaps: returns the gaps, as they are reported.
    :param ledger: is told what was repaired.
    :param intake: where the missing events go.
    :param oldest: returns when the oldest event was read that the history does not have yet, in seconds since 1970
        UTC; 0 if it has all.
    :param handed: knows what the drain has taken in, where our own returner is the job cache.
    """

    def __init__(
        self,
        opts: Mapping[str, Any],
        plan: Callable[[], Plan],
        gaps: Callable[[], list[ReportedGap]],
        ledger: Ledger,
        intake: Intake,
        oldest: Callable[[], float],
        handed: Handed,
    ) -> None:
        super().__init__(name="eventsd-repair", daemon=True)
        self._opts = opts
        self._root = local_cache.folder_of(opts)
        self._plan = plan
        self._gaps = gaps
        self._ledger = ledger
        self._intake = intake
        self._oldest = oldest
        self._handed = handed
        self._told = Reminder()
        self._stopping = threading.Event()

    @property
    def applies(self) -> bool:
        """Whether Salt keeps jobs in files of its own, and the history is in a database."""
        config = self._plan().config
        return (
            config.general.repair
            and config.asked is not None
            and self._opts.get("__role") == "master"
            and job_cache_of(self._opts) == local_cache.NAME
            and self._root.is_dir()
        )

    @property
    def is_handed(self) -> bool:
        """Whether Salt hands all jobs and returns over to our own returner."""
        return self._opts.get("__role") == "master" and job_cache_of(self._opts) == OURS and has_all(self._opts)

    def run(self) -> None:
        """Run until stopped."""
        failures, backoff = 0, Backoff(_SECONDS, _MOST_SECONDS, _SECONDS)
        wait = _SECONDS
        while not self._stopping.wait(wait):
            wait = _SECONDS
            try:
                if self.is_handed:
                    self._note_handed()
                elif self.applies and (gap := self.due()) is not None:
                    self.repair(gap)
                failures = 0
            except Exception as exc:
                failures += 1
                wait = backoff.seconds(failures)
                if self._told.due():
                    log.warning("eventsd: a gap is not repaired yet, it is tried again: %s", one_line(exc))

    def stop(self) -> None:
        """End the thread; the next engine repairs what this one has not."""
        self._stopping.set()

    def due(self) -> ReportedGap | None:
        """
        Return the oldest gap that can be repaired now; None if there is none.

        :raises SpoolError: the spool does not say what is written.
        """
        for gap, until in self._settled():
            if not 0 < self._oldest() <= until + SLACK_SECONDS:
                return gap
        return None

    def _settled(self) -> Iterator[tuple[ReportedGap, float]]:
        """Yield the gaps to repair of which nothing is under way any more, each with its end."""
        now = time.time()
        for gap in self._gaps():
            if gap.until is not None and gap.repaired is None and _OLDEST_SECONDS > now - gap.until > _SETTLED_SECONDS:
                yield gap, gap.until

    def _note_handed(self) -> None:
        for gap, until in self._settled():
            if self._handed.has_all(until + SLACK_SECONDS):
                self._ledger.repaired(gap.since, self._handed.take(gap.since), self._handed.refused())

    def repair(self, gap: ReportedGap) -> None:
        """
        Repair a gap.

        :param gap: one that has ended.
        :raises EventsdError: the history or the job cache cannot be asked, or the spool keeps nothing.
        """
        wanted = wanted_of(gap.since, time.time() if gap.until is None else gap.until)
        pace = Pace(_SHARE, self._stopping)
        found = unread = elsewhere = 0
        parts = iter(portions(local_cache.tell(self._root, wanted, self._plan().policy.pipeline.origins)))
        is_over = False
        while not is_over and not pace.stopped:
            if self._is_behind():
                pace.wait(_SECONDS)
                continue
            with pace.step():
                part = next(parts, None)
                if part is None:
                    is_over = True
                    continue
                self._tell(part.unread)
                unread += len(part.unread)
                plan = self._plan()
                worker = plan.config.asked or ""
                looked = look(
                    part, plan.policy.pipeline, worker, str(self._opts.get("id", "")), asking(plan.config, worker)
                )
                self._offer(looked.lacked)
                found += len(looked.lacked)
                # Nobody can say whether others have them, but those that came in the gap itself were not heard.
                stamps = [one.destinations[0][1].stamp for one in looked.elsewhere]
                elsewhere += sum(gap.since < stamp < (gap.until or stamp) for stamp in stamps)
        if not is_over:
            return
        self._ledger.repaired(gap.since, found, unread + elsewhere if has_all(self._opts) else None)
        log.info(
            "eventsd: %s of a gap came from Salt's job cache, which had %s that cannot be read",
            counted(found),
            counted(unread, "piece"),
        )

    def _is_behind(self) -> bool:
        """Say whether much waits to be written: a full spool would drop what nobody has but the bus."""
        return 0 < self._oldest() < time.time() - _BEHIND_SECONDS

    def _offer(self, lacked: Iterable[Lacked]) -> None:
        """Put events on the path of all events, and wait until they are kept."""
        for one in lacked:
            self._intake.offer(one.told.frame, one.completes)
        ticket = self._intake.offer(b"")
        until = time.monotonic() + _KEPT_SECONDS
        while self._intake.kept_offers < ticket:
            if self._stopping.wait(0.02) or time.monotonic() > until:
                raise Transient("the spool has not kept what came from Salt's job cache")

    def _tell(self, unread: Iterable[Unread]) -> None:
        for one in unread:
            if missed := self._told.due():
                more = f" (and {missed - 1} more since the last such line)" if missed > 1 else ""
                log.warning("eventsd: Salt's job cache: %s cannot be read: %s%s", one.what, one.why, more)


def job_cache_of(opts: Mapping[str, Any]) -> str:
    """
    Return which returner is the master's job cache.

    :param opts: Salt's options.
    """
    return str(opts.get("master_job_cache") or local_cache.NAME)


def has_all(opts: Mapping[str, Any]) -> bool:
    """
    Say whether the master gives its job cache all jobs and returns there are.

    :param opts: Salt's options.
    """
    return bool(opts.get("job_cache", True) and opts.get("runner_returns", True)) and not opts.get("ext_job_cache")
