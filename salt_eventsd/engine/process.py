"""
The engine's process, from Salt's start to SIGTERM: wait until there is a right configuration, run, end.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Mapping
from typing import Any

from salt_eventsd.bus.nursery import Nursery
from salt_eventsd.common.heap import collect_rarely, share_heap
from salt_eventsd.config.load import load, state_file
from salt_eventsd.config.options import engines_of, fresh_opts
from salt_eventsd.engine import signals
from salt_eventsd.engine.control import ask, socket_path, verbs
from salt_eventsd.engine.control.server import answering
from salt_eventsd.engine.idle import Given, idle
from salt_eventsd.engine.service import Service
from salt_eventsd.engine.watch import sign_of
from salt_eventsd.exceptions import ConfigError, EventsdError
from salt_eventsd.redact.error_text import one_line, traceback_text
from salt_eventsd.workers.sync import sync_workers_quietly

log = logging.getLogger(__name__)

#: After so long the engine tries again to be idle, where that has failed.
_AGAIN_SECONDS = 30.0


class _End:
    """What SIGTERM calls: ends the engine, in whatever state it is."""

    def __init__(self) -> None:
        #: Set once the engine is to end.
        self.asked = threading.Event()
        self.service: Service | None = None

    def __call__(self) -> None:
        # Salt may signal more than once.
        if self.asked.is_set():
            return
        self.asked.set()
        if self.service:
            self.service.stop()


def run(opts: Mapping[str, Any], given: Given = None, **loaded: Any) -> None:
    """
    Run the engine until SIGTERM; what Salt calls, through ``_engines/eventsd.py``.

    With a wrong configuration, or a spool that another engine holds, it waits: Salt would start an engine that ended
    again every few seconds, for ever.

    :param opts: Salt's options.
    :param given: the options under ``engines:``.
    :param loaded: ``functions`` and ``runners``, for workers.
    """
    share_heap()
    end = _End()
    signals.install(end, lambda: _reload(opts))
    # Before anything that might start a thread or open something.
    nursery = Nursery(opts)
    service = _service(opts, given, end.asked, nursery=nursery, **loaded)
    code = 0
    if service:
        end.service = service
        collect_rarely()
        log.info("eventsd: started, spool %s", service.spool.folder)
        if not end.asked.is_set():
            code = _work(service)
    logging.shutdown()
    # Threads that hang in a database would keep the process from ending; their batches are in the spool.
    os._exit(code)


def _service(opts: Mapping[str, Any], given: Given, stop: threading.Event, **parts: Any) -> Service | None:
    """Return a configured engine; wait, idle, as long as there cannot be one. None if the engine is to end."""
    opts, given = _as_on_disk(opts, given)
    sync_workers_quietly(opts)
    told: list[str] = []
    while not stop.is_set():
        try:
            return Service(load(opts, given), opts, **parts)
        except EventsdError as exc:
            error = exc
        except Exception as exc:
            # A bug of ours, or of a library's: no better for being started again every ten seconds.
            log.debug("eventsd: could not be started: %s", traceback_text(exc))
            error = ConfigError([f"eventsd: could not be started: {one_line(exc)}"])
        opts, given = _idle(opts, given, error, stop, told)
    return None


def _work(service: Service) -> int:
    """Run the engine and answer requests, and return the exit code: Salt logs it if it is not 0."""
    with answering(service.general.state_file, verbs.of_running(service)) as control:
        if control:
            service.watch.add("control", sign_of(control, lambda: control.turns))
        try:
            service.run()
        except Exception as exc:
            log.error("eventsd: ended by an error: %s", one_line(exc))
            log.debug("eventsd: %s", traceback_text(exc))
            return 1
    return 0


def _idle(
    opts: Mapping[str, Any], given: Given, error: EventsdError, stop: threading.Event, told: list[str]
) -> tuple[Mapping[str, Any], Given]:
    """Wait until there is something to try. Salt would start an engine that ended here again and again, for ever."""
    try:
        return idle(opts, given, error, stop, told)
    except Exception as exc:
        log.error("eventsd: the idle engine cannot report that it is idle: %s", one_line(exc))
        log.debug("eventsd: %s", traceback_text(exc))
        stop.wait(_AGAIN_SECONDS)
        return opts, given


def _as_on_disk(opts: Mapping[str, Any], given: Given) -> tuple[Mapping[str, Any], Given]:
    """
    Return the options on disk if they differ, and are right.

    Salt starts the engine that follows one that crashed with the options of the master's start; what was reloaded since
    then is on disk alone.
    """
    if not os.path.isfile(str(opts.get("conf_file") or "")):
        return opts, given
    try:
        fresh = {**fresh_opts(opts), **{key: opts[key] for key in ("pillar",) if key in opts}}
        same = all(fresh.get(key) == opts.get(key) for key in ("eventsd", "engines"))
        # Of several engines, the file does not tell which one this is.
        if same or len(engines_of(fresh.get("engines"))) != 1:
            return opts, given
        load(fresh)
    except Exception as exc:
        # Salt would start an engine that ended here again and again, with the same on disk, for ever.
        log.error(
            "eventsd: the configuration on disk is wrong, so that of the master's start is used: %s", one_line(exc)
        )
        return opts, given
    log.info("eventsd: the configuration has changed since the master's start; that on disk is used")
    return fresh, None


def _reload(opts: Mapping[str, Any]) -> None:
    """Do at SIGHUP what ``salt-run eventsd.reload`` does, and by the same way: an idle engine understands it, too."""
    if not os.path.isfile(str(opts.get("conf_file") or "")):
        log.warning("eventsd: SIGHUP: nothing was reloaded: this engine was started without a configuration file")
        return
    try:
        answer = ask(socket_path(state_file(opts)), "reload")
    except EventsdError as exc:
        log.warning("eventsd: SIGHUP: nothing was reloaded: %s", exc)
        return
    log.info("eventsd: SIGHUP: %s", "reloaded" if answer.get("reloaded") else "the running configuration stays")
