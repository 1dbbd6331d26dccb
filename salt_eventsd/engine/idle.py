"""
An engine that cannot work: it says what is wrong, and waits until that is mended.

A wrong config is mended by ``eventsd.reload`` or a restart of the master; a spool that another engine holds may be free
a while later.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from salt_eventsd.config.load import fresh_opts, load, state_file
from salt_eventsd.engine.control import Answer, answering, unknown
from salt_eventsd.engine.predecessor import Predecessor, left
from salt_eventsd.engine.report import Reporter, idle_report
from salt_eventsd.exceptions import ConfigError, EventsdError, SpoolBusy, Unavailable

log = logging.getLogger(__name__)

Given = Mapping[str, Any] | None

#: How often an idle engine reports.
_REPORT_SECONDS = 5.0
#: After so long a spool that was busy is tried again.
_BUSY_SECONDS = 30.0


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
        for problem in problems:
            log.error("%s", problem)
        how = "" if isinstance(error, SpoolBusy) else " (salt-run eventsd.reload)"
        log.error("eventsd: idle until this is mended%s; events are not kept", how)
        told[:] = problems
    started = time.time()
    path = state_file(opts)
    before = _last_working(Path(path))
    reporter = Reporter(Path(path), lambda: _REPORT_SECONDS, lambda: idle_report(started, problems, before))
    reporter.start()
    try:
        if isinstance(error, SpoolBusy):
            # Where the spool is another engine's, so may be the socket.
            stop.wait(_BUSY_SECONDS)
            return opts, given
        # A spool that could not be opened may be well by itself some day; a configuration will not.
        is_final = isinstance(error, ConfigError) and not isinstance(error, Unavailable)
        patience = None if is_final else _BUSY_SECONDS
        return _wait_for_reload(opts, given, path, problems, stop, patience)
    finally:
        reporter.stop()


def _last_working(path: Path) -> Predecessor | None:
    """What the report of this engine is about to replace must not be forgotten."""
    found = left(path)
    return found.before if found and not found.bus else found


def _wait_for_reload(
    opts: Mapping[str, Any],
    given: Given,
    path: str,
    problems: list[str],
    stop: threading.Event,
    patience_seconds: float | None,
) -> tuple[Mapping[str, Any], Given]:
    mended: list[Mapping[str, Any]] = []
    wake = threading.Event()

    def handle(request: dict[str, Any]) -> Answer:
        if request.get("verb") == "compare":
            return {"same": False, "idle": problems, "problems": [], "retcode": 0}
        if request.get("verb") != "reload":
            return unknown(request)
        try:
            fresh = fresh_opts(opts)
            config = load(fresh)
        except ConfigError as exc:
            return {"reloaded": False, "problems": exc.problems, "retcode": 2}
        mended.append(fresh)
        wake.set()
        return {"reloaded": True, "events": list(config.events), "workers": list(config.workers), "retcode": 0}

    with answering(path, handle):
        until = None if patience_seconds is None else time.monotonic() + patience_seconds
        while not (stop.is_set() or wake.wait(0.5) or (until and time.monotonic() > until)):
            pass
    return (mended[-1], None) if mended else (opts, given)
