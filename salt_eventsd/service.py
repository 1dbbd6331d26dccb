"""
The composition root: from a config to a running engine. It reads as the eight steps.

Thread A (Salt's main thread of the engine process) listens; B is the intake: parse, match, redact, keep; C claims and
runs; the pool's threads write and settle. Nothing blocks A, ever.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from salt_eventsd.bus import Bus
from salt_eventsd.config import Config
from salt_eventsd.config_load import load, state_file
from salt_eventsd.dispatch import Dispatcher
from salt_eventsd.exceptions import ConfigError, EventsdError, SpoolBusy
from salt_eventsd.inbox import Inbox
from salt_eventsd.intake import Intake, Policy
from salt_eventsd.lane import Lane
from salt_eventsd.redact import compile_redactor
from salt_eventsd.report import Parts, Reporter, idle_report, report
from salt_eventsd.retry import Backoff
from salt_eventsd.room import Room
from salt_eventsd.rules import compile_rules
from salt_eventsd.settle import brief
from salt_eventsd.spool import Spool, Totals
from salt_eventsd.workers import Context, load_modules, make

log = logging.getLogger(__name__)

#: Salt kills an engine 5 s after SIGTERM; these two have to fit into that.
_KEEP_SECONDS = 0.8
_FINISH_SECONDS = 2.2
#: A lock is often free a moment later: the predecessor is just ending, or a runner is looking.
_LOCK_TRIES_SECONDS = (0.1, 0.3, 0.6, 1.0, 2.0)


class Service:
    """
    A configured engine.

    :param config: found right.
    :param opts: Salt's options.
    :param functions: Salt's execution modules, for workers that want them.
    :param runners: Salt's runners, likewise.
    :raises SpoolBusy: another engine has the spool.
    :raises SpoolError: the spool cannot be opened.
    """

    def __init__(self, config: Config, opts: Mapping[str, Any], functions: Any = None, runners: Any = None) -> None:
        self.config = config
        self.inbox = Inbox()
        self.bus = Bus(opts, self.inbox.put)
        policy = Policy(
            rules=compile_rules(config.events),
            redactor=compile_redactor(
                config.general.redact.keys, config.general.redact.values, config.general.redact.functions
            ),
            batches={name: worker.batch for name, worker in config.workers.items()},
        )
        self.spool = _open_spool(Path(config.general.spool.dir))
        modules = load_modules(opts, functions, runners)
        self.spool.requeued()
        left = self.spool.totals()
        self.lanes = {name: _lane(name, config, modules, opts, self.spool) for name in config.workers}
        for name, lane in self.lanes.items():
            lane.restore(left.pop(name, Totals()))
        orphaned = {name: totals.events for name, totals in left.items()}
        for name, events in orphaned.items():
            log.warning("eventsd: %d events wait in the spool for worker %s, which is not configured", events, name)
        self.room = Room(config.general.spool, self.spool, self.lanes)
        self.dispatcher = Dispatcher(self.spool, self.lanes, config.general.max_workers)
        self.intake = Intake(
            self.inbox,
            self.spool,
            policy,
            config.general.spool.commit_seconds,
            room=self.room,
            kept=self.dispatcher.kept,
        )
        parts = Parts(
            started=time.time(),
            bus=self.bus,
            inbox=self.inbox,
            intake=self.intake,
            lanes=self.lanes,
            spool=self.spool,
            room=self.room,
            max_bytes=int(config.general.spool.max_bytes),
            orphaned=orphaned,
        )
        self.reporter = Reporter(Path(config.general.state_file), config.general.state_timer, lambda: report(parts))

    def run(self) -> None:
        """Run until SIGTERM."""
        self.intake.start()
        self.dispatcher.start()
        self.reporter.start()
        self.bus.run()
        self.close()

    def close(self) -> None:
        """Keep what was read, give batches in flight a moment, leave the rest in the spool."""
        kept = self.intake.stop(_KEEP_SECONDS)
        finished = self.dispatcher.stop(_FINISH_SECONDS)
        if not kept:
            log.error("eventsd: the spool did not take the last events within %.1f s", _KEEP_SECONDS)
        self.reporter.stop()
        if finished:
            for lane in self.lanes.values():
                if close := getattr(lane.worker, "close", None):
                    close()
        log.info("eventsd: stopped; %d events wait in the spool", sum(x.queued_events for x in self.lanes.values()))


def run(opts: Mapping[str, Any], given: Mapping[str, Any] | None = None, **loaded: Any) -> None:
    """
    Run the engine until SIGTERM; what Salt calls, through ``_engines/eventsd.py``.

    A wrong config, or a spool that another engine holds, leaves it up and idle: an engine that ended would be started
    again every few seconds, for ever.

    :param opts: Salt's options.
    :param given: the options under ``engines:``.
    :param loaded: ``functions`` and ``runners``, for workers.
    """
    stop = threading.Event()
    service: list[Service] = []

    def on_signal(_number: int, _frame: Any) -> None:
        # Salt's own handler ends in os._exit, with events still in memory. Salt may signal more than once.
        if stop.is_set():
            return
        stop.set()
        for one in service:
            one.bus.stop()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    while not stop.is_set():
        try:
            service.append(Service(load(opts, given), opts, **loaded))
        except EventsdError as exc:
            _idle(opts, exc, stop)
        except Exception as exc:
            # A bug of ours, or of a library's: no better for being started again every ten seconds.
            log.exception("eventsd: could not be started")
            _idle(opts, ConfigError([f"eventsd: could not be started: {brief(exc)}"]), stop)
        else:
            log.info("eventsd: started, spool %s", service[0].spool.folder)
            if not stop.is_set():
                service[0].run()
            break
    logging.shutdown()
    # Threads that hang in a database would keep the process from ending; their batches are in the spool.
    os._exit(0)


def _idle(opts: Mapping[str, Any], error: EventsdError, stop: threading.Event) -> None:
    """Say what is wrong, then wait: for ever if it is the config, a while if it is the spool."""
    problems = error.problems if isinstance(error, ConfigError) else [str(error)]
    for problem in problems:
        log.error("%s", problem)
    log.error("eventsd: idle until this is mended and the master restarted; events are not kept")
    started = time.time()
    reporter = Reporter(Path(state_file(opts)), 5.0, lambda: idle_report(started, problems))
    reporter.start()
    stop.wait(None if isinstance(error, ConfigError) else 30.0)
    reporter.stop()


def _open_spool(folder: Path) -> Spool:
    for pause in _LOCK_TRIES_SECONDS:
        try:
            return Spool(folder)
        except SpoolBusy:
            time.sleep(pause)
    return Spool(folder)


def _lane(name: str, config: Config, modules: Any, opts: Mapping[str, Any], spool: Spool) -> Lane:
    settings = config.workers[name]
    worker, problem = None, ""
    try:
        worker = make(
            modules,
            settings.module,
            Context(name, settings.options, str(opts.get("id", "")), settings.concurrency, opts, settings.defaults),
        )
    except ConfigError as exc:
        problem = str(exc)
        log.error("%s; its events wait in the spool", problem)
    return Lane(name, settings, worker, problem, spool, Backoff())
