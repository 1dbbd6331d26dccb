"""
A writer at work: its desks, and the threads that keep the broker and the operator informed.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import msgspec

from salt_eventsd.common.english import counted
from salt_eventsd.config.folders import make_private
from salt_eventsd.dispatch.backoff import Backoff
from salt_eventsd.exceptions import ConfigError, WorkerError
from salt_eventsd.redact.error_text import one_line
from salt_eventsd.writer.alone import Alone
from salt_eventsd.writer.carry.desk import Desk
from salt_eventsd.writer.carry.source import Broker
from salt_eventsd.writer.config import WriterConfig
from salt_eventsd.writer.plan import Planned, plan, threads
from salt_eventsd.writer.repeat import Repeat
from salt_eventsd.writer.told.metrics import metrics_of
from salt_eventsd.writer.told.problems import problems
from salt_eventsd.writer.told.report import Problem, Report, report

log = logging.getLogger(__name__)

#: How often the broker is told that a pulled parcel is still being worked on.
BEAT_SECONDS = 5.0
#: How often it is asked what waits.
_DEPTH_SECONDS = 2.0
#: How often a report is made, and at least written.
_REPORT_SECONDS = 1.0
#: How long a batch may still be written at the end, or when the configuration changes.
FINISH_SECONDS = 3.0


class Service:
    """
    A configured writer.

    :param config: a right one.
    :param broker: where parcels come from.
    :param backoff: how long to wait after a failure.
    :param beat_seconds: see :data:`BEAT_SECONDS`.
    :raises ConfigError: some workers cannot be made.
    """

    def __init__(
        self,
        config: WriterConfig,
        broker: Broker,
        backoff: Backoff | None = None,
        beat_seconds: float = BEAT_SECONDS,
    ) -> None:
        self.config = config
        self.latest: Report | None = None
        #: Why the configuration on disk is not in force, "" if it is.
        self.not_reloaded = ""
        self._broker = broker
        self._backoff = backoff or Backoff()
        self._started = time.time()
        self._unwritten = ""
        self._written_at = 0.0
        self._desks = self._desks_of(plan(config))
        self._metrics = metrics_of(lambda: self.config.config.general.metrics, lambda: self.latest, lambda: self._desks)
        self._threads = [
            Repeat("beat", beat_seconds, self._beat),
            Repeat("depth", _DEPTH_SECONDS, self._look),
            Repeat("report", _REPORT_SECONDS, self.tell),
        ]

    @property
    def desks(self) -> list[Desk]:
        """The workers, at work."""
        return self._desks

    def start(self) -> None:
        """Begin."""
        for desk in self._desks:
            desk.start()
        for thread in (*self._threads, self._metrics):
            thread.start()
        self.tell()

    def apply(self, config: WriterConfig, broker: Broker) -> None:
        """
        Go on with another configuration: what is in hand is settled or given back, and none of it is lost.

        :param config: a right one.
        :param broker: where parcels come from now.
        :raises ConfigError: some workers cannot be made; all stays as it is.
        """
        new = plan(config)
        if config.config.general.state_file != self.config.config.general.state_file:
            log.warning("eventsd: state_file: changes when the writer is restarted")
        old, was = self._desks, self._broker
        self._finish(old, time.monotonic() + FINISH_SECONDS)
        was.close()
        self.config, self._broker = config, broker
        self._desks = self._desks_of(new, {desk.name: desk for desk in old})
        for desk in self._desks:
            desk.start()
        if problem := self._metrics.settle():
            log.warning("eventsd: %s", problem)

    def halt(self) -> None:
        """Pull no more, and begin no more tries; may be called from a signal handler."""
        for desk in self._desks:
            desk.halt()

    def close(self, until: float) -> None:
        """
        End: tries in flight have some time, and the rest is given back at once.

        :param until: how long, by the monotonic clock.
        """
        left = self._finish(self._desks, until)
        self._broker.close()
        for thread in self._threads:
            thread.stop()
        self._metrics.stop()
        self.tell(ended=True)
        log.info("eventsd: stopped%s", f"; {counted(left, 'parcel', 'was')} given back" if left else "")

    def tell(self, *, ended: bool = False) -> None:
        """
        Make a report, and write it into the state file.

        :param ended: whether it is the last one.
        """
        general = self.config.config.general
        self.latest = report(self._desks, self._started, general.state_timer, self._problems(), ended=ended)
        if not ended and time.monotonic() < self._written_at + min(general.state_timer, 2 * _REPORT_SECONDS):
            return
        self._written_at = time.monotonic()
        path = Path(general.state_file)
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            make_private(path.parent)
            draft.touch(mode=0o600)
            draft.write_bytes(msgspec.json.format(msgspec.json.encode(self.latest)))
            os.replace(draft, path)
            self._unwritten = ""
        except OSError as exc:
            text = f"eventsd: state_file: {path} cannot be written: {exc.strerror or exc}"
            if text != self._unwritten:
                log.error("%s", text)
            self._unwritten = text

    def _desks_of(self, plans: list[Planned], before: Mapping[str, Desk] = MappingProxyType({})) -> list[Desk]:
        alone, letters = Alone(str(self.config.opts["conf_file"])), self._broker.dead_letters()
        shares = threads(plans, self.config.config.general.max_workers)
        return [
            Desk(
                one,
                self._broker.consumer(one.name),
                letters,
                alone,
                shares[one.name],
                self._backoff,
                before.get(one.name),
            )
            for one in plans
        ]

    def _problems(self) -> Iterator[Problem]:
        if self.not_reloaded:
            yield Problem("config", f"the configuration on disk is wrong: {self.not_reloaded}")
        yield from problems(self._desks)
        if self._metrics.problem:
            yield Problem("metrics", self._metrics.problem)

    def _beat(self) -> None:
        """Say of all that is in hand that somebody is at it."""
        for desk in self._desks:
            try:
                for delivered in desk.in_hand:
                    delivered.working()
            except WorkerError as exc:
                log.debug("eventsd: source: %s", one_line(exc))

    def _look(self) -> None:
        for desk in self._desks:
            desk.ask_depth()

    @staticmethod
    def _finish(desks: list[Desk], until: float) -> int:
        for desk in desks:
            desk.halt()
        left = sum(len(desk.in_hand) for desk in desks)
        for desk in desks:
            if not desk.close(until):
                log.warning(
                    "eventsd: worker %s: a parcel is still being written; it is left to other writers", desk.name
                )
        return left


def reload(service: Service, config: WriterConfig, broker: Broker) -> None:
    """
    Give a running writer another configuration; a wrong one leaves it as it is, and is told.

    :param service: the writer.
    :param config: the other configuration.
    :param broker: where parcels come from then.
    """
    try:
        service.apply(config, broker)
    except ConfigError as exc:
        broker.close()
        refuse(service, exc)
    else:
        service.not_reloaded = ""
        log.info("eventsd: reloaded; workers: %s", ", ".join(config.config.workers))


def refuse(service: Service, error: ConfigError) -> None:
    """
    Note that a configuration cannot be used.

    :param service: the writer.
    :param error: why.
    """
    for problem in error.problems:
        log.error("%s", problem)
    log.error("eventsd: SIGHUP: the running configuration stays")
    # Whoever reads the status finds the reason in the log.
    service.not_reloaded = "; ".join(error.problems)
