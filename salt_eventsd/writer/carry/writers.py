"""What writes the events of one worker, whichever master they come from."""

from __future__ import annotations

import threading
from collections.abc import Callable

from salt_eventsd.workers.load import Loaded, close, start
from salt_eventsd.workers.write import Worker

#: How many writers are kept at most, where each master needs one of its own.
_MOST_MASTERS = 64


class Writers:
    """
    What writes the events of a worker: one for all masters if it is told whose they are, else one for each.

    :param make: makes one, for a master; for "" the one that any master's events can go to.
    """

    def __init__(self, make: Callable[[str], Loaded]) -> None:
        self._make = make
        self._mutex = threading.Lock()
        self._any = make("")
        self._is_shared = bool(getattr(self._any.worker, "takes_masters", False))
        self._by_master: dict[str, Loaded] = {}

    @property
    def shared(self) -> Loaded:
        """The one that any master's events can go to, or that is as those of the masters are."""
        return self._any

    def start(self) -> None:
        """Begin to look after the backend."""
        start(self._any)

    def of(self, master: str) -> Worker:
        """
        Return what writes a master's events.

        :param master: its id.
        """
        if self._is_shared:
            return self._any
        with self._mutex:
            if master not in self._by_master:
                if len(self._by_master) >= _MOST_MASTERS:
                    close(self._by_master.pop(next(iter(self._by_master))))
                self._by_master[master] = self._make(master)
                start(self._by_master[master])
            return self._by_master[master]

    def close(self) -> None:
        """Close all."""
        with self._mutex:
            for one in (self._any, *self._by_master.values()):
                close(one)
