"""
An engine that cannot work: it says what is wrong, and waits until that may be mended.

A wrong configuration is mended by an operator, who then calls ``eventsd.reload`` or restarts the master. A spool that
another engine holds may be free a while later.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from salt_eventsd.config.load import load, state_file
from salt_eventsd.config.options import fresh_opts
from salt_eventsd.engine.control import verbs
from salt_eventsd.engine.control.client import Answer
from salt_eventsd.engine.control.server import answering
from salt_eventsd.engine.predecessor import Predecessor, left
from salt_eventsd.engine.reporter import Reporter
from salt_eventsd.engine.state_file import idle_report
from salt_eventsd.exceptions import ConfigError, EventsdError, SpoolBusy, Unavailable

log = logging.getLogger(__name__)

Given = Mapping[str, Any] | None

#: How often an idle engine reports.
_REPORT_SECONDS = 5.0
#: After so long the engine tries a spool again that was busy, or could not be opened.
_BUSY_SECONDS = 30.0
#: How often it looks whether it is to end.
_LOOK_SECONDS = 0.5


class Waiting:
    """
    An idle engine that answers requests, so that an operator can mend its configuration without a restart.

    :param opts: Salt's options.
    :param problems: what is wrong, a line each.
    """

    def __init__(self, opts: Mapping[str, Any], problems: list[str]) -> None:
        self._opts = opts
        self._problems = problems
        self._is_mended = threading.Event()
        #: Options with which a configuration was found right, once there are any.
        self.mended: Mapping[str, Any] | None = None

    def compare(self) -> Answer:
        """Return that no configuration is in force, and why."""
        return {"same": False, "idle": self._problems, "problems": [], "retcode": 0}

    def reload(self) -> Answer:
        """Read the configuration from disk; if it is right, end the wait."""
        try:
            fresh = fresh_opts(self._opts)
            config = load(fresh)
        except ConfigError as exc:
            return {"reloaded": False, "problems": exc.problems, "retcode": 2}
        self.mended = fresh
        self._is_mended.set()
        return {"reloaded": True, "events": list(config.events), "workers": list(config.workers), "retcode": 0}

    def wait(self, stop: threading.Event, patience_seconds: float | None) -> None:
        """
        Wait until a reload has found a right configuration.

        :param stop: ends the wait.
        :param patience_seconds: ends it, too; None waits for ever.
        """
        until = None if patience_seconds is None else time.monotonic() + patience_seconds
        while not (stop.is_set() or self._is_mended.wait(_LOOK_SECONDS)):
            if until is not None and time.monotonic() > until:
                return


def idle(
    opts: Mapping[str, Any], given: Given, error: EventsdError, stop: threading.Event, told: list[str]
) -> tuple[Mapping[str, Any], Given]:
    """
    Wait until there is something to try, and return the options to try it with.

    :param opts: Salt's options.
    :param given: the options under ``engines:``.
    :param error: why the engine cannot work.
    :param stop: ends the wait.
    :param told: what was logged last; what is still wrong is not logged again.
    """
    problems = error.problems if isinstance(error, ConfigError) else [str(error)]
    if problems != told:
        _tell(problems, error)
        told[:] = problems
    started = time.time()
    path = state_file(opts)
    before = _last_working(Path(path))
    reporter = Reporter(Path(path), lambda: _REPORT_SECONDS, lambda: idle_report(started, problems, before))
    reporter.start()
    try:
        if isinstance(error, SpoolBusy):
            # The engine that has the spool may have the socket, too.
            stop.wait(_BUSY_SECONDS)
            return opts, given
        # A spool that could not be opened may be well by itself some day; a configuration will not.
        is_final = isinstance(error, ConfigError) and not isinstance(error, Unavailable)
        waiting = Waiting(opts, problems)
        with answering(path, verbs.of_idle(waiting)):
            waiting.wait(stop, None if is_final else _BUSY_SECONDS)
        # What is on disk has what stood under engines, too.
        return (waiting.mended, None) if waiting.mended else (opts, given)
    finally:
        reporter.stop()


def _tell(problems: list[str], error: EventsdError) -> None:
    for problem in problems:
        log.error("%s", problem)
    how = "" if isinstance(error, SpoolBusy) else " (salt-run eventsd.reload)"
    log.error("eventsd: idle until this is mended%s; events are not kept", how)


def _last_working(path: Path) -> Predecessor | None:
    """Return the last engine that worked: this one's report replaces what is known of it, and has to repeat it."""
    found = left(path)
    return found.before if found and not found.bus else found
