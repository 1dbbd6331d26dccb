"""
A configured engine from its start to its end, and what an operator does to it meanwhile. What it consists of is in
:mod:`assembly`.
"""

from __future__ import annotations

import logging
import time

from salt_eventsd.common.english import counted
from salt_eventsd.engine.assembly import Assembly
from salt_eventsd.workers.load import close

log = logging.getLogger(__name__)

#: Salt kills an engine 5 s after SIGTERM. Until so long after it, the engine keeps in the spool what it has read ...
_KEEP_SECONDS = 2.4
#: ... and lets batches in flight end.
_FINISH_SECONDS = 3.0
#: Each of both has so long at least.
_MOMENT_SECONDS = 0.3


class Service(Assembly):
    """
    A configured engine. Its parameters are those of :class:`~salt_eventsd.engine.assembly.Assembly`.

    :raises SpoolBusy: another engine has the spool.
    :raises SpoolError: the spool cannot be opened.
    """

    #: When it was told to end, by the clock that nobody sets; 0 if it was not.
    _stopped_at = 0.0

    def heed_pauses(self) -> None:
        """Have lanes wait, or go on, as an operator wants it now."""
        for lane in self.lanes.values():
            lane.paused_at = self.pauses.since(lane.owner)
        self.dispatcher.wake()
        self.reporter.report()

    def seen(self) -> None:
        """Note that an operator has looked at what was lost."""
        self.ledger.look(self.link.gaps)
        self.reporter.report()

    def repaired(self, since: float, events: int, still: int | None = None) -> bool:
        """
        Note that an operator has brought what a job cache had of a gap.

        :param since: when the gap began, as it is reported.
        :param events: how many events were missing and are there now.
        :param still: how many starts of jobs and returns are missing still; None if the job cache does not have all.
        :returns: whether there is such a gap, and it has ended.
        """
        known = any(gap.since == since and gap.until is not None for gap in self.ledger.gaps(self.link.gaps))
        if known:
            self.ledger.repaired(since, events, still)
            self.reporter.report()
        return known

    def start(self) -> None:
        """Start the threads; :meth:`close` ends them."""
        self.intake.start()
        self.dispatcher.start()
        self.reporter.start()
        self.drain.start()
        self.metrics.start()
        self.announcer.start()
        self.beating.start()
        self.repair.start()

    def run(self) -> None:
        """Run until SIGTERM."""
        self.start()
        try:
            self.link.run()
        finally:
            self.close()

    def stop(self) -> None:
        """End :meth:`run`; may be called from a signal handler."""
        self._stopped_at = self._stopped_at or time.monotonic()
        # Events that are not in the spool yet need the time more than those that are.
        self.dispatcher.halt()
        self.link.stop()

    def close(self) -> None:
        """Keep what was read, give batches in flight a moment, leave the rest in the spool."""
        began = self._stopped_at or time.monotonic()
        self.drain.stop()
        self.repair.stop()
        self.beating.stop()
        self.dispatcher.halt()
        kept = self.intake.stop(max(_MOMENT_SECONDS, began + _KEEP_SECONDS - time.monotonic()))
        finished = self.dispatcher.stop(max(_MOMENT_SECONDS, began + _FINISH_SECONDS - time.monotonic()))
        if not kept and (left := self.intake.give_up()):
            log.error(
                "eventsd: the spool did not take the last events within %.1f s; %s lost",
                _KEEP_SECONDS,
                counted(left, verb="is"),
            )
        self.metrics.stop()
        self.announcer.stop()
        self.reporter.stop()
        if finished:
            for lane in self.lanes.values():
                close(lane.worker)
        waiting = sum(lane.backlog.events for lane in self.lanes.values())
        # The log is merged into the file, in case somebody copies the file now or puts another one in its place.
        self.spool.close(_MOMENT_SECONDS)
        log.info("eventsd: stopped; %s in the spool", counted(waiting, verb="waits"))
