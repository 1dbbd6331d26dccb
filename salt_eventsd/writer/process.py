"""
The process of a writer, from its start to SIGTERM.
"""

from __future__ import annotations

import logging
import os
import time

from salt_eventsd.common.heap import collect_rarely
from salt_eventsd.engine import signals
from salt_eventsd.exceptions import ConfigError
from salt_eventsd.redact.error_text import one_line, traceback_text
from salt_eventsd.writer.config import read
from salt_eventsd.writer.jetstream import Servers
from salt_eventsd.writer.service import FINISH_SECONDS, Service, refuse, reload

log = logging.getLogger(__name__)

#: How often the process looks for a signal.
_LOOK_SECONDS = 0.1


class _Asked:
    """What signals have asked for; plain attributes, as a handler may wait for nothing."""

    def __init__(self) -> None:
        self.ended_at = 0.0
        self.reload = False
        self.service: Service | None = None

    def end(self) -> None:
        """Heed SIGTERM: nothing more is pulled from this moment on."""
        if not self.ended_at:
            self.ended_at = time.monotonic()
            if self.service:
                self.service.halt()


def run(path: str) -> int:
    """
    Run a writer until SIGTERM, and return the exit code.

    :param path: the configuration's file.
    :raises ConfigError: the configuration is wrong.
    """
    asked = _Asked()
    signals.install(asked.end, lambda: setattr(asked, "reload", True))
    config = read(path)
    service = asked.service = Service(config, Servers(config.source))
    service.start()
    collect_rarely()
    for note in config.notes:
        log.warning("%s", note)
    log.info("eventsd: the writer has started; workers: %s", ", ".join(config.config.workers))
    while not asked.ended_at:
        if asked.reload:
            asked.reload = False
            _reload(path, service)
        time.sleep(_LOOK_SECONDS)
    service.close(asked.ended_at + FINISH_SECONDS)
    logging.shutdown()
    # Threads that hang in a database would keep the process from ending; their parcels are given back.
    os._exit(0)


def _reload(path: str, service: Service) -> None:
    try:
        config = read(path)
        reload(service, config, Servers(config.source))
    except ConfigError as exc:
        refuse(service, exc)
    except Exception as exc:
        refuse(service, ConfigError([f"eventsd: the configuration cannot be made use of: {one_line(exc)}"]))
        log.debug("eventsd: %s", traceback_text(exc))
