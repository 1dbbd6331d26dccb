"""
The composition root: puts the parts of an engine together, along the eight steps of an event, and makes plans real.

A process of its own listens, and the main thread takes over what it has read. The thread of the intake parses, matches,
redacts and keeps; that of the dispatcher runs batches; the threads of its pool write and settle.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from salt_eventsd.bus.inbox import Inbox
from salt_eventsd.bus.link import Link
from salt_eventsd.bus.nursery import Nursery
from salt_eventsd.config.structs import Config, General, WorkerConfig
from salt_eventsd.dispatch.backoff import Backoff
from salt_eventsd.dispatch.lane import Lane
from salt_eventsd.dispatch.lanes import Lanes
from salt_eventsd.dispatch.pauses import Pauses
from salt_eventsd.dispatch.quota import Quota
from salt_eventsd.dispatch.run import Dispatcher
from salt_eventsd.engine.collect import report
from salt_eventsd.engine.ledger import Ledger
from salt_eventsd.engine.live import Live
from salt_eventsd.engine.metrics import metrics_of
from salt_eventsd.engine.own_events.announcer import Announcer, to_bus
from salt_eventsd.engine.own_events.beating import Beating
from salt_eventsd.engine.own_events.stats import stats_frame
from salt_eventsd.engine.plan import Plan, make_plan
from salt_eventsd.engine.predecessor import part_of, predecessor
from salt_eventsd.engine.readings import Parts
from salt_eventsd.engine.repair.handed import Handed
from salt_eventsd.engine.repair.thread import Repair
from salt_eventsd.engine.report import Report, ReportedGap
from salt_eventsd.engine.reporter import Reporter
from salt_eventsd.engine.state_file import to_data
from salt_eventsd.engine.watch import Watch, sign_of
from salt_eventsd.event.frame import STATS_TAG
from salt_eventsd.exceptions import SpoolBusy, SpoolError
from salt_eventsd.intake.drain import Drain
from salt_eventsd.intake.heard import Heard
from salt_eventsd.intake.peers import Peers
from salt_eventsd.intake.thread import Intake
from salt_eventsd.spool.doorstep import Doorstep
from salt_eventsd.spool.keep import Spool

log = logging.getLogger(__name__)

#: How long to wait before each further try to lock the spool: the engine before this one may just be ending, or a
#: runner may be looking.
_LOCK_TRIES_SECONDS = (0.1, 0.3, 0.6, 1.0, 2.0)

_UNCONFIGURED = "eventsd: events wait in the spool for %s, which is not configured"


class Assembly:
    """
    The parts of a configured engine, and the plan that is in force.

    :param config: a right one.
    :param opts: Salt's options.
    :param functions: Salt's execution modules, for workers that want them.
    :param runners: Salt's runners, for workers that want them.
    :param nursery: where readers of the bus come from; None makes one, which only a process without threads may do.
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
        self._born = uuid.uuid4().hex
        #: All that may change while the engine runs. Each part asks for what it needs of it, each time it needs it;
        #: :meth:`apply` puts another plan in its place.
        self.plan = make_plan(config, opts, functions, runners)
        _tell(self.plan)
        # listen: first of all, because it forks the process that reads the bus
        self.inbox = Inbox()
        self.link = Link(nursery or Nursery(opts), self.inbox)
        general = config.general
        self.spool = _open_spool(Path(general.spool.dir), int(general.spool.max_bytes))
        try:
            self._put_together(Path(general.state_file))
            self.apply(self.plan)
            for lane in self.lanes.values():
                if lane.retired:
                    log.warning(_UNCONFIGURED, lane.name)
        except BaseException:
            # There may be another try in this process, which would find the spool locked.
            self.spool.close()
            raise

    def _put_together(self, state_file: Path) -> None:
        """Make the parts from the last step to the first, since each is given the part that follows it."""
        # write, settle: a lane for all that an earlier engine has left; the plan adds lanes, and gives them workers
        self.lanes = Lanes({})
        for name, left in self.spool.begin().items():
            self._lane(name).backlog.restore(left, self.spool.newest_id())
        # run
        self.dispatcher = Dispatcher(
            self.spool, self.lanes, lambda: self.general.max_workers, self._adopt, lambda: self.plan.has_prio
        )
        # What Salt hands to its job cache waits on the doorstep.
        self.pauses = Pauses(self.spool.folder)
        self.doorstep = Doorstep(self.spool.folder, int(self.general.spool.max_bytes))
        # keep: what the spool may hold
        self.quota = Quota(lambda: self.general.spool, self.spool, self.lanes)
        # parse, match, redact, and into the spool
        self.intake = Intake(
            self.inbox,
            self.spool,
            lambda: self.plan.policy,
            lambda: self.general.spool.commit_seconds,
            quota=self.quota,
            kept=self.dispatcher.kept,
            heard=Heard(self._is_nocache),
            peers=Peers(str(self.opts.get("id", ""))),
        )
        self.beating = Beating(self.opts, self.intake.taking.peers, to_bus(self.opts), self._life)
        self.drain = Drain(self.doorstep, self.intake, self._oldest)
        self._observe(state_file)

    def _gaps(self) -> list[ReportedGap]:
        return self.ledger.gaps(self.link.gaps)

    def _life(self) -> str:
        """What tells a time in which the bus was read without a gap from others; "" while nobody reads it."""
        lost = self.link.lost + self.inbox.dropped
        return f"{self._born}.{self.link.reconnects}.{lost}" if self.link.state.connected else ""

    def _is_nocache(self, jid: str) -> bool:
        try:
            return self.doorstep.is_nocache(jid)
        except SpoolError:
            return False

    def _oldest(self) -> float:
        """When the oldest event was read that the job cache's worker has not written; others do not hold it up."""
        asked = self.plan.config.asked
        lanes = [lane for lane in list(self.lanes.values()) if asked is None or lane.owner == asked]
        return min((when for lane in lanes if (when := lane.backlog.oldest())), default=0.0)

    def _observe(self, state_file: Path) -> None:
        """Make the parts that look at the others: what was lost, who stands still, what there is to report."""
        self.live = Live(state_file)
        before = predecessor(state_file, self.spool.folder)
        self.ledger = Ledger(before, lambda: part_of(self.intake.taking.beside_jobs, self.link.received))
        if before and (gap := before.gap()):
            self.link.away(gap)
            if before.restarted_with_its_master():
                self.ledger.harmless(gap.why)
        refused = before.spool.handed_refused if before else None
        handed = Handed(self.doorstep, self._gaps, lambda: self.plan, str(self.opts.get("id", "")), refused)
        self.repair = Repair(
            self.opts,
            lambda: self.plan,
            self._gaps,
            self.ledger,
            self.intake,
            self._oldest,
            handed,
        )
        self.drain.observe(handed.note)
        self.watch = Watch(
            {
                "reader": lambda: self.link.state.beat,
                "pipe": lambda: self.link.turns,
                "intake": sign_of(self.intake, lambda: self.intake.sign),
                "dispatch": sign_of(self.dispatcher, lambda: self.dispatcher.turns),
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
            quota=self.quota,
            dispatcher=self.dispatcher,
            drain=self.drain,
            no_metrics=lambda: self.metrics.problem,
        )
        self.announcer = Announcer(to_bus(self.opts))
        self.reporter = Reporter(
            state_file, lambda: self.general.state_timer, lambda: report(parts), self._reported, self.announcer.look
        )
        counts = self.intake.taking.counting.counts
        self.metrics = metrics_of(lambda: self.general.metrics, self.opts, self.reporter, counts, self.lanes)
        self.watch.add("metrics", sign_of(self.metrics, lambda: self.metrics.turns))

    @property
    def general(self) -> General:
        """The keys directly under ``eventsd:`` that are in force now."""
        return self.plan.config.general

    def apply(self, plan: Plan) -> None:
        """
        Make a plan real; the one place for it, at the start and at each reload.

        First each lane is given its worker, then the plan takes effect as a whole, and then the lanes that it does not
        name retire. So no event comes for a worker that is not there yet.

        :param plan: what is to be in force. A worker that could not be made leaves its events in the spool.
        :raises SpoolError: the spool cannot be used; the plan before stays in force.
        """
        newest = self.spool.newest_id()
        # The file's journal has a limit that goes by this, so the file has to be told.
        self.spool.file.max_bytes = int(plan.config.general.spool.max_bytes)
        for name, planned in plan.lanes.items():
            worker = planned.worker.hold() if planned.worker else None
            lane = self._lane(name)
            lane.paused_at = self.pauses.since(planned.name)
            lane.swap(planned.settings, worker, newest, planned.name, planned.problem)
        self.plan = plan
        self.live.apply(plan.config, time.time())
        for name, lane in self.lanes.items():
            if name not in plan.lanes:
                lane.swap(lane.config, None, newest)
        self.dispatcher.renew()

    def _lane(self, name: str) -> Lane:
        """Return the lane of this name; one that is not there yet is made, retired, for :meth:`apply` to configure."""
        new = Lane(name, WorkerConfig(), None, "", self.spool, Backoff())
        new.retired = True
        return self.lanes.add(new)

    def _adopt(self, name: str) -> None:
        """Make a lane for events that were put back for a worker or rule that is not configured; they are counted."""
        if name not in self.lanes:
            self._lane(name)
            log.warning(_UNCONFIGURED, name)

    def _reported(self, made: Report) -> None:
        """Put the engine's own counters, as an event, on the path of all events, if a rule wants them."""
        if self.intake.pipeline.rules.candidates(STATS_TAG, STATS_TAG):
            self.intake.offer(stats_frame(to_data(made)))


def _tell(plan: Plan) -> None:
    """Say in the log what of a plan the engine cannot use."""
    for stray in plan.strays:
        log.warning("%s", stray)
    for problem in plan.problems:
        log.error("%s; its events wait in the spool", problem)


def _open_spool(folder: Path, max_bytes: int) -> Spool:
    for pause in _LOCK_TRIES_SECONDS:
        try:
            return Spool(folder, max_bytes)
        except SpoolBusy:
            time.sleep(pause)
    return Spool(folder, max_bytes)
