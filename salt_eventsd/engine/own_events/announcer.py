"""
The thread that puts events of the engine's own on Salt's bus. Nobody waits for it: it drops what it has no room for,
and what the master does not take.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import salt.utils.event

from salt_eventsd.engine.own_events.news import News, Told
from salt_eventsd.engine.report import Report
from salt_eventsd.event.frame import OWN_TAGS
from salt_eventsd.redact.error_text import one_line

log = logging.getLogger(__name__)

#: How many events may wait for a slow master.
_MOST_WAITING = 100
#: How long the master may take to take one.
_TAKE_SECONDS = 2.0
#: How long the end of the engine waits for the thread.
_END_SECONDS = 0.1

#: Puts an event on the bus, and says whether the bus has taken it.
Fire = Callable[[dict[str, Any], str], bool]


class Announcer(threading.Thread):
    """
    Fires events until :meth:`stop`.

    :param fire: puts one on the bus; from :func:`to_bus`.
    :param most: how many may wait.
    :ivar let_go: events for which there was no room.
    """

    def __init__(self, fire: Fire, most: int = _MOST_WAITING) -> None:
        super().__init__(name="eventsd-own-events", daemon=True)
        self.let_go = 0
        self._fire = fire
        self._news = News()
        self._mutex = threading.Lock()
        self._waiting: queue.Queue[Told | None] = queue.Queue(most)

    def look(self, found: Report) -> None:
        """
        Tell what is new in a report.

        :param found: of a running engine.
        """
        with self._mutex:
            self._tell(self._news.of(found))

    def reloaded(self, workers: list[str], rules: list[str]) -> None:
        """
        Tell that the engine goes by another configuration.

        :param workers: those there are now.
        :param rules: likewise.
        """
        with self._mutex:
            self._tell(self._news.reloaded(workers, rules))

    def run(self) -> None:
        """Fire until stopped."""
        while told := self._waiting.get():
            try:
                taken = self._fire(told.data, OWN_TAGS + told.what)
            except Exception as exc:
                log.debug("eventsd: an event of its own was not taken: %s", one_line(exc))
            else:
                if not taken:
                    log.debug("eventsd: an event of its own was not taken")

    def stop(self) -> None:
        """End, without waiting for a master that does not answer."""
        self._put(None)
        if self.is_alive():
            self.join(_END_SECONDS)

    def _tell(self, several: Iterable[Told]) -> None:
        for told in several:
            self._put(told)

    def _put(self, told: Told | None) -> None:
        try:
            self._waiting.put_nowait(told)
        except queue.Full:
            self.let_go += 1


def to_bus(opts: Mapping[str, Any]) -> Fire:
    """
    Return a function that puts events on the bus of this master or minion.

    :param opts: Salt's options.
    """

    def fire(data: dict[str, Any], tag: str) -> bool:
        # A new connection each time: there are few events, and the master may have been restarted since the last one.
        role = "minion" if opts.get("__role") == "minion" else "master"
        with salt.utils.event.get_event(role, opts=dict(opts), listen=False) as bus:
            return bool(bus.fire_event(data, tag, timeout=int(_TAKE_SECONDS * 1000)))

    return fire
