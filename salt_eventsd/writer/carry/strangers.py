"""
What comes from masters with another configuration or another version than this writer's: said once in the log, and in
the status as long as it lasts.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping

from salt_eventsd.backends.broker.parcel import fingerprint
from salt_eventsd.config.structs import EventRule
from salt_eventsd.redact.error_text import masked

log = logging.getLogger(__name__)

_PLAIN = fingerprint(EventRule())
#: How long a difference is reported after it was last seen.
_LASTS_SECONDS = 600.0
#: How many rules are reported as different at the most.
_MOST = 100


class Strangers:
    """
    Looks at what comes.

    :param worker: the worker's name.
    :param rules: its rules with a table or a statement of the user's own, by name.
    """

    def __init__(self, worker: str, rules: Mapping[str, EventRule]) -> None:
        self._worker = worker
        self._known = {name: fingerprint(rule) for name, rule in rules.items()}
        self._mutex = threading.Lock()
        # When each line was last due, on the monotonic clock.
        self._seen: dict[str, float] = {}

    @property
    def lines(self) -> list[str]:
        """What differs, a line each."""
        with self._mutex:
            now = time.monotonic()
            self._seen = {line: at for line, at in self._seen.items() if now - at < _LASTS_SECONDS}
            return list(self._seen)

    def look(self, rules: Mapping[str, str]) -> None:
        """
        Look at the rules by which the events of a parcel came.

        :param rules: by their names, what tells them from others of their name.
        """
        for name, given in rules.items():
            if given == self._known.get(name, _PLAIN):
                continue
            if name in self._known:
                what = "has another table, statement or column here than on the master; it is written as it is here"
            else:
                what = "has a table or a statement on the master, and none here"
            self._see(f"eventsd: events.{masked(name)[:100]}: {what}")

    def too_new(self, why: str) -> None:
        """
        Note that a parcel is of a newer version.

        :param why: which.
        """
        self._see(f"worker {self._worker}: {why}; such parcels are left to newer writers")

    def _see(self, line: str) -> None:
        with self._mutex:
            if line not in self._seen and len(self._seen) < _MOST:
                log.warning("%s", line if line.startswith("eventsd:") else f"eventsd: {line}")
            if line in self._seen or len(self._seen) < _MOST:
                self._seen[line] = time.monotonic()
