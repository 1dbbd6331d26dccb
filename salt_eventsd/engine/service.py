"""
The composition root: from a config to a running engine. It reads as the eight steps.

A process of its own listens; thread A (Salt's main thread of the engine process) takes what it has read; B is the
intake: parse, match, redact, keep; C claims and runs; the pool's threads write and settle.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from salt_eventsd.bus.inbox import Inbox
from salt_eventsd.bus.link import Link
from salt_eventsd.bus.nursery import Nursery
from salt_eventsd.common.english import counted
from salt_eventsd.config.structs import Config, WorkerConfig
from salt_eventsd.dispatch.backoff import Backoff
from salt_eventsd.dispatch.lane import Lane, Lanes
from salt_eventsd.dispatch.quota import Room
from salt_eventsd.dispatch.run import Dispatcher
from salt_eventsd.engine.ledger import Ledger
from salt_eventsd.engine.plan import Planned, make_plan
from salt_eventsd.engine.predecessor import predecessor
from salt_eventsd.engine.report import Parts, Reporter, report
from salt_eventsd.engine.stats import stats_frame
from salt_eventsd.engine.watch import Watch
from salt_eventsd.event.chunk import Totals
from salt_eventsd.event.parse import STATS_TAG
from salt_eventsd.exceptions import SpoolBusy
from salt_eventsd.intake.thread import Intake
from salt_eventsd.spool.keep import Spool
from salt_eventsd.workers.load import close

log = logging.getLogger(__name__)

#: Salt kills an engine 5 s after SIGTERM; by then all of this has to be done. What was read is kept until so long after
#: it, and batches in flight have until then, but a moment at least.
_KEEP_SECONDS = 2.4
_FINISH_SECONDS = 3.0
_MOMENT_SECONDS = 0.3
#: A lock is often free a moment later: the predecessor is just ending, or a runner is looking.
_LOCK_TRIES_SECONDS = (0.1, 0.3, 0.6, 1.0, 2.0)

_NOTHING = Totals()


class Service:
    """
    A configured engine.

    :param config: found right.
    :param opts: Salt's options.
    :param functions: Salt's execution modules, for workers that want them.
    :param runners: Salt's runners, likewise.
    :param nursery: where readers of the bus come from; None makes one, which is for a process without threads only.
    :raises SpoolBusy: another engine has the spool.
    :raises SpoolError: the spool cannot be opened.
    """

    def __init__(
        self,
        config: Config,
        opts: Mapping[str, Any],
        functions: Any = None,
        runners: Any = None,
        nursery: Nursery | None = None,
    ) -> None:
        self.opts, self.functions, self.runners = opts, functions, runners
        general = config.general
        self._stopped_at = 0.0
        self.inbox = Inbox()
        self.link = Link(nursery or Nursery(opts), self.inbox)
        self.plan = make_plan(config, opts, functions, runners)
        self.spool = _open_spool(Path(general.spool.dir), int(general.spool.max_bytes))
        try:
            self._put_together(config)
        except BaseException:
            # There may be another try in this process, which would find the spool locked.
            self.spool.close()
            raise

    def _put_together(self, config: Config) -> None:
        general = config.general
        for stray in self.plan.strays:
            log.warning(stray)
        for planned in self.plan.workers.values():
            for problem in planned.problem.splitlines():
                log.error("%s; its events wait in the spool", problem)
        totals = self.spool.begin()
        newest = self.spool.newest_id()
        self.lanes = Lanes(
            {
                name: self.new_lane(name, planned, totals.get(name, _NOTHING), newest)
                for name, planned in self.plan.lanes.items()
            }
        )
        for name, left in totals.items():
            if name not in self.lanes:
                self._adopt(name, left)
        self.room = Room(general.spool, self.spool, self.lanes)
        self.dispatcher = Dispatcher(self.spool, self.lanes, general.max_workers, self._adopt)
        self.intake = Intake(
            self.inbox,
            self.spool,
            self.plan.policy,
            general.spool.commit_seconds,
            room=self.room,
            kept=self.dispatcher.kept,
        )
        before = predecessor(Path(general.state_file), self.spool.folder)
        self.ledger = Ledger(before)
        if before and (gap := before.gap()):
            self.link.away(gap)
            if before.restarted_with_its_master():
                self.ledger.harmless(gap.why)
        self.watch = Watch(
            {
                "reader": lambda: self.link.state.beat,
                "pipe": lambda: self.link.turns,
                "intake": lambda: _sign(self.intake, (self.intake.turns, self.intake.matched, self.intake.unmatched)),
                "dispatch": lambda: _sign(self.dispatcher, self.dispatcher.turns),
            }
        )
        parts = Parts(
            started=time.time(),
            link=self.link,
            ledger=self.ledger,
            watch=self.watch,
            inbox=self.inbox,
            intake=self.intake,
            lanes=self.lanes,
            spool=self.spool,
            room=self.room,
            dispatcher=self.dispatcher,
        )
        self.reporter = Reporter(Path(general.state_file), general.state_timer, lambda: report(parts), self._reported)

    def new_lane(self, name: str, planned: Planned, left: Totals, newest: int) -> Lane:
        """
        Return a lane for a worker.

        :param name: the lane's.
        :param planned: the worker.
        :param left: what waits for it in the spool.
        :param newest: the highest chunk id given so far.
        """
        worker = planned.worker.hold() if planned.worker else None
        lane = Lane(name, planned.settings, worker, planned.problem, self.spool, Backoff(), planned.name)
        lane.restore(left, newest)
        return lane

    def _adopt(self, name: str, left: Totals = _NOTHING) -> None:
        """What waits for a worker or a rule that is not configured counts, and comes to it if it is some day."""
        lane = Lane(name, WorkerConfig(), None, "", self.spool, Backoff())
        lane.restore(left, self.spool.newest_id())
        lane.retired = True
        if self.lanes.add(lane) is not lane:
            return
        log.warning("eventsd: events wait in the spool for %s, which is not configured", name)

    def _reported(self, made: Mapping[str, Any]) -> None:
        """The engine's own counters are an event like any other, for whom a rule wants them."""
        if self.intake.policy.rules.candidates(STATS_TAG, STATS_TAG):
            self.intake.offer(stats_frame(made))

    def seen(self) -> None:
        """Note that an operator has looked at what was lost."""
        self.ledger.look(self.link.gaps)
        self.reporter.report()

    def run(self) -> None:
        """Run until SIGTERM."""
        self.intake.start()
        self.dispatcher.start()
        self.reporter.start()
        try:
            self.link.run()
        finally:
            self.close()

    def stop(self) -> None:
        """End :meth:`run`; may be called from a signal handler."""
        self._stopped_at = self._stopped_at or time.monotonic()
        # What is about to be kept needs the time more than what is kept already.
        self.dispatcher.halt()
        self.link.stop()

    def close(self) -> None:
        """Keep what was read, give batches in flight a moment, leave the rest in the spool."""
        began = self._stopped_at or time.monotonic()
        self.dispatcher.halt()
        kept = self.intake.stop(max(_MOMENT_SECONDS, began + _KEEP_SECONDS - time.monotonic()))
        finished = self.dispatcher.stop(max(_MOMENT_SECONDS, began + _FINISH_SECONDS - time.monotonic()))
        if not kept and (left := self.intake.give_up()):
            log.error(
                "eventsd: the spool did not take the last events within %.1f s; %s lost",
                _KEEP_SECONDS,
                counted(left, verb="is"),
            )
        self.reporter.stop()
        if finished:
            for lane in self.lanes.values():
                close(lane.worker)
        waiting = sum(lane.queued_events for lane in self.lanes.values())
        # So that the file has all that is in it, whoever copies it now or puts another one in its place.
        self.spool.close(_MOMENT_SECONDS)
        log.info("eventsd: stopped; %s in the spool", counted(waiting, verb="waits"))


def _sign(thread: threading.Thread, sign: Any) -> Any:
    """What a thread shows; one that was not started yet is no reason to call anybody."""
    return sign if thread.is_alive() or not thread.ident else None


def _open_spool(folder: Path, max_bytes: int) -> Spool:
    for pause in _LOCK_TRIES_SECONDS:
        try:
            return Spool(folder, max_bytes)
        except SpoolBusy:
            time.sleep(pause)
    return Spool(folder, max_bytes)
