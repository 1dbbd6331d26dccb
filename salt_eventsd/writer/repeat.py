"""A thread that does something again and again."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from salt_eventsd.redact.error_text import one_line, traceback_text

log = logging.getLogger(__name__)


class Repeat(threading.Thread):
    """
    Does something until :meth:`stop`; what goes wrong is logged once in a row, and it goes on.

    :param name: the thread's.
    :param seconds: how long to wait each time.
    :param work: what is done.
    :ivar turns: changes as long as the thread does something.
    """

    def __init__(self, name: str, seconds: float, work: Callable[[], object]) -> None:
        super().__init__(name=f"eventsd-{name}", daemon=True)
        self.turns = 0
        self._seconds = seconds
        self._work = work
        self._stopping = threading.Event()
        self._failed = ""

    def run(self) -> None:
        """Work until stopped."""
        while not self._stopping.wait(self._seconds):
            self.turns += 1
            try:
                self._work()
                self._failed = ""
            except Exception as exc:
                text = one_line(exc)
                if text != self._failed:
                    log.error("eventsd: %s: %s", self.name, text)
                    log.debug("eventsd: %s", traceback_text(exc))
                self._failed = text

    def stop(self, seconds: float = 0.5) -> None:
        """
        End.

        :param seconds: how long to wait for it.
        """
        self._stopping.set()
        if self.is_alive():
            self.join(seconds)
