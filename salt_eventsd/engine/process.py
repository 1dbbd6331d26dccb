"""
The life of the engine's process: from Salt's start to SIGTERM, idle where it cannot work.
"""

from __future__ import annotations

import gc
import logging
import os
import threading
from collections.abc import Mapping
from typing import Any

from salt_eventsd.bus.nursery import Nursery
from salt_eventsd.config.load import engines_of, fresh_opts, load, state_file
from salt_eventsd.engine import signals
from salt_eventsd.engine.control import answering, ask, socket_path
from salt_eventsd.engine.idle import idle
from salt_eventsd.engine.reload import requests_to
from salt_eventsd.engine.service import Service
from salt_eventsd.exceptions import ConfigError, EventsdError
from salt_eventsd.redact.error_text import one_line, traceback_text
from salt_eventsd.workers.sync import sync_workers_quietly

log = logging.getLogger(__name__)

#: After so long it is tried again to be idle, where that has failed.
_AGAIN_SECONDS = 30.0


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
    told: list[str] = []
    code = 0

    def end() -> None:
        # Salt may signal more than once.
        if stop.is_set():
            return
        stop.set()
        for one in service:
            one.stop()

    signals.install(end, lambda: _reload(opts))
    # Before anything that might start a thread or open something.
    nursery = Nursery(opts)
    opts, given = _as_on_disk(opts, given)
    sync_workers_quietly(opts)
    while not stop.is_set():
        try:
            service.append(Service(load(opts, given), opts, **loaded, nursery=nursery))
        except EventsdError as exc:
            opts, given = _idle(opts, given, exc, stop, told)
        except Exception as exc:
            # A bug of ours, or of a library's: no better for being started again every ten seconds.
            log.debug("eventsd: could not be started: %s", traceback_text(exc))
            opts, given = _idle(
                opts, given, ConfigError([f"eventsd: could not be started: {one_line(exc)}"]), stop, told
            )
        else:
            # What Salt and its modules have loaded lives as long as this process: no use in looking through it again
            # and again for what could be freed.
            gc.collect()
            gc.freeze()
            log.info("eventsd: started, spool %s", service[0].spool.folder)
            if not stop.is_set():
                with answering(service[0].plan.config.general.state_file, requests_to(service[0])) as control:
                    if control:
                        service[0].watch.add("control", lambda: control.turns if control.is_alive() else None)
                    code = _run(service[0])
            break
    logging.shutdown()
    # Threads that hang in a database would keep the process from ending; their batches are in the spool.
    os._exit(code)


def _idle(opts: Any, given: Any, error: EventsdError, stop: threading.Event, told: list[str]) -> tuple[Any, Any]:
    """Wait until there is something to try; an engine that ended here, too, would be started again for ever."""
    try:
        return idle(opts, given, error, stop, told)
    except Exception as exc:
        log.error("eventsd: idle, and not even that works: %s", one_line(exc))
        log.debug("eventsd: %s", traceback_text(exc))
        stop.wait(_AGAIN_SECONDS)
        return opts, given


def _as_on_disk(opts: Mapping[str, Any], given: Mapping[str, Any] | None) -> tuple[Mapping[str, Any], Any]:
    """
    What was reloaded holds, too, for the engine that takes over from one that crashed, though Salt starts it with the
    options of the master's start.
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
        # An engine that ended would be started again, with the same on disk, for ever.
        log.error(
            "eventsd: the configuration on disk is wrong, so that of the master's start is used: %s", one_line(exc)
        )
        return opts, given
    log.info("eventsd: the configuration has changed since the master's start; that on disk is used")
    return fresh, None


def _reload(opts: Mapping[str, Any]) -> None:
    """As ``salt-run eventsd.reload`` does: whoever sends SIGHUP means this, and an idle engine knows it, too."""
    if not os.path.isfile(str(opts.get("conf_file") or "")):
        log.warning("eventsd: SIGHUP: nothing was reloaded: this engine was started without a configuration file")
        return
    try:
        answer = ask(socket_path(state_file(opts)), "reload")
    except EventsdError as exc:
        log.warning("eventsd: SIGHUP: nothing was reloaded: %s", exc)
        return
    log.info("eventsd: SIGHUP: %s", "reloaded" if answer.get("reloaded") else "the running configuration stays")


def _run(service: Service) -> int:
    """Return the exit code: Salt starts an engine that ended again, and says so if it is not 0."""
    try:
        service.run()
    except Exception as exc:
        log.error("eventsd: ended by an error: %s", one_line(exc))
        log.debug("eventsd: %s", traceback_text(exc))
        return 1
    return 0
